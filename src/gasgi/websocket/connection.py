"""One accepted WebSocket: bytes in, bytes out, closing handshake and deadlines of a WebSocket (RFC 6455, 5.5 and 7).

With ws_writer, its writing half, the only WebSocket code that touches the transport. The app is the session's business.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from gasgi._accel import encode_frame
from gasgi.asgi.websocket import WebSocketSession
from gasgi.close_codes import ABNORMAL, INTERNAL_ERROR, SERVICE_RESTART, TOO_BIG
from gasgi.errors import FrameError
from gasgi.reporting.record import Record
from gasgi.serving.flow import resume_reading
from gasgi.serving.half_close import GONE, SHUT, look_at_peer, shut_on_purpose
from gasgi.websocket.deflate import DeflateAgreement, Inflater
from gasgi.websocket.frames import FrameDecoder, encode_close
from gasgi.websocket.writer import WebSocketWriter

if TYPE_CHECKING:
    from gasgi.serving.runtime import Runtime
    from gasgi.types import Headers

__all__ = ["WebSocketConnection"]

# Who moves it:
#   OPEN --close()--> CLOSE_SENT --close frame of the peer's--> ENDING
#   OPEN --close frame, FrameError--> ENDING
#   any --connection_lost--> LOST
OPEN = 0
CLOSE_SENT = 1
ENDING = 2
LOST = 3

_CLOSE = 8
_PING = 9
_FIN_PING = 0x89
_FIN_PONG = 0x8A

# How long what a failed peer still sends is read and dropped, so that it gets to see why (seconds).
_LINGER_S = 2.0


class WebSocketConnection(WebSocketWriter):
    """The asyncio protocol of a byte channel, such as the transport of a connection, from the answer on."""

    def __init__(
        self,
        runtime: Runtime,
        transport: asyncio.Transport,
        session: WebSocketSession,
        deflate: DeflateAgreement | None,
        record: Record | None = None,
    ) -> None:
        WebSocketWriter.__init__(self, runtime, transport, deflate)

        # Fixed for the connection
        self._record = record  # of the request, for the observer
        self._session = session
        self._decoder = FrameDecoder(
            runtime.settings.websocket_max_message_bytes, None if deflate is None else Inflater(deflate)
        )

        self._state = OPEN

        # Reading
        self._is_reading_paused = False
        self._is_probed = False  # the client shut its side while reading was paused
        self._is_step_due = False  # the decoder goes on in the next turn of the loop
        self._failure: FrameError | None = None  # the peer's; waits for the app to take what came before it

        # Writing
        self._late_pong: bytes | None = None  # the answer to the latest ping while the peer does not read

        # Deadlines (loop time, seconds)
        self._heard_at = runtime.now
        self._pinged_at = 0.0  # 0: no ping is unanswered
        self._blocked_at = 0.0  # since when the peer does not read; 0: it does
        self._end_by = 0.0
        self._unsent = 0  # bytes the transport held when the deadline was set

        # For the observer
        self._status = 0
        self._answer_fields: Headers = []

    def open(self, answer: bytes, status: int, fields: Headers, leftover: bytes) -> None:
        """Send the answer to the handshake, where it is not on its way; ``leftover`` is what came after the request.

        Call once, with the protocol set. The session asks for what has come with ``resume_messages``.
        """
        runtime = self._runtime
        self._status = status
        self._answer_fields = [(name.lower(), value) for name, value in fields]
        if answer:
            self._write(answer)
        self._sent_bytes = 0
        if leftover:
            self._decoder.feed(leftover)
        if runtime.is_draining:
            runtime.loop.call_soon(self.drain)
        runtime.count_request()

    # --- asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Never called: the channel was made for HTTP."""

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._runtime.now
        self._pinged_at = 0.0  # whatever comes, the peer lives
        if not self._out:
            self._may_write_now = True
        if self._state == OPEN or self._state == CLOSE_SENT:
            self._decoder.feed(data)
            if self._session.is_full:
                self._pause_reading()
            else:
                self._decode()

    def eof_received(self) -> bool:
        if self._state == OPEN:
            self._tell_end(ABNORMAL, "")
            self._end()  # within its time, also when the client does not take what is unsent
        return False

    def pause_writing(self) -> None:
        self._gate.pause()
        self._blocked_at = self._runtime.now
        self._unsent = self._transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        self._gate.resume()
        self._blocked_at = 0.0
        # A ping would have waited behind what the client has only now taken.
        self._heard_at = self._runtime.now
        self._pinged_at = 0.0
        if self._late_pong is not None:
            pong, self._late_pong = self._late_pong, None
            if self._state == OPEN:
                self._write(pong)

    def connection_lost(self, exc: Exception | None) -> None:
        self._state = LOST
        self._out.clear()
        self._out_bytes = 0
        self._gate.lost()
        if self in self._runtime.connections:  # on a stream of HTTP/2 it is the connection below that counts
            self._runtime.forget(self)
        self._tell_end(ABNORMAL, "")
        self._report()
        # The app may hold on to this for long; the buffers need not wait for it.
        self._decoder.stop()
        self._deflater = None

    # --- the server ---

    def sweep(self, now: float) -> None:
        """Ping, find dead peers and end what has taken too long."""
        if self._is_reading_paused and self._look_at_peer() == GONE:
            return
        settings = self._runtime.settings
        state = self._state
        if self._blocked_at and settings.write_timeout_s and now - self._blocked_at >= settings.write_timeout_s:
            if self._has_taken_some():
                self._blocked_at = now
            else:
                self._drop("the client did not read for too long")
        elif self._failure is not None:
            self._fail(self._failure)
        elif state in (CLOSE_SENT, ENDING):
            if now >= self._end_by:
                if self._has_taken_some():
                    self._end_within(settings.websocket_close_timeout_s)
                else:
                    self._transport.abort()
        elif (
            state == OPEN and settings.websocket_ping_interval_s and not self._is_reading_paused and self._gate.is_open
        ):
            # While the app does not receive, pongs stay unread, and while the client does not read, pings stay unsent:
            # that says nothing about the peer.
            if self._pinged_at:
                if settings.websocket_ping_timeout_s and now - self._pinged_at >= settings.websocket_ping_timeout_s:
                    self._write(encode_close(INTERNAL_ERROR, "ping timeout"))
                    self._flush()
                    self._drop("ping timeout")
            elif now - self._heard_at >= settings.websocket_ping_interval_s:
                self._pinged_at = now
                self._write(encode_frame(_FIN_PING, b""))

    def _look_at_peer(self) -> int:
        """While reading is paused the loop watches the socket no more: ask the kernel whether the client has left."""
        sock = self._transport.get_extra_info("socket")
        seen = look_at_peer(sock)
        if seen == GONE:
            self._drop("")
        elif seen == SHUT and not self._is_probed:
            # Its close frame may be among what is not read yet. Have the kernel ask whether anybody is left.
            self._is_probed = True
            shut_on_purpose(sock)
        return seen

    def drain(self) -> None:
        """Say goodbye with 1012 (service restart)."""
        if self._state == OPEN:
            self._session.disconnected(SERVICE_RESTART, "")
            self.close(SERVICE_RESTART, "")

    def abort(self) -> None:
        """Cancel the app's task and drop the connection."""
        self._session.cancel()
        if self._state != LOST:
            self._drop("")

    # --- the session's stream ---

    def close(self, code: int, reason: str) -> None:
        if self._state != OPEN:
            return
        self._write(encode_close(code, reason))
        self._flush()
        self._state = CLOSE_SENT
        self._end_within(self._runtime.settings.websocket_close_timeout_s)
        # The peer's close frame may stand after messages that nobody wants now.
        self._decoder.discard()
        self._decode()
        self._resume_reading()

    def resume_messages(self) -> None:
        if self._state != OPEN:
            return
        self._decode()
        if not self._session.is_full:
            self._resume_reading()

    def messages_taken(self) -> None:
        if self._failure is not None:
            self._fail(self._failure)

    # --- reading ---

    def _decode(self) -> None:
        """Deliver what has arrived until the session is full or the rest is for another turn of the loop."""
        if self._is_step_due:
            return
        decoder = self._decoder
        session = self._session
        try:
            while not session.is_full and decoder.advance():
                if decoder.is_message:
                    session.deliver(decoder.payload)
                else:
                    self._answer_control(decoder.opcode, decoder.payload)
        except FrameError as exc:
            if session.has_messages():
                # What came before the error is the app's to answer; it is given until the next sweep.
                self._failure = exc
                session.wants_to_know = True
            else:
                self._fail(exc)
        if decoder.needs_turn:
            # Not read meanwhile: what came is bounded, and after the last of it the end of the connection is seen.
            self._is_step_due = True
            self._pause_reading()
            self._runtime.loop.call_soon(self._decode_on)
        elif session.is_full and decoder.holds_bytes():
            # An end of the connection that is read now would overtake what the decoder holds.
            self._pause_reading()

    def _decode_on(self) -> None:
        self._is_step_due = False
        if self._state == OPEN or self._state == CLOSE_SENT:
            self._decode()
            if not self._session.is_full:
                self._resume_reading()

    def _answer_control(self, opcode: int, payload: Any) -> None:
        if self._state != OPEN:
            if opcode == _CLOSE and self._state == CLOSE_SENT:
                self._end()
        elif opcode == _PING:
            pong = encode_frame(_FIN_PONG, payload)
            if self._gate.is_open:
                self._write(pong)
            else:
                # RFC 6455, 5.5.3: only the latest ping needs an answer, so a flood of them costs one frame.
                self._late_pong = pong
        elif opcode == _CLOSE:
            # RFC 6455, 5.5.1: the answer echoes the code; with the reason, browsers show it in their close event.
            code, reason = self._tell_end(self._decoder.close_code, payload)
            self._write(encode_close(code, reason))
            self._end()

    def _fail(self, error: FrameError) -> None:
        """The peer broke the protocol: say so and end (RFC 6455, 7.1.7)."""
        self._failure = None
        if self._state == CLOSE_SENT and error.close_code != TOO_BIG:
            self._end()  # the rest of a message that is too big is read on, up to the client's close frame
        if self._state != OPEN:
            return
        self._session.disconnected(error.close_code, error.reason)
        if error.close_code == TOO_BIG:
            # The frames are in order, so the client gets to send the rest; behind nginx it would not see why otherwise.
            self.close(TOO_BIG, error.reason)
            return
        self._write(encode_close(error.close_code, error.reason))
        self._flush()
        self._resume_reading()
        self._state = ENDING
        transport = self._transport
        if transport.can_write_eof():
            # Closing with unread bytes resets the connection, and the peer might never see the close frame.
            self._end_within(_LINGER_S)
            try:
                transport.write_eof()
            except OSError:
                transport.abort()  # the client has reset the connection, and the loop has yet to say so
        else:
            self._end()

    def _pause_reading(self) -> None:
        if not self._is_reading_paused and not self._transport.is_closing():
            self._is_reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._is_reading_paused and not self._is_step_due and not self._transport.is_closing():
            self._is_reading_paused = False
            self._heard_at = self._runtime.now
            resume_reading(self._runtime.loop, self._transport)

    # --- ending ---

    def _is_open(self) -> bool:
        return self._state == OPEN

    def _end(self) -> None:
        """Close the connection once everything is written."""
        self._flush()
        self._state = ENDING
        self._end_within(self._runtime.settings.websocket_close_timeout_s)
        self._transport.close()

    def _end_within(self, seconds: float) -> None:
        self._end_by = self._runtime.now + seconds
        self._unsent = self._transport.get_write_buffer_size()
        if self._blocked_at:
            self._blocked_at = self._runtime.now

    def _has_taken_some(self) -> bool:
        """Whether the client has taken some of what waits for it since the deadline was set: slow, but reading."""
        before, self._unsent = self._unsent, self._transport.get_write_buffer_size()
        return 0 < self._unsent < before

    def _tell_end(self, code: int, reason: str) -> tuple[int, str]:
        """Tell the session how it ended and return that; a message that was too big before it comes first."""
        failure = self._failure
        if failure is not None:
            code, reason = failure.close_code, failure.reason
        self._session.disconnected(code, reason)
        return code, reason

    def _drop(self, reason: str) -> None:
        """Give a dead peer up."""
        self._session.disconnected(ABNORMAL, reason)
        self._state = ENDING
        self._transport.abort()

    def _report(self) -> None:
        """Tell the observer, once, how the request ended."""
        if self._record is not None:
            self._record.end(self._status, self._answer_fields, self._sent_bytes)
