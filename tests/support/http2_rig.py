"""An HTTP/2 connection between another implementation's client and an app, turn by turn."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from gasgi.http2.connection import Http2Connection
from tests.support.served import Served

__all__ = ["Answer", "Http2Rig", "request"]


def request(method: bytes = b"GET", path: bytes = b"/", *fields: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    return [(b":method", method), (b":scheme", b"http"), (b":authority", b"h"), (b":path", path), *fields]


class Answer:
    """What has come on one stream."""

    def __init__(self) -> None:
        self.status = 0
        self.fields: dict[bytes, bytes] = {}
        self.interim: list[int] = []
        self.body = b""
        self.pieces: list[int] = []
        self.trailers: dict[bytes, bytes] = {}
        self.is_whole = False
        self.reset_code: int | None = None


class Http2Rig(Served):
    """``client`` is the other end; what it writes reaches the server with ``sync``, and what that answers, ``answers``.

    ``takes``: the client gives its windows back as DATA comes.
    """

    protocol = Http2Connection

    def __init__(self, *args: Any, takes: bool = True, **keys: Any) -> None:
        super().__init__(*args, **keys)
        self.runtime.server_field = b"server: s\r\n"
        self.runtime.date_field = b"date: d\r\n"
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        self.takes = takes
        self.answers: dict[int, Answer] = {}
        self.events: list[Any] = []
        self.order: list[int] = []  # the stream of each DATA frame
        self.client.initiate_connection()
        self.sync()

    feed = Served.send

    def sync(self) -> None:
        """Carry bytes both ways until nobody has any."""
        while True:
            data = self.client.data_to_send()
            if data and not self.is_lost:
                self.feed(data)
            self.settle()
            written = self.transport.take()
            if not data and not written:
                return
            if written:
                for event in self.client.receive_data(written):
                    self._take(event)

    def ask(self, fields: Any = None, ends: bool = True) -> int:  # type: ignore[override]
        """Send a request; return its stream."""
        number = self.client.get_next_available_stream_id()
        self.client.send_headers(number, request() if fields is None else fields, end_stream=ends)
        self.sync()
        return number

    def say(self, number: int, data: bytes, ends: bool = False) -> None:
        """Send DATA."""
        self.client.send_data(number, data, end_stream=ends)
        self.sync()

    def answer(self, number: int) -> Answer:
        self.sync()
        return self.answers.setdefault(number, Answer())

    def sync_until(self, condition: Callable[[], bool]) -> None:
        """Let time and other threads go on until ``condition`` holds of what has come."""
        for _ in range(12_000):
            self.sync()
            if condition():
                return
            self.run(asyncio.sleep(0.005))
        raise TimeoutError("nothing comes any more")

    def _take(self, event: Any) -> None:
        self.events.append(event)
        number = getattr(event, "stream_id", None)
        if number is None:
            return
        answer = self.answers.setdefault(number, Answer())
        if isinstance(event, h2.events.InformationalResponseReceived):
            answer.interim.append(int(dict(event.headers)[b":status"]))
        elif isinstance(event, h2.events.ResponseReceived):
            answer.fields = dict(event.headers)
            answer.status = int(answer.fields.pop(b":status"))
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            answer.pieces.append(len(event.data))
            self.order.append(number)
            if self.takes and event.flow_controlled_length:
                self.client.increment_flow_control_window(event.flow_controlled_length)
                with contextlib.suppress(h2.exceptions.StreamClosedError):
                    self.client.increment_flow_control_window(event.flow_controlled_length, number)
        elif isinstance(event, h2.events.TrailersReceived):
            answer.trailers = dict(event.headers)
        elif isinstance(event, h2.events.StreamEnded):
            answer.is_whole = True
        elif isinstance(event, h2.events.StreamReset):
            answer.reset_code = event.error_code

    def goaways(self) -> list[tuple[int, int]]:
        """(code, last stream) of each GOAWAY."""
        self.sync()
        ends = [event for event in self.events if isinstance(event, h2.events.ConnectionTerminated)]
        return [(int(event.error_code), event.last_stream_id) for event in ends]
