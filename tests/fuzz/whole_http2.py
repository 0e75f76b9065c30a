"""What must hold for a whole HTTP/2 connection and any bytes a client sends, in any pieces.

The coverage-guided target checks it in pure Python, and in its compiled twin, which must write the same bytes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import hpack

from gasgi._accel import HpackEncoder
from gasgi.http2.connection import Http2Connection
from gasgi.http2.wire import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
)
from gasgi.http2_codes import CODE_NAMES, FRAME_SIZE_ERROR, PROTOCOL_ERROR, STREAM_CLOSED
from gasgi.serving.turns import Turns
from gasgi.settings import Settings
from tests.fuzz.agreement import cut
from tests.support.http2 import BEGIN, frame, frames_of
from tests.support.served import RecordingObserver, Served

__all__ = ["PREFACE", "HpackEncoder", "check_http2", "frames_from"]

# Small bounds, so that few bytes reach them.
BOUNDS = Settings(
    http2_max_streams=4, http2_window_bytes=300, disconnect_grace_s=3.0, body_timeout_s=5.0, write_timeout_s=5.0
)
FRAME_HEAD_BYTES = 9  # RFC 9113, 4.1
IN_GRACE_S = 9  # a grace period behind a deadline
TURNS = 400


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answer without reading."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer once the request is whole."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def streaming(scope: Any, receive: Any, send: Any) -> None:
    """Answer while the body arrives, with more than the window, and with trailers."""
    await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": True})
    more = True
    for size in (0, 1, 40_000, 40_000):
        await send({"type": "http.response.body", "body": bytes(size), "more_body": True})
        if more:
            more = (await receive()).get("more_body", False)
    await send({"type": "http.response.body", "body": b""})
    await send({"type": "http.response.trailers", "headers": [(b"a", b"b")]})


async def failing(scope: Any, receive: Any, send: Any) -> None:
    """Fail early or late, as the path says."""
    if len(scope["raw_path"]) % 2:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hel", "more_body": True})
    raise ValueError("meant")


async def greeting(scope: Any, receive: Any, send: Any) -> None:
    """Accept a WebSocket, greet and leave."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "hello"})
    await send({"type": "websocket.close"})


APPS = (hello, echo, streaming, failing)


class Http2Served(Served):
    protocol = Http2Connection


def frames_from(data: bytes) -> bytes:
    """Make frames out of bytes: type, flags, stream and length are one byte each, so that any bytes are frames."""
    found = b""
    while len(data) >= 4:
        length = data[3]
        found += frame(data[0] % 18, data[1], data[2] & 15, data[4 : 4 + length])
        data = data[4 + length :]
    return found


def check_http2(loop: asyncio.AbstractEventLoop, raw: bytes, points: list[int], variant: int) -> bytes:
    """Serve ``raw``, cut at ``points``: no crash, no hang, well-formed frames, then the end; return what it writes."""
    observer = RecordingObserver()
    calls = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal calls
        calls += 1
        assert scope["http_version"] == "2"
        if scope["type"] == "websocket":
            await greeting(scope, receive, send)
            return
        assert scope["type"] == "http"
        await APPS[variant % len(APPS)](scope, receive, send)

    served = Http2Served(app, BOUNDS, observer, loop=loop)
    served.runtime.server_field, served.runtime.date_field = b"server: s\r\n", b"date: d\r\n"
    served.runtime.turns = Turns(loop, lambda: 0.0)  # the same turns however fast it runs
    if variant & 64:
        served.transport.is_client_reading = False
    sent = raw if variant & 16 else BEGIN + raw
    for data in cut(sent, points):
        if not served.transport.is_closing():
            served.transport.client_sends(data)
            if variant & 128:
                served.settle(3)
    served.settle(TURNS)
    connection: Any = served.connection
    if variant & 32 and not served.transport.is_closing():
        connection.drain()
    served.settle(TURNS)
    for _ in range(8):
        if served.transport.is_lost:
            break
        served.pass_time(61)
        served.settle(TURNS)
    assert served.transport.is_lost, "hangs"
    served.pass_time(IN_GRACE_S)
    served.settle(TURNS)
    assert not served.runtime.conversations, "an app runs on"
    served.close()
    assert observer.begun == len(observer.answers), "an answer was not reported, or twice"
    assert calls <= observer.begun
    check_frames(served.written, count_resets(sent), is_whole=not served.transport.was_aborted)
    return served.written


def count_resets(sent: bytes) -> Counter[int]:
    """Return how often a client that sends such bytes resets which stream."""
    resets: Counter[int] = Counter()
    position = len(PREFACE)
    while position + FRAME_HEAD_BYTES <= len(sent):
        if sent[position + 3] == RST_STREAM:
            resets[int.from_bytes(sent[position + 5 : position + 9], "big") & 0x7FFFFFFF] += 1
        position += FRAME_HEAD_BYTES + int.from_bytes(sent[position : position + 3], "big")
    return resets


def check_frames(written: bytes, resets: Counter[int], is_whole: bool) -> None:
    """Frames as a server may send them (RFC 9113, 5.1, 6 and 8.1); ``is_whole``: to the last.

    ``resets``: how often the client has reset each stream.
    """
    decoder = hpack.Decoder()
    decoder.max_allowed_table_size = 2**32 - 1
    streams: dict[int, str] = {}
    was_last = False
    block: bytes | None = None
    if not is_whole:
        return
    for kind, flags, number, payload in frames_of(written):
        assert not was_last, "frames behind the last GOAWAY"
        assert len(payload) <= 16384
        assert (block is not None) == (kind == CONTINUATION)
        state = streams.get(number, "new")
        if kind in (HEADERS, CONTINUATION):
            block = (block or b"") + payload
            if kind == HEADERS:
                is_last = bool(flags & END_STREAM)
            if not flags & END_HEADERS:
                continue
            fields = [(bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True)]
            block = None
            if state == "answered":
                assert is_last, "fields behind an answer are trailers"
                assert not any(name.startswith(b":") for name, _ in fields)
            else:
                assert state == "new"
                assert fields[0][0] == b":status"
                state = "new" if fields[0][1].startswith(b"1") else "answered"
            streams[number] = "over" if is_last else state
        elif kind == DATA:
            assert state == "answered"
            streams[number] = "over" if flags & END_STREAM else state
        elif kind == RST_STREAM:
            code = int.from_bytes(payload, "big")
            assert number
            assert code in CODE_NAMES
            # A client that has reset a stream as well, and goes on with it, hears so; so does one that breaks it by a
            # frame that is allowed on a closed stream (RFC 9113, 5.1 and 6.3).
            if state == "reset":
                assert code in (STREAM_CLOSED, FRAME_SIZE_ERROR, PROTOCOL_ERROR)
                assert resets[number], "reset twice"
                resets[number] -= 1
            streams[number] = "reset"
        elif kind == GOAWAY:
            assert number == 0
            code = int.from_bytes(payload[4:8], "big")
            assert code in CODE_NAMES
            was_last = bool(code)
        elif kind == WINDOW_UPDATE:
            assert 0 < int.from_bytes(payload, "big") < 2**31
        else:
            assert kind in (SETTINGS, PING)
            assert number == 0
            assert kind == SETTINGS or flags & ACK
