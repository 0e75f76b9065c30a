"""A WebSocket on the rig of all HTTP/1.1 connections, with an app that the test speaks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from gasgi.serving.runtime import Runtime
from gasgi.settings import Settings
from tests.support.frames import Frame, read_frames
from tests.support.served import Served

__all__ = ["HANDSHAKE", "WebSocketRig", "disconnect"]

HANDSHAKE = (
    b"GET /chat?room=1 HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat\r\n"
)


def disconnect(code: int, reason: str = "") -> dict[str, Any]:
    """Return the event that tells the app of the end."""
    return {"type": "websocket.disconnect", "code": code, "reason": reason}


class WebSocketRig(Served):
    """Use as a context manager. The app waits until ``finish`` or ``crash``; ``say`` and ``hear`` speak for it."""

    def __init__(
        self,
        settings: Settings | None = None,
        observer: Any = None,
        extra: bytes = b"",
        leftover: bytes = b"",
        accept: bool = True,
        prepare: Callable[[Runtime], None] | None = None,
    ) -> None:
        super().__init__(None, settings, observer, prepare=prepare)
        self.send(HANDSHAKE + extra + b"\r\n" + leftover)
        if accept:
            assert self.hear() == {"type": "websocket.connect"}
            self.say({"type": "websocket.accept"})
            assert self.transport.take().startswith(b"HTTP/1.1 101 ")

    @property
    def connection(self) -> Any:
        """The protocol that has the transport now, or had it last: the upgrade puts another there."""
        self._connection = self.transport.get_protocol() or self._connection
        return self._connection

    @connection.setter
    def connection(self, connection: Any) -> None:
        self._connection = connection

    # The application's side

    def say(self, message: Any) -> asyncio.Task[None]:
        """Send as the app; raises what send raises, returns the task, which is not done while send waits."""
        return self.call.tell(message)

    def text(self, text: str) -> asyncio.Task[None]:
        return self.say({"type": "websocket.send", "text": text})

    def binary(self, data: bytes) -> asyncio.Task[None]:
        return self.say({"type": "websocket.send", "bytes": data})

    def listen(self) -> asyncio.Task[Any]:
        """Begin to receive as the app."""
        return self.call.listen()

    def hear(self) -> Any:
        """Receive as the app; fails when there is nothing."""
        return self.call.hear()

    def finish(self) -> None:
        """Let the app return."""
        self.call.finish()

    def crash(self, exc: BaseException) -> None:
        """Let the app raise."""
        self.call.crash(exc)

    # The client's side

    def frames(self) -> list[Frame]:
        """What was written since the last call."""
        return read_frames(self.transport.take())
