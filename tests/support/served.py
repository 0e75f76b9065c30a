"""One HttpConnection between an application and a client; tests play the client, and the application where they like.

The transport behaves as asyncio's does, and the clock is moved by hand.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any

from gasgi.http1.connection import HttpConnection
from gasgi.serving.runtime import Runtime
from gasgi.serving.turns import Turns
from gasgi.settings import Settings
from tests.support.answers import Answer, read_answers
from tests.support.fakes import RecordingLog
from tests.support.http_apps import Call
from tests.support.model_transport import ModelTransport

__all__ = ["GET", "RecordingObserver", "Served"]

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
TURNS = 12  # of the loop: more than any answer without waiting takes
LONG_S = 1000.0


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


class Served:
    """``app`` on one connection; without one the test answers each ``Call`` itself, and they gather in ``calls``.

    ``runtime.now`` stands still until ``pass_time`` moves it. ``prepare`` is called with the runtime before the first
    connection. Use as a context manager, or ``close`` it; a ``loop`` that is given stays open.
    """

    protocol: Any = HttpConnection

    def __init__(
        self,
        app: Any = None,
        settings: Settings | None = None,
        observer: Any = None,
        extra: dict[str, Any] | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        prepare: Callable[[Runtime], None] | None = None,
    ) -> None:
        self.loop = loop or asyncio.new_event_loop()
        self._owns_loop = loop is None
        self.loop_errors: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.loop_errors.append(context))
        self.log = RecordingLog()
        self.calls: list[Call] = []
        self.runtime = Runtime(self.loop, app or self._gather, settings or Settings(), self.log, observer)  # type: ignore[arg-type]
        self.runtime.now = 1000.0
        self.runtime.turns = Turns(self.loop, self._time)  # on a busy machine no turn is over any sooner
        if prepare is not None:
            prepare(self.runtime)
        self.extra = extra
        self.connect()

    def connect(self, *about: Any) -> None:
        """Open a new connection to the same worker; ``about`` goes to its protocol."""
        self.transport = ModelTransport(self.loop, self.extra)
        self.connection = self.protocol(self.runtime, *about)
        self.transport.protocol = self.connection
        self.inside(self.connection.connection_made, self.transport)

    def __enter__(self) -> Served:  # noqa: PYI034  # typing has no Self before Python 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(AssertionError) if exc is not None else contextlib.nullcontext():
            self.close()

    # The application's side

    def _time(self) -> float:
        return self.runtime.now

    async def _gather(self, scope: Any, receive: Any, send: Any) -> None:
        call = Call(self, scope, receive, send)
        self.calls.append(call)
        await call.wait()

    @property
    def call(self) -> Call:
        """The latest call of an app that the test speaks for."""
        return self.calls[-1]

    # The client's side

    def send(self, *pieces: bytes) -> None:
        """The client sends each piece by itself and the loop runs until nothing happens any more."""
        self.inside(self._send, pieces)
        self.settle()

    def _send(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self.transport.client_sends(piece)

    def ask(self, data: bytes = GET) -> bytes:
        """Send a request and return what is written for it."""
        self.send(data)
        return self.transport.take()

    def shut(self) -> None:
        """The client closes its side."""
        self.inside(self.transport.client_shuts_its_side)
        self.settle()

    def lose(self, exc: Exception | None = None) -> None:
        """The client goes away."""
        self.inside(self.transport.lose, exc)
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
    def is_lost(self) -> bool:
        return self.transport.is_lost

    # The server's side

    def settle(self, turns: int = TURNS) -> None:
        """Let the loop turn, until nothing is left to do where the loop says so."""
        ready = getattr(self.loop, "_ready", None)  # asyncio's own loop only
        for _ in range(turns):
            if ready is not None and not ready:
                return
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def inside(self, function: Callable[..., Any], *args: Any) -> None:
        """Call from within the loop, as a real transport does, and raise what it raises."""
        errors: list[BaseException] = []

        def call() -> None:
            try:
                function(*args)
            except BaseException as exc:  # which the loop would only log
                errors.append(exc)
            self.loop.stop()

        self.loop.call_soon(call)
        self.loop.run_forever()
        if errors:
            raise errors.pop()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Let the loop run until ``condition`` holds, for what other threads do."""

        async def watch() -> None:
            while not condition():
                await asyncio.sleep(0.001)

        self.run(asyncio.wait_for(watch(), 60))

    def pass_time(self, seconds: float) -> None:
        """Let ``seconds`` pass, with a sweep at the end of each, as in a worker; hours pass at once, with one sweep."""
        while seconds > 0:
            step = min(seconds, 1.0) if seconds < LONG_S else seconds
            seconds = round(seconds - step, 6)
            self.runtime.now += step
            for connection in tuple(self.runtime.connections):
                connection.sweep(self.runtime.now)
            for conversation in tuple(self.runtime.conversations):
                conversation.sweep()
            self.settle()

    @property
    def errors(self) -> list[str]:
        """What was logged as an error, with or without a traceback."""
        return self.log.levels("error", "exception")

    def close(self) -> None:
        """End everything; what the loop had to report by itself, or what is still there then, fails the test."""
        self.lose()
        for call in self.calls:
            call.finish()
        for conversation in tuple(self.runtime.conversations):
            conversation.cancel()
        self.settle()
        errors = self.loop_errors
        left = (len(self.runtime.connections), len(self.runtime.conversations))
        if self._owns_loop:
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.settle()
            self.run(self.loop.shutdown_asyncgens())
            self.run(self.loop.shutdown_default_executor())
            self.loop.close()
        assert not errors, errors
        assert left == (0, 0), "a connection or a call that has ended is still counted"
