"""An HTTP connection between a fake transport and an app, turn by turn; the test speaks for the client and the app."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

from gasgi.http1.connection import HttpConnection
from gasgi.serving.runtime import Runtime
from gasgi.settings import Settings
from tests.support.fakes import FakeTransport, RecordingLog

__all__ = ["GET", "Call", "HttpRig", "read_response"]

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
TURNS = 12  # of the loop, after which whatever does not wait for something outside has happened

App = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]


class Call:
    """One call of the app that the test speaks for: ``say`` and ``hear`` are its send and receive."""

    def __init__(self, rig: HttpRig, scope: Any, receive: Any, send: Any) -> None:
        self.rig = rig
        self.scope, self.receive, self.send = scope, receive, send
        self.was_cancelled = False
        self.end: asyncio.Future[None] = rig.loop.create_future()

    def say(self, kind: str, **keys: Any) -> asyncio.Task[None]:
        """Send an event; raises what send raises, returns the task, which is not done while send waits."""

        async def send() -> None:
            await self.send({"type": "http.response." + kind, **keys})

        task = self.rig.loop.create_task(send())
        self.rig.settle()
        if task.done():
            task.result()
        return task

    def start(self, status: int = 200, *headers: tuple[bytes, bytes], **keys: Any) -> None:
        self.say("start", status=status, headers=headers, **keys)

    def listen(self) -> asyncio.Task[Any]:
        """Begin to receive."""

        async def receive() -> Any:
            return await self.receive()

        task = self.rig.loop.create_task(receive())
        self.rig.settle()
        return task

    def hear(self) -> Any:
        """Receive; fails when there is nothing."""
        task = self.listen()
        if not task.done():
            task.cancel()
            self.rig.settle()
            raise AssertionError("nothing to receive")
        return task.result()

    def finish(self) -> None:
        """Let the app return."""
        if not self.end.done():
            self.end.set_result(None)
        self.rig.settle()

    def crash(self, exc: BaseException) -> None:
        """Let the app raise."""
        self.end.set_exception(exc)
        self.rig.settle()


class HttpRig:
    """Use as a context manager. Without an ``app`` the test answers each ``Call`` itself; they gather in ``calls``."""

    protocol: Any = HttpConnection

    def __init__(
        self,
        app: App | None = None,
        settings: Settings | None = None,
        extra: dict[str, Any] | None = None,
        prepare: Callable[[Runtime], None] | None = None,
    ) -> None:
        self.loop = asyncio.new_event_loop()
        self.log = RecordingLog()
        self.transport = FakeTransport(extra)
        self.calls: list[Call] = []
        self.runtime = Runtime(self.loop, app or self._app, settings or Settings(), self.log)
        self.runtime.server_field = b"server: s\r\n"
        self.runtime.date_field = b"date: d\r\n"
        self.runtime.now = 1000.0
        if prepare is not None:
            prepare(self.runtime)
        self.complaints: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda loop, context: self.complaints.append(context))
        self.connection = self.protocol(self.runtime)
        self.is_lost = False
        self.run(self._connect())

    def __enter__(self) -> HttpRig:  # noqa: PYI034  # typing has no Self before Python 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lose()
        for call in self.calls:
            call.finish()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.settle()
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()
        if exc is None:
            assert not self.runtime.connections
            assert not self.runtime.conversations
            assert not self.complaints

    async def _connect(self) -> None:
        self.transport.set_protocol(self.connection)
        self.connection.connection_made(self.transport)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        call = Call(self, scope, receive, send)
        self.calls.append(call)
        try:
            await call.end
        except asyncio.CancelledError:
            call.was_cancelled = True
            raise

    @property
    def call(self) -> Call:
        """The latest call of the app."""
        return self.calls[-1]

    # The client's side

    def feed(self, data: bytes) -> None:
        async def feed() -> None:
            self.connection.data_received(data)

        self.run(feed())
        self.settle()

    def ask(self, data: bytes = GET) -> bytes:
        """Feed a request and return what is written for it."""
        self.feed(data)
        return self.transport.take()

    def shut(self) -> None:
        """Let the client close its side."""

        async def shut() -> None:
            if not self.connection.eof_received():
                self.transport.close()

        self.run(shut())
        self.settle()
        if self.transport.is_closing():
            self.lose()

    def lose(self, exc: Exception | None = None) -> None:
        """Let the client go away."""
        if not self.is_lost:
            self.is_lost = True

            async def lose() -> None:
                self.connection.connection_lost(exc)

            self.run(lose())
        self.settle()

    # The server's side

    def pass_time(self, seconds: float) -> None:
        """Let the clock go on second by second, each with its sweep."""
        for _ in range(int(seconds)):
            self.runtime.now += 1.0
            if self.connection in self.runtime.connections:
                self.connection.sweep(self.runtime.now)
            for conversation in tuple(self.runtime.conversations):
                conversation.sweep()
            self.settle()

    def settle(self) -> None:
        """Run what can run."""
        self.run(_turns())

    def settle_threads(self, is_done: Callable[[], bool]) -> None:
        """Run until ``is_done``, for work that goes through the thread pool."""

        async def wait() -> None:
            while not is_done():
                await asyncio.sleep(0.001)

        self.run(asyncio.wait_for(wait(), 20))

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)


def read_response(data: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    """Return status, fields and body of the one response in ``data``, which has a length or comes in chunks."""
    head, _, rest = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    fields = dict(line.split(b": ", 1) for line in lines[1:])
    if b"transfer-encoding" in fields:
        assert b"content-length" not in fields
        pieces = []
        while True:
            size, _, rest = rest.partition(b"\r\n")
            if int(size, 16) == 0:
                break
            pieces.append(rest[: int(size, 16)])
            rest = rest[int(size, 16) :]
            assert rest[:2] == b"\r\n"
            rest = rest[2:]
        assert rest == b"\r\n"
        body = b"".join(pieces)
    else:
        body = rest
        assert len(body) == int(fields.get(b"content-length", b"0"))
    return int(lines[0].split()[1]), fields, body


async def _turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)
