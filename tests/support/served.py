"""One HttpConnection between an application and a client that tests play.

The transport behaves as asyncio's does, and the clock is moved by hand.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gasgi.http1.connection import HttpConnection
from gasgi.serving.runtime import Runtime
from gasgi.settings import Settings
from tests.support.fakes import FakeTransport, RecordingLog

__all__ = ["Answer", "ModelTransport", "RecordingObserver", "Served", "read_answers"]

TURNS = 12  # of the loop: more than any answer without waiting takes
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-9][0-9]{2}) [\t -~\x80-\xff]*")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9a-z]+): ([!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")


class ModelTransport(FakeTransport):
    """As asyncio's: holds back while reading is paused, reports the end through the loop, takes nothing after it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, extra: dict[str, Any] | None = None) -> None:
        super().__init__(extra)
        self.loop = loop
        self.high = 64 * 1024
        self.low = 16 * 1024
        self.is_client_reading = True
        self.is_writing_paused = False
        self.is_lost = False
        self._inbox: list[bytes | None] = []  # None stands for the end of what the client sends

    # The server's side

    def write(self, data: Any) -> None:
        assert not self.eof_written, "written after write_eof()"
        assert not self._closing, "written after close()"
        super().write(data)
        if not self.is_client_reading:
            self.unsent += len(data)
            if self.unsent > self.high and not self.is_writing_paused:
                self.is_writing_paused = True
                self.protocol.pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is not None:
            self.high, self.low = high, high // 4

    def resume_reading(self) -> None:
        super().resume_reading()
        self.loop.call_soon(self._deliver)

    def close(self) -> None:
        if not self._closing:
            super().close()
            if not self.unsent:
                self.loop.call_soon(self.lose)

    def abort(self) -> None:
        super().abort()
        self.unsent = 0
        self.loop.call_soon(self.lose)

    # The client's side

    def client_sends(self, data: bytes) -> None:
        self._inbox.append(data)
        self._deliver()

    def client_shuts_its_side(self) -> None:
        self._inbox.append(None)
        self._deliver()

    def client_takes(self, size: int) -> None:
        """The client reads so many bytes, all of them from then on when that leaves none."""
        self.unsent = max(0, self.unsent - size)
        self.is_client_reading = not self.unsent
        if self.is_writing_paused and self.unsent <= self.low:
            self.is_writing_paused = False
            self.protocol.resume_writing()
        if self._closing and not self.unsent:
            self.loop.call_soon(self.lose)

    def lose(self, exc: Exception | None = None) -> None:
        """The connection is gone, whoever ended it."""
        if not self.is_lost:
            self.is_lost = self._closing = True
            protocol, self.protocol = self.protocol, None
            protocol.connection_lost(exc)

    def _deliver(self) -> None:
        while self._inbox and not self.is_reading_paused and not self._closing:
            data = self._inbox.pop(0)
            if data is not None:
                self.protocol.data_received(data)
            elif not self.protocol.eof_received():
                self.close()


class RecordingObserver:
    """Keeps what is reported: ``answers`` holds (target or None, status, bytes of body)."""

    def __init__(self) -> None:
        self.begun = 0
        self.answers: list[tuple[bytes | None, int, int]] = []
        self.headers: list[list[tuple[bytes, bytes]]] = []

    def begin(self, head: Any, client: Any, server: Any, scheme: str, proxied: Any = None) -> list[bytes | None]:
        self.begun += 1
        return [None if head is None else head.target]

    def end(self, view: list[bytes | None], status: int, headers: Any, sent_bytes: int, duration_s: float) -> None:
        assert duration_s >= 0
        self.answers.append((view.pop(), status, sent_bytes))
        self.headers.append(headers)

    @property
    def statuses(self) -> list[int]:
        return [status for _, status, _ in self.answers]


@dataclass
class Answer:
    """A final response, and the interim ones before it. ``is_whole`` is False where its body ended early."""

    status: int
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    interim: list[int] = field(default_factory=list)
    framing: str = "none"
    is_whole: bool = True

    def __getitem__(self, name: str) -> bytes | None:
        values = [value for key, value in self.fields if key == name.encode()]
        assert len(values) <= 1, f"{name} given twice"
        return values[0] if values else None


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.at = 0

    def line(self) -> bytes | None:
        end = self.raw.find(b"\r\n", self.at)
        if end < 0:
            self.at = len(self.raw)
            return None
        line = self.raw[self.at : end]
        self.at = end + 2
        return line

    def fields(self) -> list[tuple[bytes, bytes]]:
        found = []
        while (line := self.line()) != b"":
            assert line is not None, "head without an end"
            match = _FIELD.fullmatch(line)
            assert match is not None, line
            found.append((match[1], match[2] or b""))
        return found

    def take(self, size: int) -> bytes:
        data = self.raw[self.at : self.at + size]
        self.at += len(data)
        return data


def read_answers(raw: bytes, methods: list[str], is_closed: bool = False) -> list[Answer]:
    """Read ``raw`` as the client that sent requests with these methods; what is not well formed fails the test."""
    reader = _Reader(raw)
    answers: list[Answer] = []
    interim: list[int] = []
    while reader.at < len(raw):
        line = reader.line()
        assert line is not None
        match = _STATUS_LINE.fullmatch(line)
        assert match is not None, line
        status = int(match[1])
        fields = reader.fields()
        if status < 200:
            assert not {b"content-length", b"transfer-encoding"} & {name for name, _ in fields}
            interim.append(status)
            continue
        answer = Answer(status, fields, interim=interim)
        interim = []
        method = methods[len(answers)] if len(answers) < len(methods) else "GET"
        answers.append(answer)
        _read_body(reader, answer, method, is_closed)
        if not answer.is_whole or answer["connection"] == b"close":
            assert reader.at == len(raw), f"bytes behind the last answer: {raw[reader.at :]!r}"
    assert not interim or not is_closed, "an interim answer without a final one"
    return answers


def _read_body(reader: _Reader, answer: Answer, method: str, is_closed: bool) -> None:
    length = answer["content-length"]
    coding = answer["transfer-encoding"]
    assert length is None or coding is None
    if method == "HEAD" or answer.status in (204, 304):
        assert coding is None
        assert answer.status != 204 or length is None
    elif coding is not None:
        assert coding == b"chunked"
        answer.framing = "chunked"
        answer.is_whole = _read_chunks(reader, answer)
    elif length is not None:
        assert length.isdigit()
        answer.framing = "length"
        answer.body = reader.take(int(length))
        answer.is_whole = len(answer.body) == int(length)
    else:
        answer.framing = "close"
        assert answer["connection"] == b"close"
        answer.body = reader.take(len(reader.raw))
        answer.is_whole = is_closed


def _read_chunks(reader: _Reader, answer: Answer) -> bool:
    while True:
        line = reader.line()
        if line is None:
            return False
        assert re.fullmatch(rb"[0-9a-f]+", line), line
        size = int(line, 16)
        if not size:
            answer.trailers = reader.fields()
            return True
        piece = reader.take(size)
        answer.body += piece
        if len(piece) < size or reader.at == len(reader.raw):
            return False
        assert reader.take(2) == b"\r\n"


class Served:
    """``app`` on one connection. ``runtime.now`` stands still until ``pass_time`` moves it."""

    def __init__(
        self,
        app: Any,
        settings: Settings | None = None,
        observer: RecordingObserver | None = None,
        extra: dict[str, Any] | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.loop = loop or asyncio.new_event_loop()
        self._owns_loop = loop is None
        self.loop_errors: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.loop_errors.append(context))
        self.log = RecordingLog()
        self.runtime = Runtime(self.loop, app, settings or Settings(), self.log, observer)  # type: ignore[arg-type]
        self.runtime.now = 1000.0
        self.sent = b""
        self.extra = extra
        self.connect()

    def connect(self) -> None:
        """Open a new connection to the same worker."""
        self.transport = ModelTransport(self.loop, self.extra)
        self.connection = HttpConnection(self.runtime)
        self.transport.protocol = self.connection
        self.connection.connection_made(self.transport)

    def send(self, *pieces: bytes) -> None:
        """The client sends each piece by itself and the loop runs until nothing happens any more."""
        for piece in pieces:
            self.transport.client_sends(piece)
        self.settle()

    def settle(self, turns: int = TURNS) -> None:
        """Let the loop turn, until nothing is left to do where the loop says so."""
        ready = getattr(self.loop, "_ready", None)  # asyncio's own loop only
        for _ in range(turns):
            if ready is not None and not ready:
                return
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Let the loop run until ``condition`` holds, for what other threads do."""

        async def watch() -> None:
            while not condition():
                await asyncio.sleep(0.001)

        self.loop.run_until_complete(asyncio.wait_for(watch(), 60))

    def pass_time(self, seconds: float) -> None:
        """Let ``seconds`` pass, with one sweep at their end."""
        self.runtime.now += seconds
        for connection in tuple(self.runtime.connections):
            connection.sweep(self.runtime.now)
        self.settle()

    def answers(self, *methods: str) -> list[Answer]:
        """What the client has read of the connection so far, as answers."""
        return read_answers(bytes(self.transport.written), list(methods), self.is_closed)

    def answer(self, method: str = "GET") -> Answer:
        """The one answer there is."""
        (answer,) = self.answers(method)
        return answer

    @property
    def written(self) -> bytes:
        return bytes(self.transport.written)

    @property
    def is_closed(self) -> bool:
        return self.transport.is_closing()

    @property
    def errors(self) -> list[str]:
        """What was logged as an error, with or without a traceback."""
        return self.log.levels("error", "exception")

    def close(self) -> None:
        """End everything; what the loop had to report by itself fails the test."""
        if not self.transport.is_lost:
            self.transport.lose()
        for conversation in tuple(self.runtime.conversations):
            conversation.cancel()
        self.settle()
        errors = self.loop_errors
        connections = len(self.runtime.connections)
        if self._owns_loop:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
        assert not errors, errors
        assert not connections, "a connection that is gone is still among the connections"
