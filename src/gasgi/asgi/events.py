"""Take an event of the application's, and what is in it, as Python's own values, whatever it has made of them.

Reading an object of the application's may run its code, and that may send: whoever reads looks at the state after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gasgi.errors import ASGIMisuse

if TYPE_CHECKING:
    from gasgi.types import Headers

__all__ = ["checked_event", "read_fields"]


def checked_event(message: Any) -> dict[str, Any]:
    """Return ``message`` as a dict; raise ASGIMisuse for what is no mapping."""
    if isinstance(message, Mapping):
        return dict(message)
    raise ASGIMisuse(f"an ASGI event must be a dict, not {message!r}")


def read_fields(headers: Any) -> Headers:
    """Copy header fields, None for none; raise ASGIMisuse for what are no pairs. The encoder checks what is in them."""
    if headers is None:
        return []
    try:
        iterator = iter(headers)
    except TypeError:
        raise ASGIMisuse(f"headers must be pairs of name and value, not {headers!r}") from None
    fields = []
    for field in iterator:
        try:
            name, value = field
        except (TypeError, ValueError):
            raise ASGIMisuse(f"a header must be a pair of name and value, not {field!r}") from None
        fields.append((_as_plain(name), _as_plain(value)))
    return fields


def _as_plain(value: Any) -> Any:
    return bytes(value) if type(value) is not bytes and isinstance(value, bytes) else value
