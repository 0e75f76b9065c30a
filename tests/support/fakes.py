"""A transport, a clock and a log that tests and benchmarks import instead of the real ones."""

from __future__ import annotations

import asyncio
from typing import Any


class FakeTransport(asyncio.Transport):
    """Records what a protocol writes; reading, writing and closing are plain attributes to look at."""

    def __init__(self, extra: dict[str, Any] | None = None) -> None:
        super().__init__(extra or {"peername": ("192.0.2.1", 50000), "sockname": ("192.0.2.2", 8000)})
        self.written = bytearray()
        self.writes: list[bytes] = []
        self.protocol: Any = None
        self.is_reading_paused = False
        self.was_aborted = False
        self.eof_written = False
        self._closing = False
        self.unsent = 0  # what get_write_buffer_size() answers, bytes

    def write(self, data: Any) -> None:
        assert not self.was_aborted, "written after abort()"
        self.writes.append(bytes(data))
        self.written += data

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def take(self) -> bytes:
        """What was written since the last call."""
        data = bytes(self.written)
        self.written.clear()
        self.writes.clear()
        return data

    def pause_reading(self) -> None:
        self.is_reading_paused = True

    def resume_reading(self) -> None:
        self.is_reading_paused = False

    def is_reading(self) -> bool:
        return not self.is_reading_paused

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.eof_written = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Take any limits: what is written here never waits."""

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    def abort(self) -> None:
        self._closing = True
        self.was_aborted = True


class RecordingLog:
    """Gunicorn's logger with a memory: ``lines`` holds (level, formatted message)."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def _add(self, level: str, msg: str, args: tuple[object, ...]) -> None:
        self.lines.append((level, msg % args if args else msg))

    def debug(self, msg: str, *args: object, **kwargs: Any) -> None:
        self._add("debug", msg, args)

    def info(self, msg: str, *args: object, **kwargs: Any) -> None:
        self._add("info", msg, args)

    def warning(self, msg: str, *args: object, **kwargs: Any) -> None:
        self._add("warning", msg, args)

    def error(self, msg: str, *args: object, **kwargs: Any) -> None:
        self._add("error", msg, args)

    def exception(self, msg: str, *args: object, **kwargs: Any) -> None:
        self._add("exception", msg, args)

    def levels(self, *levels: str) -> list[str]:
        return [text for level, text in self.lines if level in levels]
