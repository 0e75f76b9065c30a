"""The body of the request in progress on its way to the application; after the response it is read away.

The inbox decodes it. This paces it: reading pauses while the application does not take what has come.
"""

from __future__ import annotations

from gasgi._accel import RequestHead
from gasgi.asgi.http import HttpExchange
from gasgi.http1.inbox import Inbox
from gasgi.serving.deadlines import Deadlines
from gasgi.serving.runtime import Runtime
from gasgi.serving.sizes import HOLD_BYTES, JOIN_BYTES

__all__ = ["RequestBody"]


class RequestBody:
    """One per connection, for one request after the other."""

    def __init__(self, runtime: Runtime, inbox: Inbox, deadlines: Deadlines) -> None:
        # Fixed for the connection
        self._settings = runtime.settings
        self._inbox = inbox
        self._deadlines = deadlines

        # Per request
        self.exchange: HttpExchange | None = None  # None: there is none, or nobody wants it any more
        self.wants_continue = False  # 100 (Continue) is due when the app asks for the body
        self.unread_bytes = 0  # of its content-length
        self._drained_bytes = 0

    def begin(self, head: RequestHead, exchange: HttpExchange) -> None:
        """Give ``exchange`` what has come of the body that ``head`` announces; raise RequestError."""
        inbox = self._inbox
        if not head.is_chunked:
            whole = inbox.take_whole_body(head.content_length)
            if whole is not None:
                exchange.feed_body(whole)
                exchange.end_body()
                return
        inbox.begin_body(head)
        self.exchange = exchange
        self.wants_continue = head.expects_continue
        self._drained_bytes = 0
        self.unread_bytes = 0 if head.is_chunked else head.content_length
        piece = inbox.next_piece(self.unread_bytes or HOLD_BYTES)
        if piece is None and not self.wants_continue:
            self._deadlines.set_read(self._settings.body_timeout_s)
        while piece is not None:
            self._give(exchange, piece)
            if head.is_chunked or inbox.body is None:
                break  # what is left of a chunked one has a turn of its own
            piece = inbox.next_piece(self.unread_bytes or HOLD_BYTES)
        if inbox.is_eof:
            self._deadlines.read_at = 0.0  # nothing more comes
        if inbox.is_paused:
            self._resume(exchange)

    def read(self, data: bytes) -> None:
        """Take what has just come; raise RequestError."""
        piece = self._inbox.read_body(data)
        if self.exchange is not None:
            self._give(self.exchange, piece)
        elif self._inbox.body is None:
            self._deadlines.read_at = 0.0
        else:
            self._drained_bytes += len(data)

    def read_held(self) -> None:
        """Go on with what is held, in a turn of its own; raise RequestError."""
        piece = self._inbox.next_piece(JOIN_BYTES)
        if piece is None:
            return
        exchange = self.exchange
        if exchange is not None:
            self._give(exchange, piece)
            self._resume(exchange)
            return
        self._drained_bytes += JOIN_BYTES  # what it cost, however few of them are decoded
        if self._inbox.body is None:
            self._deadlines.read_at = 0.0
        elif not self._inbox.is_behind:
            self._inbox.resume()

    def read_on(self) -> None:
        """The app took what had come, and wants more."""
        if self._inbox.body is not None and not self._inbox.is_eof and not self._inbox.is_behind:
            self._inbox.resume()
            self._deadlines.set_read(self._settings.body_timeout_s)

    def end(self) -> None:
        """The response is over: nobody wants the rest, nor a 100 (Continue)."""
        self.exchange = None
        self.wants_continue = False
        self.unread_bytes = 0

    def leaves_much(self) -> bool:
        """Whether more is left of it than would be read away to keep the connection."""
        if self._inbox.body is None:
            return False
        most = self._settings.max_body_drain_bytes
        return bool(self.unread_bytes > most or self._drained_bytes > most)

    def _resume(self, exchange: HttpExchange) -> None:
        """Read on when the body is not whole, all that came is decoded, and the app does not hold much of it."""
        inbox = self._inbox
        wants_more = inbox.body is not None and not inbox.is_behind
        if inbox.is_paused and wants_more and exchange.buffered <= self._settings.body_buffer_bytes:
            inbox.resume()

    def _give(self, exchange: HttpExchange, piece: bytes) -> None:
        if piece:
            self.wants_continue = False
            if self.unread_bytes:
                self.unread_bytes -= len(piece)
            exchange.feed_body(piece)
        if self._inbox.body is None:
            self.wants_continue = False  # a chunked one may be whole and empty
            self._deadlines.read_at = 0.0
            exchange.end_body()
        elif exchange.buffered > self._settings.body_buffer_bytes:
            self._inbox.pause()
            self._deadlines.read_at = 0.0
        else:
            self._deadlines.set_read(self._settings.body_timeout_s)
