"""The plain ASGI application every server runs: one route per workload, no framework in the way."""

from __future__ import annotations

HELLO = b"Hello, world!"
TEN_KIB = bytes(range(32, 96)) * 160
PIECE = b"0123456789" * 10
PIECES = 10


def fill(size: int) -> bytes:
    """What is posted: ``size`` bytes, a multiple of 16."""
    return b"gasgi 16 bytes. " * (size // 16)


_HELLO_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(HELLO))],
}
_TEN_KIB_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(TEN_KIB))],
}


async def app(scope, receive, send):
    """Answer by path; a WebSocket at any path echoes."""
    kind = scope["type"]
    if kind == "http":
        await _ROUTES[scope["path"]](receive, send)
    elif kind == "websocket":
        await _echo_messages(receive, send)
    elif kind == "lifespan":
        await _lifespan(receive, send)


async def _hello(receive, send):
    # Fresh dictionaries per answer, as frameworks make them: nothing may be gained by caching on identity.
    await send({**_HELLO_START, "headers": list(_HELLO_START["headers"])})
    await send({"type": "http.response.body", "body": HELLO})


async def _ten_kib(receive, send):
    await send({**_TEN_KIB_START, "headers": list(_TEN_KIB_START["headers"])})
    await send({"type": "http.response.body", "body": TEN_KIB})


async def _echo(receive, send):
    message = await receive()
    body = message.get("body", b"")  # ASGI: either key may be missing
    if message.get("more_body"):
        pieces = [body]
        while message.get("more_body"):
            message = await receive()
            pieces.append(message.get("body", b""))
        body = b"".join(pieces)
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"application/octet-stream"), (b"content-length", b"%d" % len(body))],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def _stream(receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    for _ in range(PIECES):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _echo_messages(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        data = message.get("bytes")
        if data is not None:
            await send({"type": "websocket.send", "bytes": data})
        else:
            await send({"type": "websocket.send", "text": message["text"]})


async def _lifespan(receive, send):
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


_ROUTES = {"/": _hello, "/10k": _ten_kib, "/echo": _echo, "/stream": _stream}
