"""The deadlines of one connection, in loop time; a sweep once a second looks at them.

Storing a number is all that a deadline costs a request. Each is at least as long as its setting, and at most two sweeps
longer.
"""

from __future__ import annotations

import asyncio

from gasgi.serving.runtime import Runtime

__all__ = ["Deadlines"]


class Deadlines:
    """For reading, for writing, and for an app whose client has left; 0 for none."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # from connection_made on
        self.read_at = 0.0
        self.write_at = 0.0
        self.grace_at = 0.0
        self._unsent = 0  # bytes the transport held when the write deadline was set

    def set_read(self, seconds: float) -> None:
        """Expect the client to say something within ``seconds``; 0: whenever it likes."""
        self.read_at = self._runtime.now + seconds if seconds > 0 else 0.0

    def set_write(self) -> None:
        """Expect the client to take something within the write timeout."""
        seconds = self._runtime.settings.write_timeout_s
        self._unsent = self.transport.get_write_buffer_size()
        self.write_at = self._runtime.now + seconds if seconds > 0 else 0.0

    def set_grace(self) -> None:
        """Give the app its grace period."""
        self.grace_at = self._runtime.now + self._runtime.settings.disconnect_grace_s

    def is_read_over(self, now: float) -> bool:
        """Whether the client sent nothing for too long; says so once."""
        if self.read_at and now >= self.read_at:
            self.read_at = 0.0
            return True
        return False

    def is_write_over(self, now: float) -> bool:
        """Whether the client took nothing of what waits for it; says so once. A slow one gets another term."""
        if not self.write_at or now < self.write_at:
            return False
        if 0 < self.transport.get_write_buffer_size() < self._unsent:
            self.set_write()
            return False
        self.write_at = 0.0
        return True

    def is_grace_over(self, now: float) -> bool:
        """Whether the app has had its grace period; says so once."""
        if self.grace_at and now >= self.grace_at:
            self.grace_at = 0.0
            return True
        return False

    def clear(self) -> None:
        """Wait for the client no more."""
        self.read_at = self.write_at = 0.0
