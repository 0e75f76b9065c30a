"""Apps whose client has left their stream: each has a grace period, and is cancelled behind it."""

from __future__ import annotations

from gasgi.http2.stream import Http2Stream
from gasgi.serving.runtime import Runtime

__all__ = ["Leaving"]


class Leaving:
    """Those of one connection, alive or lost."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._streams: set[Http2Stream] = set()

    def add(self, stream: Http2Stream) -> None:
        """Let the app of a stream that is lost go on for its grace period."""
        exchange = stream.exchange
        if exchange is None:
            return
        seconds = self._runtime.settings.disconnect_grace_s
        if seconds > 0:
            stream.grace_at = self._runtime.now + seconds
            self._streams.add(stream)
        else:
            exchange.cancel()

    def sweep(self, now: float) -> None:
        """Cancel what has had its time; forget what has ended."""
        for stream in tuple(self._streams):
            exchange = stream.exchange
            if exchange is None:
                self._streams.discard(stream)
            elif now >= stream.grace_at:
                exchange.cancel()

    def cancel(self) -> None:
        """There is no time left: cancel all."""
        self.sweep(float("inf"))

    def clear(self) -> None:
        """Hold no reference."""
        self._streams.clear()
