"""The deadlines of streams, and of apps whose client has left their stream or is taken for one that has.

Such an app has a grace period and is cancelled after it. A worker that stops takes the client of an endless answer for
one that has left.
"""

from __future__ import annotations

from gasgi.http2.channel import StreamChannel
from gasgi.http2.sender import Queued, Sender
from gasgi.http2.stream import Http2Stream
from gasgi.http2_codes import CANCEL

__all__ = ["Leaving"]


class Leaving:
    """Those of one connection, alive or lost; swept once a second."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._runtime = sender.runtime
        self._streams: dict[Queued, float] = {}  # and when the grace period is over, in loop time

    def add(self, stream: Queued) -> None:
        """Let the app of a stream that is lost go on for its grace period; it has one.

        A WebSocket has been told, and takes its time as on a connection of its own.
        """
        exchange = stream.exchange
        if exchange is not None and not exchange.is_websocket and stream not in self._streams:
            grace_at = exchange.give_grace()
            if grace_at:
                self._streams[stream] = grace_at

    def look(self, stream: Queued, now: float) -> None:
        """Act on the deadlines of a stream that is not lost."""
        if isinstance(stream, Http2Stream):
            self._look_at_answer(stream, now)
        elif isinstance(stream, StreamChannel):
            stream.sweep(now)

    def _look_at_answer(self, stream: Http2Stream, now: float) -> None:
        if stream.timing is not None and stream.exchange is not None:
            stream.timing.look(stream.head, stream.exchange.running_task())
        if self._runtime.ends_streams and stream.is_open_ended():
            self.add(stream)
        if stream.read_at and now >= stream.read_at:
            self._end_stalled(stream)
        elif stream.write_at and now >= stream.write_at and not self._sender.is_behind(stream, now):
            self._runtime.log.info("Client did not read stream %d for longer than gasgi_write_timeout_s", stream.number)
            self._give_up(stream)

    def _end_stalled(self, stream: Http2Stream) -> None:
        self._runtime.log.info("Request body of stream %d stalled for longer than gasgi_body_timeout_s", stream.number)
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
