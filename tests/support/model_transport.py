"""A transport that behaves as asyncio's does, between a protocol and a client that tests play."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.fakes import FakeTransport

__all__ = ["ModelTransport"]


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
