"""Tell what an application is: ASGI 3, ASGI 2 (called with the scope, gives a callable for the rest) or a mistake."""

from __future__ import annotations

import inspect
from typing import Any, cast

from gasgi.errors import SettingError
from gasgi.types import ASGIApp

__all__ = ["single_callable"]


def single_callable(app: Any) -> ASGIApp:
    """Return ``app`` as it is, or an ASGI 3 application around it when it takes a scope and no more.

    Raise SettingError for a WSGI application, which takes two arguments: each request would fail.
    """
    if _takes(app, 2) and not _takes(app, 1) and not _takes(app, 3):
        name = getattr(app, "__qualname__", type(app).__qualname__)
        raise SettingError(
            f"this is a WSGI application: {name} takes two arguments (environ, start_response). Serve it with a worker "
            "of gunicorn's own (--worker-class gthread), or wrap it into ASGI (a2wsgi.WSGIMiddleware)"
        )
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
