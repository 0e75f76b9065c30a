"""The deadlines of streams, and of apps whose client has left their stream or is taken for one that has.

Such an app has a grace period and is cancelled behind it. A worker that stops takes the client of an endless answer for
one that has left.
"""

from __future__ import annotations

from gasgi.http2.stream import Http2Stream
from gasgi.http2_codes import CANCEL
from gasgi.serving.runtime import Runtime

__all__ = ["Leaving"]


class Leaving:
    """Those of one connection, alive or lost; swept once a second."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._streams: set[Http2Stream] = set()

    def add(self, stream: Http2Stream) -> None:
        """Let the app of a stream that is lost go on for its grace period; it has one."""
        exchange = stream.exchange
        if exchange is not None and stream not in self._streams:
            stream.grace_at = exchange.give_grace()
            if stream.grace_at:
                self._streams.add(stream)

    def look(self, stream: Http2Stream, now: float) -> None:
        """Act on the deadlines of a stream that is not lost."""
        if stream.timing is not None and stream.exchange is not None:
            stream.timing.look(stream.head, stream.exchange.running_task())
        if self._runtime.ends_streams and stream.is_open_ended():
            self.add(stream)
        if stream.read_at and now >= stream.read_at:
            self._end_stalled(stream)
        elif stream.write_at and now >= stream.write_at:
            self._runtime.log.info("Stream %d was not read for gasgi_write_timeout_s", stream.number)
            self._give_up(stream)

    def _end_stalled(self, stream: Http2Stream) -> None:
        self._runtime.log.info("The body of stream %d stalled for gasgi_body_timeout_s", stream.number)
        if stream.has_begun():
            self._give_up(stream)
            return
        exchange = stream.exchange
        stream.answer(408, ())
        if exchange is not None:
            exchange.disconnect()

    def _give_up(self, stream: Http2Stream) -> None:
        stream.reset(CANCEL)
        self.add(stream)

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
