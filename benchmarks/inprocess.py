"""Drive connections in this process, without sockets or a load: what callgrind counts for regress.py.

``python benchmarks/inprocess.py hello=1000 ws=200`` feeds that many requests or messages to a connection on the fake
transport of the tests and waits for each answer. Run with the same arguments, environment and build it executes
the same instructions. Words without a number
switch something on: ``sharing``, ``metrics``, ``slow``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection

import apps

from gasgi.http1.connection import HttpConnection
from gasgi.http2.connection import Http2Connection
from gasgi.http2.wire import DATA, END_HEADERS, END_STREAM, HEADERS, WINDOW_UPDATE
from gasgi.serving.quiet_heads import QuietHeads
from gasgi.serving.runtime import Runtime
from gasgi.settings import Settings
from tests.support import http2
from tests.support.fakes import FakeTransport, RecordingLog

BROWSER_FIELDS = (
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    b"Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Connection: keep-alive\r\n"
    b"Cookie: session=9f2b6c1e7a5d4f3c8b0e1d2a3c4b5f6e; theme=dark; consent=2026-01-15\r\n"
    b"Referer: http://127.0.0.1/catalogue/lamps?page=3&sort=price\r\n"
    b"Cache-Control: max-age=0\r\n"
)
KEY = bytes.fromhex("37fa213d")  # RFC 6455, 5.7
UPGRADE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
MAX_TURNS = 1000  # of the loop, for one answer


class StandingClock:
    """A loop in which no time passes: what a timer does would be counted, and how often depends on the machine."""

    def call_later(self, delay: float, callback: Callable[[], object]) -> None:
        """Never call it."""


def request(path: bytes = b"/", fields: bytes = b"", body: bytes = b"", method: bytes = b"GET") -> bytes:
    """The bytes of one request."""
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    return b"%b %b HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n%b%b\r\n%b" % (method, path, fields, length, body)


def masked_frame(payload: bytes) -> bytes:
    """A final binary frame as a client sends it, for payloads of 126 to 65,535 bytes."""
    masked = bytes(byte ^ KEY[i & 3] for i, byte in enumerate(payload))
    return b"\x82\xfe" + len(payload).to_bytes(2, "big") + KEY + masked


REQUESTS = {
    "hello": (request(), apps.HELLO),
    "headers": (request(fields=BROWSER_FIELDS), apps.HELLO),
    "10kib": (request(b"/10k"), apps.TEN_KIB),
    "post": (request(b"/echo", body=b"x" * 1024, method=b"POST"), b"x" * 1024),
    "stream": (request(b"/stream"), b"0\r\n\r\n"),
}
MESSAGE = bytes(range(256)) * 4


class Http2Request:
    """One request over and over, each on the next stream: the fields as new ones, then as the client has indexed them.

    RFC 7541: ``known`` is how a block says what is in the static table, ``fields`` are (index of the name, value).
    """

    def __init__(self, known: bytes, fields: list[tuple[int, bytes]], body: bytes, answer: bytes) -> None:
        self._first = known + b"".join(bytes([0x40 | index, len(value)]) + value for index, value in fields)  # 6.2.1
        # 2.3.3: the newest field has index 62; 6.1: an index is one byte with its highest bit set.
        self._later = known + bytes(0x80 | 62 + age for age in reversed(range(len(fields))))
        self._body = body
        self.answer = answer

    def begin(self) -> bytes:
        """What a client sends before all: it has room for whatever the server sends in this run."""
        return http2.BEGIN + http2.frame(WINDOW_UPDATE, 0, 0, http2.number(2**30))

    def on_stream(self, number: int) -> bytes:
        """The ``number``-th request, counted from 0."""
        stream_id, block = 2 * number + 1, self._later if number else self._first
        if not self._body:
            return http2.frame(HEADERS, END_HEADERS | END_STREAM, stream_id, block)
        data = http2.frame(DATA, END_STREAM, stream_id, self._body)
        return http2.frame(HEADERS, END_HEADERS, stream_id, block) + data


_AUTHORITY, _USER_AGENT = (1, b"127.0.0.1:8000"), (58, b"h2load nghttp2/1.52.0")  # RFC 7541, appendix A
HTTP2_REQUESTS = {
    # GET, http, /
    "h2-hello": Http2Request(b"\x82\x86\x84", [_AUTHORITY, _USER_AGENT], b"", apps.HELLO),
    # POST, http; :path and content-length
    "h2-post": Http2Request(b"\x83\x86", [(4, b"/echo"), _AUTHORITY, _USER_AGENT, (28, b"1024")], MESSAGE, MESSAGE),
}


def switch_on(runtime: Runtime, names: Collection[str]) -> None:
    """Switch on what a worker would have of the scoreboard."""
    if not names:
        return
    # Here, since a commit that regress.py compares with may not have them.
    from gasgi.reporting.meter import Meter
    from gasgi.reporting.scoreboard import Scoreboard
    from gasgi.reporting.slot_layout import SLOT_NUMBERS
    from gasgi.reporting.slow_requests import SlowRequests
    from gasgi.setting import read_buckets

    slot = Scoreboard(bytearray(2 * SLOT_NUMBERS * 8)).reserve(runtime.log)
    assert slot is not None
    runtime.slot = slot
    if "metrics" in names:
        runtime.meter = Meter(slot, read_buckets(Settings().metrics_buckets))
    if "slow" in names:
        runtime.slow = SlowRequests(10.0, RecordingLog())


async def drive(plan: dict[str, int], switched_on: Collection[str] = ()) -> None:
    """Feed what ``plan`` says: name to number of requests."""
    runtime = Runtime(asyncio.get_running_loop(), apps.app, Settings(), RecordingLog())
    switch_on(runtime, switched_on)
    runtime.quiet_heads = QuietHeads(StandingClock())  # type: ignore[arg-type]  # all that it asks of a loop
    runtime.server_field = b"server: gasgi\r\n"
    runtime.date_field = b"date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    for name, count in plan.items():
        transport = FakeTransport()
        if name in HTTP2_REQUESTS:
            await drive_http2(transport, runtime, HTTP2_REQUESTS[name], count)
            continue
        transport.protocol = HttpConnection(runtime)
        transport.protocol.connection_made(transport)
        if name == "ws":
            await ask(transport, request(b"/ws", fields=UPGRADE), lambda written: written.endswith(b"\r\n\r\n"))
            data, end = masked_frame(MESSAGE), MESSAGE
        else:
            data, end = REQUESTS[name]
        size = len(await ask(transport, data, lambda written, end=end: written.endswith(end)))
        for _ in range(count - 1):
            # From the second on only the length is looked at, so that the waiting costs next to nothing.
            await ask(transport, data, lambda written, size=size: len(written) >= size)
        transport.protocol.connection_lost(None)


async def drive_http2(transport: FakeTransport, runtime: Runtime, asked: Http2Request, count: int) -> None:
    """Feed ``count`` requests to one connection, a stream after the other."""
    connection = transport.protocol = Http2Connection(runtime)
    connection.connection_made(transport)
    connection.data_received(asked.begin())
    transport.take()
    for number in range(count):
        # Windows that are given back stand before the answer.
        await ask(transport, asked.on_stream(number), lambda written: written.endswith(asked.answer))
    connection.connection_lost(None)


async def ask(transport: FakeTransport, data: bytes, is_whole: Callable[[bytearray], bool]) -> bytes:
    """Feed ``data`` and turn the loop until the answer is whole; an error when it never is."""
    transport.protocol.data_received(data)
    for _ in range(MAX_TURNS):
        if is_whole(transport.written):
            return transport.take()
        await asyncio.sleep(0)
    raise RuntimeError(f"no whole answer to {data[:60]!r}: {bytes(transport.written)[:200]!r}")


def main() -> None:
    """Read the plan from the command line and drive it."""
    import uvloop

    plan = {name: int(count) for name, _, count in (word.partition("=") for word in sys.argv[1:]) if count}
    # uvloop, as in production: a turn of asyncio's own loop costs as many instructions as a request.
    loop = uvloop.new_event_loop()
    loop.run_until_complete(drive(plan, [word for word in sys.argv[1:] if "=" not in word]))
    loop.close()


if __name__ == "__main__":
    main()
