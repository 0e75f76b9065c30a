"""What ``--reload`` serves instead of an application that does not load: the error, on every path."""

from __future__ import annotations

from gasgi.close_codes import INTERNAL_ERROR
from gasgi.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["failed_app"]


def failed_app(text: str) -> ASGIApp:
    """Return an app that answers 500 with ``text`` and refuses WebSockets."""
    body = text.encode("utf-8", "replace")
    start: Message = {
        "type": "http.response.start",
        "status": 500,
        "headers": [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")],
    }

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["type"] == "http":
            await send(dict(start))
            await send({"type": "http.response.body", "body": body})
        else:
            await send({"type": "websocket.close", "code": INTERNAL_ERROR})

    return app
