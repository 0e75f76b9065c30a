"""One request and its answer on an HTTP/2 connection: the HttpStream of an exchange (RFC 9113, 8.1).

Frames the answer and holds it back as long as the client's windows are shut. What the frames may be, ``streams`` says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Iterable
from typing import Any

from gasgi._accel import RequestHead, check_fields
from gasgi.answer_length import take_length
from gasgi.asgi.app_task import AppTask
from gasgi.asgi.awaitables import DONE
from gasgi.asgi.http import HttpExchange
from gasgi.errors import ASGIMisuse, ClientDisconnected
from gasgi.http2.answer_rules import checked_trailers, small_answer
from gasgi.http2.file_body import send_file
from gasgi.http2.pieces import Pieces
from gasgi.http2.sender import Queued, Sender
from gasgi.http2.streams import CLOSED, HALF_CLOSED_LOCAL, Stream
from gasgi.http2_codes import CANCEL, INTERNAL_ERROR, NO_ERROR
from gasgi.reporting.record import Record
from gasgi.reporting.timing import Timing
from gasgi.serving.flow import WriteGate
from gasgi.tables import CLIENT_LEFT

__all__ = ["Http2Stream"]

# How far the answer is:
#   WAITING --first piece of the body--> SENDING --last piece--> ENDING --END_STREAM--> OVER
#   any --a reset, by whomever, or the connection is lost--> OVER
WAITING = 0
SENDING = 1
ENDING = 2  # the app has said all; DATA may wait for the client
OVER = 3


class Http2Stream(Queued):
    """Made for one request. ``state`` is its place among the streams of the connection."""

    def __init__(self, sender: Sender, state: Stream) -> None:
        self._sender = sender
        self.state = state
        self.number = state.number
        self.rank = 0
        self.is_endless = False
        self.exchange: AppTask | None = None
        self.opening: Any = None  # of a WebSocket that the app has not accepted: who takes what comes
        runtime = sender.runtime
        self.record = None if runtime.observer is None else Record(runtime.observer)
        self.timing = None if runtime.slow is None and runtime.meter is None else Timing(runtime.slow, runtime.meter)

        # The request
        self.wants_continue = False
        self._is_head_request = False
        self.is_opening = False  # the file that the body comes from: it may fail, and a 500 is the answer
        self.head: RequestHead | None = None  # kept for the timing

        # The answer
        self.phase = WAITING
        self.status = 0
        self.length_left = -1  # what the app's content-length still allows, bytes
        self.sent_bytes = 0
        self.looks = 0  # how often quiet_heads has looked at the head that is held
        self._fields: list[tuple[bytes, bytes]] | None = None
        self._has_no_body = False
        self._trailers: list[tuple[bytes, bytes]] | None = None
        self.waiting: Pieces | None = None  # for the window of the client; made with the first piece
        self.is_in_row = False
        self._gate: WriteGate | None = None  # made when the app has to wait for the window

        # Deadlines, in loop time; 0 for none
        self.read_at = 0.0  # the client has been silent in a body that the app waits for
        self.write_at = 0.0  # the client has taken nothing of an answer that waits for its window

    def begin(self, head: RequestHead, scope: dict[str, Any]) -> HttpExchange:
        """Take a request that has been admitted; return its conversation."""
        exchange = HttpExchange()
        exchange.prepare(self._sender.runtime, self, scope, head)
        exchange.timing = self.timing
        self.exchange = exchange
        self._sender.running += 1
        self.wants_continue = head.expects_continue
        self._is_head_request = head.method == "HEAD"
        if (head.is_chunked or head.content_length > 0) and not self.wants_continue:
            self._expect_body()
        return exchange

    def begin_timing(self, head: RequestHead, held_at: float) -> None:
        """Take the time of a request that has waited for its turn since ``held_at``, where it did."""
        if self.timing is not None:
            self.head = head
            self.timing.held_at = held_at
            self.timing.begin()

    def hand_over(self, owner: Queued) -> Record | None:
        """Leave the stream to ``owner``, the head of the answer included; return the record of the request."""
        self._check()
        self.phase = OVER
        self._forget()
        self.state.owner = owner
        record, self.record = self.record, None
        return record

    # What the client sends

    def receive(self, piece: bytes, ends_stream: bool) -> None:
        if self.opening is not None:
            self.opening.receive(piece, ends_stream)
        elif self.exchange is not None:
            self._feed(self.exchange, piece, ends_stream)  # type: ignore[arg-type]  # what is no WebSocket

    def _feed(self, exchange: HttpExchange, piece: bytes, ends_stream: bool) -> None:
        """Take a piece of the body."""
        if piece:
            self.wants_continue = False
            exchange.feed_body(piece)
        self.read_at = 0.0
        if ends_stream:
            exchange.end_body()
        elif self.state.receive_window > 0:  # otherwise the app has not taken what came
            self._expect_body()

    def lose(self) -> None:
        if self.phase == OVER:
            return
        status = self.status if self.phase != WAITING else CLIENT_LEFT
        if self.phase == WAITING and self._fields is not None:
            self._sender.held -= 1
        self.phase = OVER
        self._forget()
        if self._gate is not None:
            self._gate.lost()
        self._report(status)
        if self.exchange is not None:
            self.exchange.disconnect()
        self._sender.stream_over()

    # HttpStream, for the exchange

    def prepare_head(self, status: int, headers: Iterable[Iterable[bytes]]) -> None:
        self._check()
        if status < 200:
            raise ASGIMisuse(f"http.response.start takes a final status, not {status}")
        sender = self._sender
        if self.opening is not None and status < 300:
            raise ASGIMisuse(f"status {status} would accept the WebSocket (RFC 8441, 4): send websocket.accept")
        fields, self.length_left = check_fields(status, headers, sender.server(), sender.date())
        if self._fields is None:
            sender.hold_head()
        self._fields = fields
        self.looks = 0
        self.status = status
        self._has_no_body = status == 204 or status == 304 or status == 205 or self._is_head_request

    def send_body(self, body: bytes, more: bool) -> Awaitable[None]:
        self._check()
        size = len(body)
        if self.length_left >= 0 and not self._has_no_body:
            self.length_left = take_length(self.length_left, size, more)
        if self.phase == WAITING:
            self._begin(body, size, more)
        elif not self._has_no_body:
            self._put(body, size, more)
        elif not more:
            self._end()
        return self._pace(size) if more else DONE

    def send_informational(self, status: int, headers: Iterable[Iterable[bytes]]) -> Awaitable[None]:
        self._check()
        sender = self._sender
        sender.outbox.put(sender.head(self.number, status, check_fields(status, headers, None, None)[0], False))
        sender.outbox.flush()
        return sender.gate.next_turn()

    def send_trailers(self, headers: Iterable[Iterable[bytes]], more: bool) -> Awaitable[None]:
        self._check()
        fields = checked_trailers(headers)
        if not self._has_no_body:
            self._trailers = fields if self._trailers is None else self._trailers + fields
        if more:
            return DONE
        return self.send_body(b"", False)

    def send_file(self, file: Any, offset: int | None, count: int | None, more: bool) -> Coroutine[Any, Any, None]:
        self._check()
        count = 0 if self._has_no_body else count
        return send_file(self._sender.runtime.loop, self, file, offset, count, more)

    def body_taken(self, size: int) -> None:
        sender = self._sender
        if self.wants_continue:
            self.wants_continue = False
            if self.phase == WAITING:
                sender.say(sender.head(self.number, 100, (), False))
        if size:
            sender.give_back(self.state, size)
        self._expect_body()

    def fail(self) -> None:
        if self.phase == WAITING:
            self.answer(500, ())
        elif self.phase == SENDING:
            self.cut_off()

    def cut_off(self) -> None:
        self.reset(INTERNAL_ERROR)

    def give_up(self) -> None:
        if self.phase < ENDING:
            self.reset(CANCEL)

    def exchange_ended(self) -> None:
        exchange, self.exchange = self.exchange, None
        if exchange is not None and exchange.is_websocket:
            self._sender.websockets -= 1
        else:
            self._sender.app_over()

    # For the connection and its parts

    def send_quiet_head(self) -> None:
        """Send the head when it is held, and was at the look before; not before the 100 (Continue) of a client."""
        is_held = self.phase == WAITING and self._fields is not None and self.looks > 1
        if is_held and not self.wants_continue and not self.is_opening:
            self._begin(b"", 0, True)

    def answer(self, status: int, fields: tuple[tuple[bytes, bytes], ...]) -> None:
        """Send a small answer of the server's own."""
        headers, body = small_answer(status, fields)
        self.prepare_head(status, headers)
        self.send_body(body, False)

    def has_begun(self) -> bool:
        """Whether the head of the answer has left."""
        return self.phase != WAITING

    def is_open_ended(self) -> bool:
        """Whether the client has the head of an answer that does not say how long it is, and more is to come."""
        return self.phase == SENDING and self.length_left < 0

    def reset(self, code: int) -> None:
        """Reset the stream; the app hears that the client is gone."""
        if self.state.state != CLOSED:
            self._sender.reset(self.state, code)
        self.lose()

    # Framing

    def _expect_body(self) -> None:
        self.read_at = self._sender.due_in(self._sender.runtime.settings.body_timeout_s)

    def _check(self) -> None:
        if self.phase == OVER:
            raise ClientDisconnected("the client disconnected before the response was sent")

    def _begin(self, body: bytes, size: int, more: bool) -> None:
        """Send the head, and with it the first piece where it has room."""
        sender = self._sender
        sender.held -= 1
        fields: list[tuple[bytes, bytes]] = self._fields  # type: ignore[assignment]  # prepared before any piece
        ends = not more and self._trailers is None and (size == 0 or self._has_no_body)
        head = sender.head(self.number, self.status, fields, ends)
        self.phase = SENDING
        if self.record is None:
            self._fields = None
        sender.say(head)
        if ends:
            self._finish()
        elif self._has_no_body:
            if not more:
                self._end()
        elif size or not more:
            self._put(body, size, more)

    def _put(self, body: bytes, size: int, more: bool) -> None:
        """Send a piece, or let it wait for the windows and for the other streams."""
        if not self.waits() and (not size or size <= self._sender.room(self.state)):
            ends = not more and self._trailers is None
            if size or ends:
                self._put_data(body, size, ends)
            if not more:
                self._end()
            return
        if size:
            if self.waiting is None:
                self.waiting = Pieces()
            self.waiting.put(body)
            if not self.write_at:
                self._expect_window()
        if not more:
            self._end()
        self._sender.queue(self)

    def _put_data(self, body: bytes, size: int, ends: bool) -> None:
        self._sender.put_data(self.state, body, size, ends)
        self.sent_bytes += size
        if ends:
            self._finish()

    def send_frame(self) -> int:
        """Send one DATA frame of what waits; return its size."""
        sender = self._sender
        waiting = self.waiting
        if waiting is None or not waiting.size:
            return 0
        most = min(sender.max_frame_bytes, sender.streams.sendable(self.state))
        if not most:
            return 0
        body = waiting.take(most)
        size = len(body)
        self._expect_window()
        is_last = not waiting.size and self.phase == ENDING
        self._put_data(body, size, is_last and self._trailers is None)
        if not waiting.size:
            if is_last and self._trailers is not None:
                self._end()
            if self._gate is not None:
                self._gate.resume()
        return size

    def _expect_window(self) -> None:
        """Expect the client to take something of what waits within the write timeout."""
        self.write_at = self._sender.due_in(self._sender.runtime.settings.write_timeout_s) if self.waits() else 0.0

    def _end(self) -> None:
        """The app has said all: end the stream after what waits."""
        if self.phase == OVER:
            return
        self.phase = ENDING
        if self.exchange is not None:
            self.exchange.complete()
        sender = self._sender
        if self.waits():
            if self.timing is not None:
                self.timing.begin_client_wait()
            return
        if self._trailers is not None:
            sender.outbox.put(sender.trailers(self.number, self._trailers))
            self._finish()
        elif self._has_no_body:
            # The head went out before it was known that nothing follows.
            self._put_data(b"", 0, True)

    def _finish(self) -> None:
        """END_STREAM is on its way."""
        sender, state = self._sender, self.state
        self.phase = OVER
        self._forget()
        sender.streams.end_local(state)
        if state.state == HALF_CLOSED_LOCAL:
            # RFC 9113, 8.1: the answer does not need the rest of the request.
            sender.reset(state, NO_ERROR)
        else:
            sender.guard.stream_finished()
        sender.outbox.flush_soon()
        self._report(self.status)
        if self.exchange is not None:
            self.exchange.complete()
        sender.runtime.count_request()
        sender.stream_over()

    def _pace(self, size: int) -> Awaitable[None]:
        """Return what the app awaits after a piece with more to come."""
        sender = self._sender
        if self.waits():
            if self._gate is None:
                self._gate = WriteGate(sender.runtime.loop)
                self._gate.timing = self.timing
            self._gate.pause()
            return self._gate.wait()
        # An app that sends nothing without a pause must not keep the loop from everybody else.
        return sender.pace(not size or self._has_no_body, self.timing)

    def _forget(self) -> None:
        """Let go of everything, so that nothing waits for the collector."""
        self.state.owner = self.opening = None
        self.waiting = None
        self.read_at = self.write_at = 0.0

    def _report(self, status: int) -> None:
        """Tell the observer, once, how the request ended."""
        if self.record is not None:
            fields, self._fields = self._fields, None
            self.record.end(status, fields, self.sent_bytes)
            self.record = None
        if self.timing is not None:
            self.timing.end(self.head, status, self.sent_bytes)
