"""The application under test: echo every message with its own type."""

from __future__ import annotations

from typing import Any

from tests.support import ws_apps
from tests.support.http_apps import head, last


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        await ws_apps.echo(scope, receive, send)
    else:
        await send(head(404, [(b"content-length", b"0")]))
        await send(last())
