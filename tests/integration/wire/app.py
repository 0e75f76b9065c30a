"""The application of the wire tests. The path says what it does; one that says nothing answers what it was told."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.support.http_apps import head, last, piece

SCOPE_KEYS = ("method", "path", "raw_path", "query_string", "http_version")
LENGTH_5 = [(b"content-length", b"5")]
MIB = b"x" * 1024 * 1024

released = asyncio.Event()  # /background and /spin go on until /release
heard: list[str] = []  # what became of requests whose client hears nothing of it


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await ACTIONS.get(scope["path"], describe)(scope, receive, send)
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close"})


async def describe(scope: Any, receive: Any, send: Any) -> None:
    """Read the body and answer with what the app was told of the request."""
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        more = message["more_body"]
    # Looked at behind the body: what comes last must not have changed what was told first.
    request = {key: scope[key] for key in SCOPE_KEYS} | {"body": body}
    request["names"] = b" ".join(name for name, _ in scope["headers"])
    text = {key: value.decode("latin-1") if isinstance(value, bytes) else value for key, value in request.items()}
    await send(head())
    await send(last(json.dumps(text).encode()))


def saying(*messages: Any) -> Any:
    async def say(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return say


async def status(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the status that the query names, and with a body, whether that is allowed or not."""
    await send(head(int(scope["query_string"]), LENGTH_5))
    await send(last(b"hello"))


async def inject(scope: Any, receive: Any, send: Any) -> None:
    await send(head(headers=[(b"x-good", b"1"), (b"x-bad", b"1\r\nx-injected: 1")]))
    await send(last(b"hello"))


async def fail(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("meant")


async def fail_late(scope: Any, receive: Any, send: Any) -> None:
    await send(head())
    await send(piece(b"hello"))
    raise ValueError("meant")


async def fail_behind(scope: Any, receive: Any, send: Any) -> None:
    await send(head(headers=LENGTH_5))
    await send(last(b"hello"))
    raise ValueError("meant")


async def later(scope: Any, receive: Any, send: Any) -> None:
    """Answer some turns of the loop later, the earlier the higher the number in the query."""
    for _ in range(10 - int(scope["query_string"])):
        await asyncio.sleep(0)
    await send(head())
    await send(last(scope["query_string"]))


async def background(scope: Any, receive: Any, send: Any) -> None:
    await send(head(headers=LENGTH_5))
    await send(last(b"hello"))
    await released.wait()
    heard.append("background")


async def spin(scope: Any, receive: Any, send: Any) -> None:
    """Send nothing again and again, without a pause."""
    await send(head())
    await send(piece(b"spinning"))
    while not released.is_set():
        await send(piece())
    await send(last())


async def release(scope: Any, receive: Any, send: Any) -> None:
    """Say what has been heard so far and let go of whoever waits."""
    waiting, heard[:] = heard[:], []
    released.set()
    await asyncio.sleep(0)
    released.clear()
    await send(head())
    await send(last(json.dumps(waiting).encode()))


async def slow(scope: Any, receive: Any, send: Any) -> None:
    """Answer so many seconds later."""
    await asyncio.sleep(float(scope["query_string"]))
    await send(head(headers=LENGTH_5))
    await send(last(b"hello"))


async def endless(scope: Any, receive: Any, send: Any) -> None:
    """Send until the client is gone, for whatever reason."""
    await send(head())
    try:
        while True:
            await send(piece(MIB))
    except OSError:
        heard.append("send raised OSError")
        raise


ACTIONS = {
    "/hello": saying(head(headers=LENGTH_5), last(b"hello")),
    "/stream": saying(head(), piece(b"he"), piece(b"llo"), last()),
    "/status": status,
    "/hints": saying({"type": "http.response.early_hint", "links": [b"</a>"]}, head(), last(b"hello")),
    "/longer": saying(head(headers=LENGTH_5), piece(b"hello"), last(b"!")),
    "/shorter": saying(head(headers=LENGTH_5), piece(b"he"), last()),
    "/close": saying(head(headers=[(b"connection", b"close")]), last(b"hello")),
    "/own-coding": saying(head(headers=[(b"transfer-encoding", b"gzip, chunked")]), piece(b"he"), last(b"llo")),
    "/own-fields": saying(head(headers=[(b"date", b"then"), (b"server", b"mine")]), last(b"hello")),
    "/inject": inject,
    "/fail": fail,
    "/fail-late": fail_late,
    "/fail-behind": fail_behind,
    "/later": later,
    "/background": background,
    "/spin": spin,
    "/release": release,
    "/slow": slow,
    "/endless": endless,
}
