"""Apps whose client has left their stream: each has a grace period, and is cancelled behind it."""

from __future__ import annotations

from gasgi.http2.sender import Queued
from gasgi.serving.runtime import Runtime

__all__ = ["Leaving"]


class Leaving:
    """Those of one connection, alive or lost."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._streams: dict[Queued, float] = {}  # and when the grace period is over

    def add(self, stream: Queued) -> None:
        """Let the app of a stream that is lost go on for its grace period."""
        exchange = stream.exchange
        if exchange is None or exchange.is_websocket:
            return  # a WebSocket has been told, and takes its time as on a connection of its own
        seconds = self._runtime.settings.disconnect_grace_s
        if seconds > 0:
            self._streams[stream] = self._runtime.now + seconds
        else:
            exchange.cancel()

    def sweep(self, now: float) -> None:
        """Cancel what has had its time; forget what has ended."""
        for stream, grace_at in tuple(self._streams.items()):
            exchange = stream.exchange
            if exchange is None:
                del self._streams[stream]
            elif now >= grace_at:
                exchange.cancel()

    def cancel(self) -> None:
        """There is no time left: cancel all."""
        self.sweep(float("inf"))

    def clear(self) -> None:
        """Hold no reference."""
        self._streams.clear()
