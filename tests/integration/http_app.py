"""The application that the socket and memory tests serve; the path says what it does."""

from __future__ import annotations

import asyncio
import os
from typing import Any

PIECE = b"x" * 65536


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.Event().wait()  # and never receives
    if scope["type"] == "http":
        await ACTIONS[scope["path"]](receive, send)


async def hello(receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def pid(receive: Any, send: Any) -> None:
    await answer(send, str(os.getpid()).encode())


async def count_slowly(receive: Any, send: Any) -> None:
    """Read the body slower than it comes and answer with its size."""
    size = messages = 0
    while True:
        message = await receive()
        size += len(message["body"])
        messages += 1
        if not message["more_body"]:
            break
        if messages % 8 == 0:
            await asyncio.sleep(0.001)
    await answer(send, str(size).encode())


async def gigabyte(receive: Any, send: Any) -> None:
    """Send 1 GiB as fast as it is taken."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % 2**30)]})
    for _ in range(2**30 // len(PIECE)):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
    await send({"type": "http.response.body"})


async def fail_late(receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello", "more_body": True})
    await asyncio.sleep(0)
    raise ValueError("meant")


waiting = 0  # requests that wait for their client to leave


async def wait(receive: Any, send: Any) -> None:
    global waiting
    waiting += 1
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        waiting -= 1


async def sit(receive: Any, send: Any) -> None:
    """Do not even read."""
    global waiting
    waiting += 1
    try:
        await asyncio.Event().wait()
    finally:
        waiting -= 1


async def count_waiting(receive: Any, send: Any) -> None:
    await answer(send, str(waiting).encode())


async def answer(send: Any, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


ACTIONS = {"/": hello, "/pid": pid, "/upload": count_slowly, "/download": gigabyte, "/fail": fail_late} | {
    "/wait": wait,
    "/sit": sit,
    "/waiting": count_waiting,
}
