"""What the soak runs against: echo, a room that hears everything, a stream that few read, and an end by error."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import sys
from typing import Any

from tests.support.ws_apps import same

room: set[Any] = set()


class _Mallinfo(ctypes.Structure):
    """malloc.h: struct mallinfo2."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    )


def allocated_bytes() -> int:
    """Return what malloc has given away and not got back; Python's small objects are not in it."""
    function = ctypes.CDLL(None).mallinfo2
    function.restype = _Mallinfo
    return function().uordblks


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return
    elif scope["type"] == "http":
        if scope["path"] == "/blocks":
            gc.collect()
            body = b"%d %d" % (sys.getallocatedblocks(), allocated_bytes())
        elif scope["path"].startswith("/pid/"):
            await asyncio.sleep(float(scope["path"][5:]))
            body = b"%d" % os.getpid()
        else:
            body = b"%d" % len(room)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})
    else:
        await websocket(scope["path"], receive, send)


async def websocket(path: str, receive: Any, send: Any) -> None:
    await receive()
    if path == "/refused":
        await send({"type": "websocket.close"})
        return
    await send({"type": "websocket.accept"})
    if path == "/stream":
        piece = bytes(65536)
        while True:
            await send({"type": "websocket.send", "bytes": piece})
    room.add(send)
    try:
        while (event := await receive())["type"] != "websocket.disconnect":
            text = event.get("text")
            if text == "crash":
                raise RuntimeError("asked for")
            if text == "tell all":
                await asyncio.gather(
                    *(tell({"type": "websocket.send", "text": "news"}, other) for other in tuple(room))
                )
            else:
                await send(same(event))
    finally:
        room.discard(send)


async def tell(event: dict[str, str], send: Any) -> None:
    try:
        await asyncio.wait_for(send(event), 5)
    except (OSError, asyncio.TimeoutError):
        pass  # the one who left, or does not read, learns nothing
