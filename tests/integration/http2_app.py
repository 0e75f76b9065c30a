"""The application of the HTTP/2 tests; the path says what it does."""

from __future__ import annotations

import asyncio
from typing import Any

PIECES = 20


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
    if scope["path"] == "/echo":
        await send(start)
        while True:
            message = await receive()
            await send({"type": "http.response.body", "body": message["body"], "more_body": message["more_body"]})
            if not message["more_body"]:
                break
    elif scope["path"] == "/stream":
        await send(start)
        for i in range(PIECES):
            await send({"type": "http.response.body", "body": b"%d\n" % i, "more_body": True})
            await asyncio.sleep(0.1)
        await send({"type": "http.response.body"})
    elif scope["path"] == "/endless":
        await send(start)
        print("an endless answer begins", flush=True)
        while True:
            await send({"type": "http.response.body", "body": b"and on", "more_body": True})
            await asyncio.sleep(0.1)
    else:
        said = f"{scope['http_version']} {scope['scheme']} {scope['client'] and scope['client'][0]} {scope['path']}"
        await send(start)
        await send({"type": "http.response.body", "body": said.encode()})
