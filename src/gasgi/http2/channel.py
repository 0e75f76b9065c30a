"""The bytes of a stream as a transport: a WebSocket reads and writes here as on a connection of its own (RFC 8441, 5).

Knows nothing of WebSockets. END_STREAM is what FIN is to a connection, RST_STREAM what a reset is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gasgi.asgi.app_task import AppTask
from gasgi.http2.pieces import Pieces
from gasgi.http2.sender import Queued, Sender
from gasgi.http2.streams import CLOSED, Stream
from gasgi.http2_codes import CANCEL, NO_ERROR
from gasgi.serving.sizes import FLUSH_BYTES, LINGER_S

__all__ = ["StreamChannel"]

# Who moves it:
#   OPEN --close()--> CLOSING --the last DATA has left--> SHUT --END_STREAM of the client's, or its time is over--> GONE
#   any --the last DATA has left and the client's END_STREAM has come, abort(), a reset, the connection is lost--> GONE
OPEN = 0
CLOSING = 1  # DATA waits for the client
SHUT = 2  # END_STREAM is sent; a client that sees a reset right after it may forget what it has not read
GONE = 3


class StreamChannel(Queued):
    """``protocol`` is set before bytes come: an asyncio protocol that can be swept and drained."""

    def __init__(self, sender: Sender, state: Stream, exchange: AppTask) -> None:
        # Fixed for the stream
        self._sender = sender
        self.state = state
        self.number = state.number
        self.rank = 0
        self.is_endless = True
        self.exchange = exchange
        self.looks = 0
        self.protocol: Any = None
        self._high = sender.runtime.settings.write_buffer_bytes
        self._low = self._high // 4

        self._phase = OPEN

        # Writing
        self.waiting: Pieces = Pieces()  # for the window of the client
        self.is_in_row = False
        self._is_blocked = False  # the protocol was told to pause

        # Reading
        self._is_paused = False
        self._held: bytearray | None = None  # came meanwhile: no more than the window, which is not given back
        self._is_at_end = False  # END_STREAM came after it

        self._end_at = 0.0  # loop time: the client has had its time to end its side
        self._is_told = False  # the protocol knows that it is over

    # What an asyncio transport has, as far as it is used

    def write(self, data: bytes) -> None:
        """Send bytes, or let them wait for the windows and for the other streams."""
        if self._phase != OPEN:
            return
        sender = self._sender
        waiting = self.waiting
        size = len(data)
        if not waiting.size and size <= sender.room(self.state):
            sender.put_data(self.state, data, size, False)
            if sender.outbox.size >= FLUSH_BYTES:
                sender.outbox.flush()
            return
        waiting.put(data)
        self._sender.queue(self)
        if waiting.size > self._high and not self._is_blocked:
            self._is_blocked = True
            self.protocol.pause_writing()

    def writelines(self, pieces: Iterable[bytes]) -> None:
        """Send several pieces."""
        for piece in pieces:
            self.write(piece)

    def close(self) -> None:
        """End the stream after what waits."""
        if self._phase != OPEN:
            return
        self._phase = CLOSING
        self._drop_held()
        if not self.waiting.size:
            self._sender.put_data(self.state, b"", 0, True)
            self._shut()

    def abort(self) -> None:
        """Reset the stream, as a connection is reset (RFC 8441, 5)."""
        if self._phase == GONE:
            return
        if self.state.state != CLOSED:
            self._sender.reset(self.state, NO_ERROR if self._phase == SHUT else CANCEL)
        self._go()
        self._sender.runtime.loop.call_soon(self._tell)

    def is_closing(self) -> bool:
        """Whether nothing is taken any more."""
        return self._phase != OPEN

    def pause_reading(self) -> None:
        """Hold what comes."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """Read on, with what is held first, from the next turn of the loop on."""
        self._is_paused = False
        if self._held is not None or self._is_at_end:
            self._sender.runtime.loop.call_soon(self._read_held)

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait for the client."""
        return self.waiting.size

    def can_write_eof(self) -> bool:
        """Whether one side alone can be shut. No need: what is closed here reads away what comes."""
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return ``default``: the socket is that of all streams."""
        return default

    # For the connection

    def receive(self, piece: bytes, ends_stream: bool) -> None:
        if self._phase != OPEN:
            if ends_stream and self._phase == SHUT:
                self._sender.guard.stream_finished()
                self._go()
            return
        if self._is_paused or self._held is not None:
            if piece:
                if self._held is None:
                    self._held = bytearray()
                self._held += piece
            self._is_at_end = self._is_at_end or ends_stream
            return
        self._read(piece)
        if ends_stream:
            self._read_end()

    def lose(self) -> None:
        if self._phase != GONE:
            self._go()
            self._tell()

    def sweep(self, now: float) -> None:
        """Act on the deadlines that lie before ``now`` (loop time, seconds)."""
        if self._phase == SHUT:
            if now >= self._end_at:
                self.abort()
        elif self._phase != GONE:
            if self._is_blocked and self._sender.is_behind(self, now):
                self.protocol.pause_writing()  # anew: it is not the client that keeps it waiting
            self.protocol.sweep(now)

    def drain(self) -> None:
        if self._phase == OPEN:
            self.protocol.drain()

    def send_quiet_head(self) -> None:
        """Nothing: the head has been sent."""

    # For the row

    def send_frame(self) -> int:
        sender = self._sender
        waiting = self.waiting
        most = min(sender.max_frame_bytes, sender.streams.sendable(self.state))
        if not most or not waiting.size:
            return 0
        body = waiting.take(most)
        size = len(body)
        is_last = self._phase == CLOSING and not waiting.size
        sender.put_data(self.state, body, size, is_last)
        if is_last:
            self._shut()
        elif self._is_blocked and waiting.size <= self._low:
            self._is_blocked = False
            self.protocol.resume_writing()
        return size

    # Reading

    def _read(self, piece: bytes) -> None:
        """Give the protocol what came, and the client its room: when the app does not receive, reading pauses."""
        if piece:
            self._sender.give_back(self.state, len(piece))
            self.protocol.data_received(piece)

    def _read_held(self) -> None:
        held = self._held
        if self._is_paused or self._phase != OPEN:
            return
        self._held = None
        if held is not None:
            self._read(bytes(held))
        if self._is_at_end and not self._is_paused and self._phase == OPEN:
            self._read_end()

    def _read_end(self) -> None:
        """Tell the protocol of the END_STREAM, after which it says no more than what waits."""
        if self._is_paused:
            self._is_at_end = True
        elif self._phase == OPEN:
            self.protocol.eof_received()
            self.close()

    def _drop_held(self) -> None:
        self._held = None
        self._is_at_end = False

    # Ends

    def _shut(self) -> None:
        """END_STREAM is on its way."""
        sender = self._sender
        sender.streams.end_local(self.state)
        if self.state.state == CLOSED:
            sender.guard.stream_finished()
            self._go()
        else:
            self._phase = SHUT
            self._end_at = sender.runtime.now + LINGER_S
        sender.runtime.loop.call_soon(self._tell)

    def _go(self) -> None:
        """The stream has left the table."""
        self._phase = GONE
        self.state.owner = None
        self.waiting = Pieces()
        self._drop_held()
        self._sender.stream_over()

    def _tell(self) -> None:
        """Tell the protocol, once, that it is over."""
        if not self._is_told:
            self._is_told = True
            self.protocol.connection_lost(None)
            self.exchange = None
