"""An HTTP/1.1 connection: reads requests, runs one exchange at a time and decides what comes after each response.

The asyncio protocol of every accepted connection until a WebSocket takes the transport over. Its parts: the inbox holds
bytes that are not parsed yet, the current request is with the application, the response frames what that sends, the
outbox writes it, the deadlines say what has taken too long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gasgi._accel import RequestHead
from gasgi.errors import RequestError
from gasgi.http1.closing import close, linger, reset
from gasgi.http1.current import CurrentRequest
from gasgi.http1.inbox import Inbox
from gasgi.http1.phases import CLOSED, DISCARDING, HEAD, IDLE, LINGERING, REQUEST, WAITING
from gasgi.http1.request_body import RequestBody
from gasgi.http1.response import Response, ResponseOwner
from gasgi.proxy.protocol import ProxyInfo
from gasgi.serving.deadlines import Deadlines
from gasgi.serving.flow import WriteGate
from gasgi.serving.outbox import Outbox
from gasgi.serving.peer import Peer
from gasgi.serving.runtime import Runtime
from gasgi.serving.sizes import LINGER_S
from gasgi.tables import CLIENT_LEFT

__all__ = ["HttpConnection"]

MAX_UNFINISHED = 16  # tasks that go on after their response; with more, the next request of the connection waits
# A client idle for less may have its next request on the way when the worker stops. Twice the worker's tick, since the
# time it was taken from may have been a tick old.
IDLE_S = 2.0


class HttpConnection(ResponseOwner):
    """``proxied`` is what a PROXY protocol header said, which the server reads before this is made."""

    def __init__(self, runtime: Runtime, proxied: ProxyInfo | None = None) -> None:
        # Fixed for the connection
        self._runtime = runtime
        self._proxied = proxied
        self._transport: asyncio.Transport = None  # type: ignore[assignment]  # from connection_made on
        self._peer: Peer = None  # type: ignore[assignment]  # from connection_made on
        self._current: CurrentRequest = None  # type: ignore[assignment]  # from connection_made on
        self._gate = WriteGate(runtime.loop)
        self._outbox = Outbox(runtime.loop, self._gate)
        self._inbox = Inbox(runtime)
        self._deadlines = Deadlines(runtime)
        self._body = RequestBody(runtime, self._inbox, self._deadlines)
        self._response = Response(runtime, self, self._body, self._outbox, self._gate)
        if runtime.slow is not None:
            self._gate.timing = self._response.timing

        # What it does
        self._phase = IDLE
        self._last_active = 0.0
        self._must_linger = False
        # Takes the request of a client that may go on with another protocol, and is given what lets the transport go.
        self.switch: Callable[[RequestHead, Callable[[], bytes]], bool] | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:
        runtime = self._runtime
        self._transport = transport
        self._outbox.transport = self._inbox.transport = self._deadlines.transport = transport
        peer = self._peer = Peer(runtime, transport, self._proxied)
        self._current = CurrentRequest(
            runtime, transport, peer, self._deadlines, self._inbox, self._body, self._response, self._gate
        )
        transport.set_write_buffer_limits(high=runtime.settings.write_buffer_bytes)
        runtime.connections.add(self)
        self._last_active = runtime.now
        self._deadlines.set_read(runtime.settings.first_byte_timeout_s)

    def data_received(self, data: bytes) -> None:
        if self._runtime.meter is not None:
            self._runtime.meter.count_received(len(data))
        if self._inbox.body is not None:
            if self._inbox.is_behind:
                self._inbox.hold(data)
            else:
                self._read_body(data)
        elif self._phase == IDLE and self._runtime.turns.is_over():
            self._wait_for_turn(data)
        elif self._phase <= HEAD:
            self._read_head(data)
        elif self._phase <= REQUEST:
            self._inbox.hold(data)
        # LINGERING and CLOSED: read away

    def eof_received(self) -> bool:
        self._inbox.is_eof = True
        if self._phase != REQUEST and self._phase != WAITING:
            if self._phase != CLOSED:
                self._close()
            return False
        exchange = self._current.exchange
        if exchange is not None and exchange.is_websocket:
            # It could not speak.
            exchange.disconnect()
            self._current.let_go(CLIENT_LEFT)
            self._close()
            return False
        if self._inbox.is_behind:
            pass  # it is after what is held that the client has left
        elif self._inbox.body is not None:
            self._leave_body()
            return False
        else:
            self._current.client_shut()
        return not self._peer.is_tls

    def connection_lost(self, exc: Exception | None) -> None:
        self._phase = CLOSED
        self._deadlines.clear()
        self._gate.lost()
        self._outbox.clear()
        self._inbox.clear()
        if not self._current.lost():
            self._forget()

    def pause_writing(self) -> None:
        self._gate.pause()
        self._deadlines.set_write()

    def resume_writing(self) -> None:
        if self._phase < LINGERING:
            self._deadlines.write_at = 0.0
        self._gate.resume()
        if self._phase == WAITING:
            self._next_request()

    # Connection, for the server and the turns

    def sweep(self, now: float) -> None:
        deadlines = self._deadlines
        if deadlines.is_read_over(now):
            self._on_read_deadline()
        if deadlines.is_write_over(now):
            is_taken = not self._transport.get_write_buffer_size() and self._gate.is_open
            if not is_taken or self._phase >= LINGERING:
                self._transport.abort()
        if self._inbox.is_paused and self._phase < LINGERING:
            self._current.look_at_client()
        self._current.sweep(now)

    def drain(self) -> None:
        if self._phase == IDLE:
            if self._runtime.now - self._last_active >= IDLE_S:
                self._close()
            else:
                self._deadlines.set_read(self._runtime.quiet_s)

    def abort(self) -> None:
        self._current.abort()
        self._gate.lost()
        self._transport.abort()

    def take_turn(self) -> None:
        if self._phase == WAITING:
            self._next_request()
        elif self._inbox.is_behind:
            self._read_body(None)

    # ResponseOwner

    def response_ended(self, status: int, is_reset: bool) -> None:
        if self._gate.is_lost:
            return
        self._current.let_go(status)
        self._outbox.flush()
        if is_reset:
            reset(self._transport)
        else:
            self._close()

    def exchange_ended(self) -> None:
        self._current.unfinished -= 1
        if self._phase == CLOSED:
            if self._current.has_ended():
                self._forget()
        elif self._phase == WAITING:
            self._go_on()

    def hand_over(self) -> bytes:
        self._outbox.flush()
        self._phase = CLOSED
        self._current.exchange = None
        self._response.release()
        self._runtime.connections.discard(self)
        self._inbox.resume()
        return self._inbox.take()

    # Reading

    def _read_head(self, data: bytes) -> None:
        inbox = self._inbox
        try:
            head = inbox.read_head(data)
        except RequestError as exc:
            self.refuse(exc)
            return
        if head is not None:
            self._begin(head)
        elif self._phase == IDLE and inbox.is_in_head():
            self._phase = HEAD
            self._deadlines.set_read(self._runtime.settings.header_timeout_s)

    def _wait_for_turn(self, data: bytes) -> None:
        """Hold the bytes as if after a request in progress until others have had their turn."""
        self._phase = WAITING
        self._deadlines.read_at = 0.0
        self._inbox.hold(data)
        self._runtime.turns.wait(self)
        if self._response.timing is not None:
            self._response.timing.hold()

    def _begin(self, head: RequestHead) -> None:
        """Hand a request to the app; the bytes after its head are in the inbox."""
        if (
            self.switch is not None
            and head.upgrade == b"h2c"
            and not self._inbox.is_eof
            and self.switch(head, self.hand_over)
        ):
            return
        self._phase = REQUEST
        try:
            exchange = self._current.begin(head)
        except RequestError as exc:
            self.refuse(exc)
            return
        if exchange is None:
            self._current.let_go(CLIENT_LEFT)
            self._close()
            return
        if self._inbox.is_behind:
            self._runtime.turns.wait(self)
        exchange.start()

    def _read_body(self, data: bytes | None) -> None:
        """Decode what has just come, or go on with what is held."""
        body = self._body
        try:
            if data is None:
                body.read_held()
            else:
                body.read(data)
        except RequestError as exc:
            if self._current.exchange is None:
                # Its request has been answered: another answer would be taken for that to the next request.
                self._runtime.log.info("Closing the connection from %s: %s", self._peer, exc)
                self._linger()
            else:
                self.refuse(exc)
            return
        if self._current.exchange is None:
            if self._inbox.body is None:
                self._next_request()
                return
            if body.leaves_much():
                self._linger()
                return
        if self._inbox.is_behind:
            self._runtime.turns.wait(self)
        elif self._inbox.is_eof:
            # What was held is at its end, and that is where the client left.
            if self._inbox.body is not None:
                self._leave_body()
            else:
                self._current.client_shut()

    def _leave_body(self) -> None:
        """RFC 9112, 8: the request can never be whole; the app learns of it from the end of the connection."""
        self._deadlines.read_at = 0.0
        self._deadlines.set_write()
        self._transport.close()

    # From one request to the next

    def response_complete(self) -> None:
        response = self._response
        inbox = self._inbox
        self._current.let_go(response.status)
        self._runtime.count_request()
        if not response.keep_alive:
            self._outbox.flush()
            if self._must_linger or self._inbox.body is not None or inbox.has_bytes():
                self._linger()
            else:
                self._close()
        elif self._inbox.body is not None:
            if inbox.is_eof and not inbox.is_behind:
                self._close()
                return
            self._outbox.flush()
            self._phase = DISCARDING
            self._deadlines.set_read(self._runtime.settings.body_timeout_s)
            if not inbox.is_behind:
                inbox.resume()
        elif inbox.has_bytes():
            self._outbox.hold_answer()
            self._go_on()
        elif inbox.is_paused or inbox.is_eof or self._current.unfinished > MAX_UNFINISHED or not self._gate.is_open:
            self._go_on()
        else:
            self._outbox.flush()
            self._become_idle()

    def _go_on(self) -> None:
        """Begin the next request; where a task may run at once, one within the other, not before the next turn."""
        if self._runtime.has_task_factory:
            self._phase = WAITING
            self._runtime.turns.wait(self)
        else:
            self._next_request()

    def _next_request(self) -> None:
        """Go on with the bytes held, or wait for more."""
        if self._current.unfinished > MAX_UNFINISHED or not self._gate.is_open:
            self._outbox.flush()
            self._phase = WAITING
            return
        self._phase = IDLE
        inbox = self._inbox
        try:
            head = inbox.next_head()
        except RequestError as exc:
            self.refuse(exc)
            return
        if head is not None:
            self._begin(head)
            return
        inbox.resume()
        self._outbox.flush()
        if inbox.is_eof:
            self._close()
        elif inbox.is_in_head():
            self._phase = HEAD
            self._deadlines.set_read(self._runtime.settings.header_timeout_s)
        else:
            self._become_idle()

    def _become_idle(self) -> None:
        runtime = self._runtime
        self._phase = IDLE
        self._last_active = runtime.now
        self._deadlines.read_at = runtime.now + (runtime.quiet_s if runtime.is_draining else runtime.keep_alive_s)

    # Ends

    def refuse(self, exc: RequestError) -> None:
        """Answer a request that is not served and end the connection; the app sees the end of its body, if it runs."""
        self._must_linger = True
        exchange = self._current.exchange
        if exchange is not None:
            exchange.disconnect()
        self._response.refuse(exc, self._peer)

    def _on_read_deadline(self) -> None:
        if self._phase == HEAD:
            self.refuse(RequestError(408, "the head took longer than gasgi_header_timeout_s"))
        elif self._phase == REQUEST:
            self.refuse(RequestError(408, "the body stalled for longer than gasgi_body_timeout_s"))
        elif self._transport.get_write_buffer_size() and self._phase != DISCARDING:
            # The client is still taking the answer: its time to say more has not begun.
            if not self._deadlines.write_at:
                self._deadlines.set_write()
            if self._phase == LINGERING:
                self._deadlines.set_read(LINGER_S)
            else:
                self._become_idle()
        else:
            # After a refusal too: over TLS a connection that is aborted ends without close_notify (RFC 8446, 6.1).
            self._close()

    def _linger(self) -> None:
        if self._inbox.is_eof:
            self._close()
        else:
            self._phase = LINGERING
            linger(self._transport, self._inbox, self._deadlines, self._peer.is_tls)

    def _forget(self) -> None:
        """The connection is lost, and the app has ended."""
        self._current.release()
        self._runtime.forget(self)

    def _close(self) -> None:
        self._phase = CLOSED
        close(self._transport, self._inbox, self._outbox, self._deadlines)
