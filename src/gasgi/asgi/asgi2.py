"""ASGI 2: applications that are called with the scope and give a callable for ``receive`` and ``send``."""

from __future__ import annotations

import inspect
from typing import Any, cast

from gasgi.types import ASGIApp

__all__ = ["single_callable"]


def single_callable(app: Any) -> ASGIApp:
    """Return ``app`` as it is, or an ASGI 3 application around it when it takes a scope and no more."""
    if not _takes(app, 1) or _takes(app, 3):
        return cast(ASGIApp, app)

    async def call_twice(scope: Any, receive: Any, send: Any) -> None:
        await app(scope)(receive, send)

    return call_twice


def _takes(app: Any, count: int) -> bool:
    try:
        inspect.signature(app).bind(*range(count))
    except (TypeError, ValueError):  # ValueError: written in C without a signature
        return False
    return True
