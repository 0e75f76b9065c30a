"""One response of a connection as bytes (RFC 9112, 6 and 7): its head, its framing, how much of it is sent.

What becomes of the connection when it is whole, or never will be, is its owner's business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Iterable
from typing import Any

from gasgi._accel import RequestHead, encode_chunk, encode_response_head, join_message
from gasgi.answer_length import take_length
from gasgi.asgi.admission import report_refusal
from gasgi.asgi.awaitables import DONE
from gasgi.asgi.stream import HttpStream
from gasgi.errors import ASGIMisuse, RequestError
from gasgi.http1.file_response import FileResponse
from gasgi.http1.phases import CHUNKED, LENGTH, NO_BODY, UNDECIDED, UNTIL_CLOSE
from gasgi.http1.request_body import RequestBody
from gasgi.reporting.record import Record
from gasgi.reporting.timing import Timing
from gasgi.serving.flow import WriteGate
from gasgi.serving.outbox import Outbox
from gasgi.serving.peer import Peer
from gasgi.serving.runtime import Runtime
from gasgi.serving.sizes import COPY_BYTES, FLUSH_BYTES, JOIN_BYTES
from gasgi.tables import CLIENT_LEFT, FORBIDDEN_TRAILERS, STATUS_PHRASES

__all__ = ["Response", "ResponseOwner"]


class ResponseOwner:
    """What a response needs of the connection that it goes out on. This one does nothing, as one that is lost."""

    def response_complete(self) -> None:
        """The response is whole."""

    def response_ended(self, status: int, is_reset: bool) -> None:
        """The response never will be whole: end the connection, with a reset where nothing else would tell."""

    def exchange_ended(self) -> None:
        """The app's task is over."""

    def hand_over(self) -> bytes:
        """A WebSocket takes the transport: leave it alone from now on, and return what is held unparsed."""
        return b""


NOBODY = ResponseOwner()


class Response(HttpStream):
    """One per connection, for one request after the other; ``begin`` makes it the next one's."""

    def __init__(
        self, runtime: Runtime, owner: ResponseOwner, body: RequestBody, outbox: Outbox, gate: WriteGate
    ) -> None:
        # Fixed for the connection
        self._runtime = runtime
        self._owner = owner
        self._body = body  # of the request
        self._outbox = outbox
        self._gate = gate

        # Of the request that it answers
        self.number = 0  # which one: tells whoever began to send long ago whether it is still the same
        self.request: RequestHead | None = None  # None also when no head was whole
        self.keep_alive = False

        # Of the answer
        self._held_head: bytes | None = None  # encoded, waiting for the first piece of the body
        self.is_watched = False  # by quiet_heads, for one that waits for long
        self.is_opening = False  # the file that the body comes from: it may fail, and a 500 is the answer
        self.framing = UNDECIDED
        self.length_left = -1  # what the app's content-length still allows, bytes
        self.status = 0
        self.sent_bytes = 0
        self._trailer_lines = b""

        # For the observer
        self.record = None if runtime.observer is None else Record(runtime.observer)
        self._fields: list[tuple[bytes, bytes]] | None = None
        self.timing = None if runtime.slow is None and runtime.meter is None else Timing(runtime.slow, runtime.meter)

    def begin(self, request: RequestHead) -> None:
        """Answer ``request`` next."""
        self.request = request
        self.keep_alive = request.keep_alive and self._runtime.keep_alive_s > 0
        if self.timing is not None and request.upgrade != b"websocket":
            self.timing.begin()

    def reset(self) -> None:
        """Forget the request and the answer to it."""
        self.number += 1
        self._held_head = None
        self.is_opening = False
        self.request = None
        self.framing = UNDECIDED
        self.sent_bytes = 0

    def release(self) -> None:
        """Let go of the connection, which is lost: nothing is to wait for the garbage collector."""
        self._owner = NOBODY
        self._runtime.quiet_heads.forget(self)

    # HttpStream, for the exchange

    def prepare_head(self, status: int, headers: Iterable[Iterable[bytes]]) -> None:
        if self._gate.is_lost:
            self._gate.check()
        if status < 200:
            raise ASGIMisuse(f"http.response.start takes a final status, not {status}")
        runtime = self._runtime
        if self.record is not None:
            headers = list(headers)
            self._fields = headers  # type: ignore[assignment]  # checked by the encoder
        head, length, closes = encode_response_head(status, headers, runtime.server_field, runtime.date_field)
        self._held_head = head
        self.length_left = length
        self.status = status
        if closes:
            self.keep_alive = False
        if not self.is_watched:
            runtime.quiet_heads.watch(self)

    def holds_head(self) -> bool:
        """Whether the head waits for the first piece of the body, and for nothing else."""
        # After a final head no 100 (Continue) could follow that the client waits for.
        if self._held_head is None or self.is_opening:
            return False
        return not self._body.wants_continue and not self._gate.is_lost

    def send_held_head(self) -> None:
        """Send it without one."""
        self.put_head(b"", 0, True)
        self._outbox.flush()

    def send_body(self, body: bytes, more: bool) -> Awaitable[None]:
        if self._gate.is_lost:
            self._gate.check()
        size = len(body)
        if self.framing == UNDECIDED:
            self.put_head(body, size, more)
        elif self.framing == CHUNKED:
            if size:
                self._put_chunk(body, size)
            if not more:
                self._outbox.put(b"0\r\n\r\n")
        elif self.framing == LENGTH:
            self.take_length(size, more)
            self._outbox.put(body)
        elif self.framing == UNTIL_CLOSE:
            self._outbox.put(body)
        if self.framing != NO_BODY:
            self.sent_bytes += size
        if more:
            return self._pace(size)
        self._owner.response_complete()
        return DONE if self._gate.is_open else self._gate.wait()

    def send_informational(self, status: int, headers: Iterable[Iterable[bytes]]) -> Awaitable[None]:
        self._gate.check()
        if self.request is None or self.request.http_version == "1.0":  # RFC 9110, 15.2: never to HTTP/1.0
            return DONE
        head, _, _ = encode_response_head(status, headers, b"", b"")
        self._outbox.put(head + b"\r\n")
        self._outbox.flush()
        return self._gate.next_turn()

    def send_trailers(self, headers: Iterable[Iterable[bytes]], more: bool) -> Awaitable[None]:
        self._gate.check()
        request = self.request
        if self.framing == CHUNKED and request is not None and request.accepts_trailers:
            self._trailer_lines += _encode_trailers(headers)
        if more:
            return DONE
        if self.framing == CHUNKED:
            self._outbox.put(b"0\r\n" + self._trailer_lines + b"\r\n")
            self._trailer_lines = b""
        elif self.framing == LENGTH:
            self.take_length(0, False)
        return self._complete()

    def send_file(self, file: Any, offset: int | None, count: int | None, more: bool) -> Coroutine[Any, Any, None]:
        self._gate.check()
        return FileResponse(self._runtime, self, self._outbox, self._gate).send(file, offset, count, more)

    def file_opened(self) -> None:
        """A file that is to be sent is open, or failed to: from here on a held head may leave without it."""
        self.is_opening = False
        if self._held_head is not None and not self.is_watched and not self._gate.is_lost:
            self._runtime.quiet_heads.watch(self)

    def body_taken(self, size: int) -> None:
        request_body = self._body
        if request_body.wants_continue:
            request_body.wants_continue = False
            if self.framing == UNDECIDED:
                self._outbox.put(b"HTTP/1.1 100 Continue\r\n\r\n")
                self._outbox.flush()
        request_body.read_on()

    def fail(self) -> None:
        if self._gate.is_lost:
            return
        if self.framing == UNDECIDED:
            self.answer(500, ())
        else:
            self.cut_off()

    def cut_off(self) -> None:
        # A plain close would look like the end of a body that has no other.
        self._owner.response_ended(self.status, self.framing == UNTIL_CLOSE)

    def give_up(self) -> None:
        if self._gate.is_lost:
            return
        if self.framing == UNDECIDED:
            self._owner.response_ended(CLIENT_LEFT, False)
        else:
            self.cut_off()

    def exchange_ended(self) -> None:
        self._owner.exchange_ended()

    def hand_over(self) -> bytes:
        """A WebSocket takes the transport instead; return what its client has sent after the request."""
        return self._owner.hand_over()

    # What the server answers itself

    def answer(self, status: int, fields: tuple[tuple[bytes, bytes], ...]) -> None:
        """Send a small answer of the server's own; the connection closes after it."""
        runtime = self._runtime
        body = STATUS_PHRASES.get(status, b"") + b"\n"
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body)), *fields]
        self._held_head, self.length_left, _ = encode_response_head(
            status, headers, runtime.server_field, runtime.date_field
        )
        self.status = status
        self.keep_alive = False
        if self.record is not None:
            self._fields = headers
        self.put_head(body, len(body), False)
        if self.framing != NO_BODY:
            self.sent_bytes = len(body)
        self._owner.response_complete()

    def refuse(self, exc: RequestError, peer: Peer) -> None:
        """Answer a request that is not served, or cut its answer off; the connection ends after it."""
        has_begun = self.framing != UNDECIDED
        report_refusal(self._runtime, peer, None if has_begun else self.record, self.request, exc)
        if has_begun:
            self.cut_off()
        else:
            self.answer(exc.status, exc.fields)

    # Framing

    def put_head(self, body: bytes, size: int, more: bool) -> None:
        """Choose the framing, then put head and first piece together (RFC 9112, 6.3)."""
        request = self.request
        status = self.status
        is_old = request is not None and request.http_version == "1.0"
        if self._body.wants_continue:
            # The client may or may not send its body after a final answer: only a new connection is in step.
            self.keep_alive = False
        lines = b""
        # The usual answer first: most have nothing to ask for.
        if (status != 200 or (request is not None and request.method == "HEAD")) and self.has_no_body():
            self.framing = NO_BODY
            if status == 205:
                # Unlike 204 it is read by its framing, so that has to say that there is nothing (RFC 9110, 15.3.6).
                lines = b"content-length: 0\r\n"
            elif self.length_left < 0 and not more and status == 200 and size:
                lines = b"content-length: %d\r\n" % size
        elif self.length_left >= 0:
            self.take_length(size, more)
            self.framing = LENGTH
        elif not more:
            self.framing = LENGTH
            self.length_left = 0
            lines = b"content-length: %d\r\n" % size
        elif is_old:
            self.framing = UNTIL_CLOSE
            self.keep_alive = False
        else:
            self.framing = CHUNKED
            lines = b"transfer-encoding: chunked\r\n"
        if self.keep_alive and self._runtime.closes_due > 0:
            self._runtime.closes_due -= 1
            self.keep_alive = False
        elif self._body.exchange is not None and not more and self._body.leaves_much():
            # Apps that stream may still read the rest of the body, so only an answer that is whole decides.
            self.keep_alive = False
        if not self.keep_alive or self._runtime.is_draining:
            self.keep_alive = False
            lines += b"connection: close\r\n"
        elif is_old:
            lines += b"connection: keep-alive\r\n"
        head: bytes = self._held_head  # type: ignore[assignment]  # prepared before any piece of the body
        self._held_head = None
        outbox = self._outbox
        if self.framing == NO_BODY:
            outbox.put(join_message(head, lines, b""))
        elif self.framing == CHUNKED:
            outbox.put(join_message(head, lines, b""))
            if body:
                self._put_chunk(body, size)
        elif size <= JOIN_BYTES or not body:
            outbox.put(join_message(head, lines, body))
        else:
            outbox.put(join_message(head, lines, b""))
            outbox.put(body)

    def has_no_body(self) -> bool:
        """Whether the client expects nothing after the head (RFC 9112, 6.3)."""
        status = self.status
        request = self.request
        return status == 204 or status == 304 or status == 205 or (request is not None and request.method == "HEAD")

    def is_open_ended(self) -> bool:
        """Whether the client has the head of an answer that does not say how long it is."""
        if self.framing == NO_BODY:
            return self.length_left < 0
        return self.framing != UNDECIDED and self.framing != LENGTH

    def take_length(self, size: int, more: bool) -> None:
        """Hold the app to its content-length; raise ASGIMisuse before a wrong byte leaves."""
        self.length_left = take_length(self.length_left, size, more)

    def _complete(self) -> Awaitable[None]:
        self._owner.response_complete()
        return DONE if self._gate.is_open else self._gate.wait()

    def _pace(self, size: int) -> Awaitable[None]:
        """Return what the app awaits after a piece of ``size`` bytes with more to come."""
        outbox = self._outbox
        gate = self._gate
        if self.framing == NO_BODY:
            # Nothing of it is ever sent, so nothing else would make an endless stream wait.
            outbox.flush_soon()
            return gate.next_turn()
        if outbox.size >= FLUSH_BYTES:
            outbox.flush()
            if gate.is_open:
                # An app that streams without a pause must not keep the loop from everybody else.
                return gate.next_turn()
        else:
            outbox.flush_soon()
            if not size:
                # Nothing is held that would ever be full: an app that sends nothing without a pause must not either.
                return gate.next_turn()
        return DONE if gate.is_open else gate.wait()

    def _put_chunk(self, body: bytes, size: int) -> None:
        outbox = self._outbox
        if size <= COPY_BYTES:
            outbox.put(encode_chunk(body))
        else:
            outbox.put(b"%x\r\n" % size)
            outbox.put(body)
            outbox.put(b"\r\n")

    # The observer

    def report(self, status: int) -> None:
        """Tell the observer, once, how the request ended."""
        if self.record is not None:
            fields, self._fields = self._fields, None
            self.record.end(status, fields, self.sent_bytes)
        if self.timing is not None:
            self.timing.end(self.request, status, self.sent_bytes)


def _encode_trailers(headers: Iterable[Iterable[bytes]]) -> bytes:
    """Encode trailer fields; raise ASGIMisuse for one that RFC 9110, 6.5.1 does not allow after the body."""
    fields = [(bytes(name), value) for name, value in headers]
    for name, _ in fields:
        if name.lower() in FORBIDDEN_TRAILERS:
            raise ASGIMisuse(f"{name!r} must not be a trailer")
    block, _, _ = encode_response_head(200, fields, b"", b"")
    return block[block.index(b"\r\n") + 2 :]
