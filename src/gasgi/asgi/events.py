"""Take an event of the application's as a dictionary, whatever mapping it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gasgi.errors import ASGIMisuse

__all__ = ["checked_event"]


def checked_event(message: Any) -> dict[str, Any]:
    """Return ``message`` as a dict; raise ASGIMisuse for what is no mapping."""
    if isinstance(message, Mapping):
        return dict(message)
    raise ASGIMisuse(f"an ASGI event is a dict, not {message!r}")
