"""The writing half of an HTTP/1.1 connection: framing of responses (RFC 9112, 6) and when bytes reach the transport.

Small pieces sent in one turn of the loop leave in one write. With http_connection and ws_connection the only code that
writes to a transport.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable

from gasgi._accel import RequestHead, encode_chunk, encode_response_head, join_message
from gasgi.asgi.awaitables import DONE
from gasgi.asgi.http import HttpExchange
from gasgi.asgi.stream import HttpStream
from gasgi.errors import ASGIMisuse, ClientDisconnected
from gasgi.http1.phases import CHUNKED, LENGTH, NO_BODY, UNDECIDED, UNTIL_CLOSE
from gasgi.serving.flow import WriteGate
from gasgi.serving.runtime import Runtime
from gasgi.tables import FORBIDDEN_TRAILERS, STATUS_PHRASES

__all__ = ["HttpWriter"]

FLUSH_BYTES = 64 * 1024  # held pieces of this size do not wait for the end of the turn
JOIN_BYTES = 16 * 1024  # up to here one copy is cheaper than a write of several buffers
HOLD_S = 0.001  # how long a complete answer may wait for the next ones of a pipeline
COPY_CHUNK_BYTES = 4 * 1024  # up to here a chunk is copied between its frame instead of written as three pieces


class HttpWriter(HttpStream):
    """Turns what the exchange sends into bytes; what a connection does beside that is up to its subclasses."""

    def __init__(self, runtime: Runtime) -> None:
        # Fixed for the connection
        self._runtime = runtime
        self._transport: asyncio.Transport = None  # type: ignore[assignment]  # from connection_made on
        self._gate = WriteGate(runtime.loop)
        self._is_tls = False

        # Per request
        self._head: RequestHead | None = None
        self._exchange: HttpExchange | None = None
        self._keep_alive = False
        self._wants_continue = False  # 100 (Continue) is due when the app asks for the body

        # Per response
        self._held_head: bytes | None = None  # encoded, waiting for the first piece of the body
        self._framing = UNDECIDED
        self._length_left = -1  # what the app's content-length still allows, bytes
        self._status = 0
        self._sent_bytes = 0
        self._trailer_lines = b""
        self._response_headers: list[tuple[bytes, bytes]] | None = None  # kept for the observer only

        # Output
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._is_flush_due = False
        self._answers_held = 0  # complete answers in _out, waiting for those to the requests pipelined behind
        self._flush_by = 0.0  # loop time until which the first of them waits

    # HttpStream

    def prepare_head(self, status: int, headers: Iterable[Iterable[bytes]], has_trailers: bool) -> None:
        self._raise_when_lost()
        if status < 200:
            raise ASGIMisuse(f"http.response.start takes a final status, not {status}")
        runtime = self._runtime
        if runtime.observer is not None:
            headers = list(headers)
            self._response_headers = headers  # type: ignore[assignment]  # checked by the encoder
        head, length, closes = encode_response_head(status, headers, runtime.server_field, runtime.date_field)
        self._held_head = head
        self._length_left = length
        self._status = status
        if closes:
            self._keep_alive = False

    def send_body(self, body: bytes, more: bool) -> Awaitable[None]:
        self._raise_when_lost()
        size = len(body)
        if self._framing == UNDECIDED:
            self._send_head(body, size, more)
        elif self._framing == CHUNKED:
            if size:
                self._put_chunk(body, size)
            if not more:
                self._put(b"0\r\n\r\n")
        elif self._framing == LENGTH:
            self._take_length(size, more)
            self._put(body)
        elif self._framing == UNTIL_CLOSE:
            self._put(body)
        if self._framing == NO_BODY:
            if more:
                # Nothing of it is ever sent, so nothing else would make an endless stream wait.
                self._flush_soon()
                return self._gate.next_turn()
        else:
            self._sent_bytes += size
        if not more:
            self._complete()
        elif self._out_bytes >= FLUSH_BYTES:
            self._flush()
            if self._gate.is_open:
                # An app that streams without a pause must not keep the loop from everybody else.
                return self._gate.next_turn()
        else:
            if not self._is_flush_due:
                self._flush_soon()
            if not size:
                # Nothing is held that would ever be full: an app that sends nothing without a pause must not either.
                return self._gate.next_turn()
        if self._gate.is_open:
            return DONE
        return self._gate.wait()

    def send_informational(self, status: int, headers: Iterable[Iterable[bytes]]) -> Awaitable[None]:
        self._raise_when_lost()
        if self._head is None or self._head.http_version == "1.0":  # RFC 9110, 15.2: never to HTTP/1.0
            return DONE
        head, _, _ = encode_response_head(status, headers, b"", b"")
        self._put(head + b"\r\n")
        self._flush()
        return self._gate.next_turn()

    def send_trailers(self, headers: Iterable[Iterable[bytes]], more: bool) -> Awaitable[None]:
        self._raise_when_lost()
        head = self._head
        if self._framing == CHUNKED and head is not None and head.accepts_trailers:
            self._trailer_lines += _encode_trailers(headers)
        if more:
            return DONE
        if self._framing == CHUNKED:
            self._put(b"0\r\n" + self._trailer_lines + b"\r\n")
            self._trailer_lines = b""
        elif self._framing == LENGTH:
            self._take_length(0, False)
        self._complete()
        return DONE if self._gate.is_open else self._gate.wait()

    def want_body(self) -> None:
        if self._wants_continue:
            self._wants_continue = False
            if self._framing == UNDECIDED:
                self._put(b"HTTP/1.1 100 Continue\r\n\r\n")
                self._flush()
        self._resume_body()

    def fail(self) -> None:
        if self._gate.is_lost:
            return
        exchange = self._exchange
        if self._framing != UNDECIDED:
            self._cut_off()
        elif exchange is not None and exchange.is_client_gone and not exchange.has_failed:
            self._give_up()
        else:
            self._answer(500, ())

    # What HttpConnection does with it

    def _complete(self) -> None:
        """The response is whole: decide what the connection does next."""
        raise NotImplementedError

    def pause_writing(self) -> None:
        """The client takes no more: ``send`` waits."""
        raise NotImplementedError

    def resume_writing(self) -> None:
        """The client takes more."""
        raise NotImplementedError

    def _resume_body(self) -> None:
        """The app took what had arrived of the body: read on."""
        raise NotImplementedError

    def _give_up(self) -> None:
        """End the connection of a client that left before there was an answer."""
        raise NotImplementedError

    def _cut_off(self) -> None:
        """End the connection so that the client can tell that the response is not whole."""
        raise NotImplementedError

    # Framing

    def _answer(self, status: int, fields: tuple[tuple[bytes, bytes], ...]) -> None:
        """Send a small answer of the server's own; the connection closes behind it."""
        runtime = self._runtime
        body = STATUS_PHRASES.get(status, b"") + b"\n"
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body)), *fields]
        self._held_head, self._length_left, _ = encode_response_head(
            status, headers, runtime.server_field, runtime.date_field
        )
        self._status = status
        self._keep_alive = False
        if runtime.observer is not None:
            self._response_headers = headers
        self._send_head(body, len(body), False)
        if self._framing != NO_BODY:
            self._sent_bytes = len(body)
        self._complete()

    def _send_head(self, body: bytes, size: int, more: bool) -> None:
        """Choose the framing, then put head and first piece together (RFC 9112, 6.3)."""
        request = self._head
        status = self._status
        is_old = request is not None and request.http_version == "1.0"
        if self._wants_continue:
            # The client may or may not send its body after a final answer: only a new connection is in step.
            self._keep_alive = False
        lines = b""
        if status == 204 or status == 304 or status == 205 or (request is not None and request.method == "HEAD"):
            self._framing = NO_BODY
            if status == 205:
                # Unlike 204 it is read by its framing, so that has to say that there is nothing (RFC 9110, 15.3.6).
                lines = b"content-length: 0\r\n"
            elif self._length_left < 0 and not more and status == 200 and size:
                lines = b"content-length: %d\r\n" % size
        elif self._length_left >= 0:
            self._take_length(size, more)
            self._framing = LENGTH
        elif not more:
            self._framing = LENGTH
            self._length_left = 0
            lines = b"content-length: %d\r\n" % size
        elif is_old:
            self._framing = UNTIL_CLOSE
            self._keep_alive = False
        else:
            self._framing = CHUNKED
            lines = b"transfer-encoding: chunked\r\n"
        if not self._keep_alive or self._runtime.is_draining or self._must_close_after(more):
            self._keep_alive = False
            lines += b"connection: close\r\n"
        elif is_old:
            lines += b"connection: keep-alive\r\n"
        head: bytes = self._held_head  # type: ignore[assignment]  # prepared before any piece of the body
        self._held_head = None
        if self._framing == NO_BODY:
            self._put(join_message(head, lines, b""))
        elif self._framing == CHUNKED:
            self._put(join_message(head, lines, b""))
            if body:
                self._put_chunk(body, size)
        elif size <= JOIN_BYTES or not body:
            self._put(join_message(head, lines, body))
        else:
            self._put(join_message(head, lines, b""))
            self._put(body)

    def _must_close_after(self, more: bool) -> bool:
        """Whether the connection cannot be kept once the response is sent; asked when the head leaves."""
        raise NotImplementedError

    def _ends_with_connection(self) -> bool:
        """Whether closing the connection is what tells the client that the body is whole."""
        return self._framing == UNTIL_CLOSE

    def _take_length(self, size: int, more: bool) -> None:
        """Hold the app to its content-length (RFC 9110, 8.6); raise ASGIMisuse before a wrong byte leaves."""
        left = self._length_left - size
        if left < 0:
            raise ASGIMisuse(f"the response body is {-left} bytes longer than its content-length")
        if left and not more:
            raise ASGIMisuse(f"the response body is {left} bytes shorter than its content-length")
        self._length_left = left

    def _put_chunk(self, body: bytes, size: int) -> None:
        if size <= COPY_CHUNK_BYTES:
            self._put(encode_chunk(body))
        else:
            self._put(b"%x\r\n" % size)
            self._put(body)
            self._put(b"\r\n")

    # Output

    def _raise_when_lost(self) -> None:
        if self._gate.is_lost:
            raise ClientDisconnected("the client left before the answer was sent")

    def _put(self, data: bytes) -> None:
        if data:
            self._out.append(data)
            self._out_bytes += len(data)

    def _flush_soon(self) -> None:
        """Write at the end of this turn of the loop."""
        if not self._is_flush_due:
            self._is_flush_due = True
            self._runtime.loop.call_soon(self._flush_turn)

    def _hold_answer(self) -> None:
        """Let a complete answer wait for those to the requests pipelined behind it."""
        if not self._answers_held and not self._flush_by:
            self._flush_by = self._runtime.loop.time() + HOLD_S
        self._answers_held += 1
        self._flush_soon()

    def _flush_turn(self) -> None:
        self._is_flush_due = False
        if (
            self._answers_held
            and self._exchange is not None
            and self._out_bytes < FLUSH_BYTES
            and self._runtime.loop.time() < self._flush_by
        ):
            # Another answer joined those held, and the app is at the next request: it is likely to join in a turn.
            self._answers_held = 0
            self._flush_soon()
            return
        self._flush()

    def _flush(self) -> None:
        """Hand everything to the transport in one write."""
        self._answers_held = 0
        self._flush_by = 0.0
        size = self._out_bytes
        if not size:
            return
        out = self._out
        self._out = []
        self._out_bytes = 0
        if self._gate.is_lost:
            return
        if len(out) == 1:
            self._transport.write(out[0])
        elif size <= JOIN_BYTES:
            self._transport.write(b"".join(out))
        else:
            self._transport.writelines(out)


def _encode_trailers(headers: Iterable[Iterable[bytes]]) -> bytes:
    """Encode trailer fields; raise ASGIMisuse for one that RFC 9110, 6.5.1 does not allow behind the body."""
    fields = [(bytes(name), value) for name, value in headers]
    for name, _ in fields:
        if name.lower() in FORBIDDEN_TRAILERS:
            raise ASGIMisuse(f"{name!r} must not be a trailer")
    block, _, _ = encode_response_head(200, fields, b"", b"")
    return block[block.index(b"\r\n") + 2 :]
