"""The application that the WebSocket tests serve; the path says what it does. It writes into the file $JOURNAL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.integration.apps import answer, lifespan, note
from tests.support.ws_apps import echo_messages

PIECE_BYTES = 65536
PIECES = 1024

progress = {"sent": 0, "received": 0}
woken = asyncio.Event()
room: set[Any] = set()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "http":
        await http(scope["path"], send)
    else:
        name, _, detail = scope["path"][1:].partition("/")
        await receive()
        if name in BEFORE_ACCEPTING:
            await BEFORE_ACCEPTING[name](scope, send)
        else:
            await send({"type": "websocket.accept"})
            await AFTER_ACCEPTING[name](detail, receive, send)


async def http(path: str, send: Any) -> None:
    """Tell how far the others are; let the one that does not receive go on; serve the browser's page."""
    if path == "/wake":
        woken.set()
    if path.startswith("/report/"):
        note(path)
    if path.startswith("/count/"):
        note(path)
        await answer(send, path.encode())
    elif path == "/page":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": PAGE})
    else:
        await answer(send, repr(progress).encode())


# Before websocket.accept


async def refuse(scope: Any, send: Any) -> None:
    await send({"type": "websocket.close"})


async def deny(scope: Any, send: Any) -> None:
    assert "websocket.http.response" in scope["extensions"]
    headers = [(b"www-authenticate", b"Bearer"), (b"content-type", b"text/plain")]
    await send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": b"who ", "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b"are you?"})


async def choose(scope: Any, send: Any) -> None:
    """Take the last subprotocol and close."""
    await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][-1], "headers": [(b"x-chosen", b"1")]})
    await send({"type": "websocket.close"})


# After it


async def echo(detail: str, receive: Any, send: Any) -> None:
    end = await echo_messages(receive, send)
    note(f"left {detail} {end['code']} {end['reason']}")


async def close(detail: str, receive: Any, send: Any) -> None:
    await send({"type": "websocket.close", "code": int(detail), "reason": "because: é"})


async def fail(detail: str, receive: Any, send: Any) -> None:
    raise RuntimeError("asked for")


async def pour(detail: str, receive: Any, send: Any) -> None:
    """Send more than any buffer holds."""
    progress["sent"] = 0
    for number in range(PIECES):
        await send({"type": "websocket.send", "bytes": b"%08d" % number + bytes(PIECE_BYTES - 8)})
        progress["sent"] += 1
    await receive()


async def flood(detail: str, receive: Any, send: Any) -> None:
    """Send for ever, whatever becomes of the client."""
    while True:
        await send({"type": "websocket.send", "bytes": bytes(PIECE_BYTES)})


async def sleep(detail: str, receive: Any, send: Any) -> None:
    """Receive nothing until woken, then everything; tell how much that was."""
    woken.clear()
    await woken.wait()
    numbers = []
    while (event := await receive()).get("text") != "that was all":
        numbers.append(int(event["bytes"][:8]))
    await send({"type": "websocket.send", "text": str(numbers == list(range(PIECES)))})
    await receive()


async def meet(detail: str, receive: Any, send: Any) -> None:
    """A room: what one says, all hear."""
    room.add(send)
    try:
        while (event := await receive())["type"] != "websocket.disconnect":
            said = {"type": "websocket.send", "text": event["text"]}
            await asyncio.gather(*(other(said) for other in tuple(room)))
    finally:
        room.discard(send)


async def count(detail: str, receive: Any, send: Any) -> None:
    """Send numbers without end; the last one that was sent before the end is noted."""
    number = 0
    try:
        while True:
            await send({"type": "websocket.send", "text": str(number)})
            number += 1
            await asyncio.sleep(0.001)
    finally:
        note(f"counted {detail} {number - 1}")


Action = Callable[..., Awaitable[None]]
BEFORE_ACCEPTING: dict[str, Action] = {"refuse": refuse, "deny": deny, "choose": choose}
AFTER_ACCEPTING: dict[str, Action] = {
    "echo": echo, "close": close, "fail": fail, "pour": pour, "sleep": sleep, "meet": meet, "count": count,
    "flood": flood,
}  # fmt: skip

PAGE = b"""<!doctype html>
<script>
const base = location.origin.replace("http", "ws");
const large = "\\u00e9 large ".repeat(100000);
function open(path, protocols) {
    const socket = new WebSocket(base + path, protocols || []);
    socket.binaryType = "arraybuffer";
    return socket;
}
function next(socket, kind) {
    return new Promise((resolve) => socket.addEventListener(kind, resolve, {once: true}));
}
async function run() {
    const found = [];
    const echo = open("/echo/browser");
    await next(echo, "open");
    found.push(echo.extensions.split(";")[0]);
    echo.send("text");
    found.push((await next(echo, "message")).data);
    echo.send(new Uint8Array([0, 255, 7]));
    found.push(Array.from(new Uint8Array((await next(echo, "message")).data)).join("-"));
    echo.send(large);
    found.push((await next(echo, "message")).data === large);
    echo.close(4001, "bye");
    found.push((await next(echo, "close")).wasClean);
    const closed = await next(open("/close/4002"), "close");
    found.push(closed.code, closed.reason, closed.wasClean);
    const chosen = open("/choose", ["first", "second"]);
    await next(chosen, "open");
    found.push(chosen.protocol);
    found.push((await next(open("/refuse"), "close")).code);
    const one = open("/meet"), two = open("/meet");
    await Promise.all([next(one, "open"), next(two, "open")]);
    const heard = next(two, "message");
    one.send("hello room");
    found.push((await heard).data);
    return found;
}
run().catch((error) => ["failed", error]).then((found) => fetch("/report/" + encodeURIComponent(found.join("|"))));
</script>
"""
