"""A WebSocket on a stream of HTTP/2 (RFC 8441), from the client's side and with an app that the test speaks for."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.frames import Frame, read_frames
from tests.support.http2_rig import Answer, Http2Rig

__all__ = ["StreamWebSocket", "connect_fields"]


def connect_fields(*fields: tuple[bytes, bytes], path: bytes = b"/chat?room=1") -> list[tuple[bytes, bytes]]:
    """An extended CONNECT (RFC 8441, 5.1)."""
    return [
        (b":method", b"CONNECT"),
        (b":protocol", b"websocket"),
        (b":scheme", b"https"),
        (b":path", path),
        (b":authority", b"h"),
        (b"sec-websocket-version", b"13"),
        *fields,
    ]


class StreamWebSocket:
    """Opened on ``rig``, and accepted unless told otherwise. ``call`` is that of its app."""

    def __init__(self, rig: Http2Rig, *fields: tuple[bytes, bytes], accept: bool = True) -> None:
        self.rig = rig
        self.number = rig.ask(connect_fields(*fields), ends=False)
        self.call = rig.call
        self._read = 0
        if accept:
            assert self.call.hear() == {"type": "websocket.connect"}
            self.say({"type": "websocket.accept"})
            assert self.answer.status == 200
            assert self.frames() == []

    @property
    def answer(self) -> Answer:
        return self.rig.answer(self.number)

    # The client's side

    def send(self, data: bytes, ends: bool = False) -> None:
        """Send bytes of the WebSocket."""
        self.rig.say(self.number, data, ends)

    def frames(self) -> list[Frame]:
        """What has come since the last call."""
        body = self.answer.body
        start, self._read = self._read, len(body)
        return read_frames(body[start:])

    # The app's side

    def say(self, message: Any) -> asyncio.Task[None]:
        return self.call.tell(message)

    def text(self, text: str) -> asyncio.Task[None]:
        return self.say({"type": "websocket.send", "text": text})

    def binary(self, data: bytes) -> asyncio.Task[None]:
        return self.say({"type": "websocket.send", "bytes": data})

    def hear(self) -> Any:
        return self.call.hear()
