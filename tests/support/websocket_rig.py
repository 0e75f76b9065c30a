"""A WebSocket connection between a fake transport and an app that the test speaks for, turn by turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import Any

from gasgi.runtime import Runtime
from gasgi.scope import scope_template, websocket_scope
from gasgi.settings import Settings
from gasgi.ws_connection import WebSocketConnection
from gasgi.ws_handshake import read_handshake
from tests.support.fakes import FakeTransport, RecordingLog
from tests.support.frames import Frame, read_frames
from tests.support.heads import make_head

__all__ = ["HANDSHAKE", "WebSocketRig", "disconnect"]

HANDSHAKE = (
    b"GET /chat?room=1 HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat\r\n"
)


# Turns of the loop after which whatever does not wait for something outside has happened.
TURNS = 10


def disconnect(code: int, reason: str = "") -> dict[str, Any]:
    """Return the event that tells the app of the end."""
    return {"type": "websocket.disconnect", "code": code, "reason": reason}


class WebSocketRig:
    """Use as a context manager. The app waits until ``finish`` or ``crash``; ``say`` and ``hear`` speak for it."""

    def __init__(
        self,
        settings: Settings | None = None,
        observer: Any = None,
        extra: bytes = b"",
        leftover: bytes = b"",
        accept: bool = True,
    ) -> None:
        self.loop = asyncio.new_event_loop()
        self.log = RecordingLog()
        self.transport = FakeTransport()
        self.runtime = Runtime(self.loop, self._app, settings or Settings(), self.log, observer)
        self.runtime.server_field = b"server: s\r\n"
        self.runtime.date_field = b"date: d\r\n"
        self.runtime.now = 1000.0
        head = make_head(HANDSHAKE + extra + b"\r\n")
        handshake = read_handshake(head, self.runtime.settings)
        template = scope_template(("192.0.2.1", 50000), ("192.0.2.2", 8000), "http", "", self.runtime.announced)
        self.scope = websocket_scope(head, template, None, None, handshake.subprotocols)
        self.connection = WebSocketConnection(self.runtime, self.transport, head, handshake, self.scope)
        self.runtime.connections.add(self.connection)
        self.receive: Any = None
        self.send: Any = None
        self.was_cancelled = False
        self._end: asyncio.Future[None] = self.loop.create_future()
        self.connection.start(leftover)
        self.settle()
        if accept:
            assert self.hear() == {"type": "websocket.connect"}
            self.say({"type": "websocket.accept"})
            assert self.transport.take().startswith(b"HTTP/1.1 101 ")

    def __enter__(self) -> WebSocketRig:  # noqa: PYI034  # typing has no Self before Python 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.connection_lost(None)
        self.finish()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.settle()
        self.loop.close()
        if exc is None:
            assert not self.runtime.connections
            assert not self.runtime.exchanges

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.receive, self.send = receive, send
        try:
            await self._end
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise

    # The application's side

    def say(self, message: Any) -> asyncio.Task[None]:
        """Send as the app; raises what send raises, returns the task, which is not done while send waits."""

        async def send() -> None:
            await self.send(message)

        task = self.loop.create_task(send())
        self.settle()
        if task.done():
            task.result()
        return task

    def text(self, text: str) -> asyncio.Task[None]:
        return self.say({"type": "websocket.send", "text": text})

    def binary(self, data: bytes) -> asyncio.Task[None]:
        return self.say({"type": "websocket.send", "bytes": data})

    def listen(self) -> asyncio.Task[Any]:
        """Begin to receive as the app."""

        async def receive() -> Any:
            return await self.receive()

        task = self.loop.create_task(receive())
        self.settle()
        return task

    def hear(self) -> Any:
        """Receive as the app; fails when there is nothing."""
        task = self.listen()
        if not task.done():
            task.cancel()
            self.settle()
            raise AssertionError("nothing to receive")
        return task.result()

    def finish(self) -> None:
        """Let the app return."""
        if not self._end.done():
            self._end.set_result(None)
        self.settle()

    def crash(self, exc: BaseException) -> None:
        """Let the app raise."""
        self._end.set_exception(exc)
        self.settle()

    # The client's side

    def feed(self, data: bytes) -> None:
        self.connection.data_received(data)
        self.settle()

    def lose(self, exc: Exception | None = None) -> None:
        self.connection.connection_lost(exc)
        self.settle()

    def frames(self) -> list[Frame]:
        """What was written since the last call."""
        return read_frames(self.transport.take())

    # The server's side

    def pass_time(self, seconds: float) -> None:
        """Let the clock go on second by second, each with its sweep."""
        for _ in range(int(seconds)):
            self.runtime.now += 1.0
            if self.connection in self.runtime.connections:
                self.connection.sweep(self.runtime.now)
            for conversation in tuple(self.runtime.exchanges):
                conversation.sweep()
            self.settle()

    def settle(self) -> None:
        """Run what can run."""
        self.run(_turns())

    def run(self, awaitable: Awaitable[Any]) -> Any:
        return self.loop.run_until_complete(awaitable)


async def _turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)
