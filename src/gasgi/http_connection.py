"""An HTTP/1.1 connection: reads requests, runs one exchange at a time and decides what comes after each response.

The asyncio protocol of every accepted connection until a WebSocket takes the transport over. http_writer is its
writing half, http_ending knows how it ends.
"""

from __future__ import annotations

import asyncio
from typing import Any

from gasgi._accel import HeadParser, RequestHead
from gasgi.errors import RequestError
from gasgi.flow import resume_reading
from gasgi.half_close import shut_on_purpose
from gasgi.http_ending import CLIENT_LEFT, HttpEnding, describe_peer
from gasgi.http_exchange import HttpExchange
from gasgi.http_phases import CLOSED, DISCARDING, HEAD, IDLE, LINGERING, REQUEST
from gasgi.http_writer import FLUSH_BYTES
from gasgi.message_body import ChunkedBody, LengthBody
from gasgi.proxy import Forwarded
from gasgi.proxy_protocol import ProxyInfo
from gasgi.runtime import Runtime
from gasgi.scope import http_scope, scope_template, websocket_scope
from gasgi.ws_connection import WebSocketConnection
from gasgi.ws_handshake import read_handshake

__all__ = ["HttpConnection"]

HOLD_BYTES = 64 * 1024  # requests pipelined behind the one in progress: above this, reading pauses
WINDOW_BYTES = 4 * 1024  # held bytes are parsed in windows of this size: a long burst is not copied for each request
MAX_UNFINISHED = 16  # tasks that go on after their response; with more, the next request of the connection waits


class HttpConnection(HttpEnding):
    """``proxied`` is what a PROXY protocol header said, which the server reads before this is made."""

    def __init__(self, runtime: Runtime, proxied: ProxyInfo | None = None) -> None:
        HttpEnding.__init__(self, runtime, proxied)

        # Fixed for the connection
        self._parser = HeadParser(runtime.head_limits)
        self._server: tuple[str, int | None] | None = None
        self._scheme = "http"
        self._is_trusted = False
        self._tls: dict[str, Any] | None = None

        # Reading
        self._body_left = 0  # of the request's content-length, bytes; -1 for a chunked body
        self._held_at = 0  # how far the bytes held are parsed
        self._late_bytes = 0
        self._unfinished = 0  # tasks of this connection that have not ended
        self._drained_bytes = 0  # of a body read away
        self._is_held_back = False  # too many of them, or answers the client does not take: the next request waits

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:
        runtime = self._runtime
        self._transport = transport
        self._is_tls = transport.get_extra_info("sslcontext") is not None
        self._scheme = "https" if self._is_tls else "http"
        self._client = _address(transport.get_extra_info("peername"))
        sockname = transport.get_extra_info("sockname")
        self._server = _address(sockname)
        if self._server is None and sockname:
            path = sockname.decode("utf-8", "surrogateescape") if isinstance(sockname, bytes) else sockname
            self._server = (path, None)
        if runtime.proxy is not None:
            is_unix = self._server is not None and self._server[1] is None
            self._is_trusted = is_unix if self._client is None else runtime.proxy.is_trusted(self._client[0])
        if self._proxied is not None:
            self._client = self._proxied.client or self._client
            self._server = self._proxied.server or self._server
        if runtime.tls_info is not None and self._is_tls:
            self._tls = runtime.tls_info(transport.get_extra_info("ssl_object"))
        self._template = scope_template(
            self._client, self._server, self._scheme, runtime.settings.root_path, runtime.announced
        )
        transport.set_write_buffer_limits(high=runtime.settings.write_buffer_bytes)
        runtime.connections.add(self)
        self._last_active = runtime.now
        self._set_read_deadline(runtime.settings.first_byte_timeout_s)

    def data_received(self, data: bytes) -> None:
        if self._body is not None:
            data = self._feed_body(data)
            if not data:
                return
        if self._phase == IDLE and self._runtime.turns.is_over():
            self._wait_for_turn(data)
        elif self._phase <= HEAD:
            self._read_head(data)
        elif self._phase == REQUEST:
            self._hold(data)
        # LINGERING and CLOSED: read away

    def eof_received(self) -> bool:
        self._is_eof = True
        if self._phase != REQUEST:
            if self._phase != CLOSED:
                self._close()
            return False
        if self._body is not None:
            # RFC 9112, 8: the request can never be whole; the app learns of it from the end of the connection.
            self._read_deadline = 0.0
            self._set_write_deadline()
            return False
        # The client may only have shut its side (RFC 9112, 9.6). When it seems to have left, it still gets an answer
        # that is ready in the grace period, or on its way by then.
        self._is_half_closed = not self._is_tls and shut_on_purpose(self._transport.get_extra_info("socket"))
        if self._exchange is not None:
            self._begin_grace()
        return not self._is_tls

    def connection_lost(self, exc: Exception | None) -> None:
        self._phase = CLOSED
        self._read_deadline = self._write_deadline = 0.0
        self._gate.lost()
        self._out.clear()
        self._out_bytes = 0
        self._body = None
        self._held = b""
        self._late = None
        exchange = self._exchange
        if exchange is None or not exchange.is_running:
            self._exchange = None
            self._runtime.forget(self)
            return
        # Stays among the connections until the app has ended: that is who sweeps its grace period.
        self._observe_end(self._status if self._framing else CLIENT_LEFT)
        exchange.disconnect()
        grace_s = self._runtime.settings.disconnect_grace_s
        if grace_s > 0:
            self._cancel_at = self._runtime.now + grace_s
        else:
            exchange.cancel()

    def pause_writing(self) -> None:
        self._gate.pause()
        self._set_write_deadline()

    def resume_writing(self) -> None:
        if self._phase < LINGERING:
            self._write_deadline = 0.0
        self._gate.resume()
        if self._is_held_back:
            self._is_held_back = False
            self._next_request()

    # Waiting, for the turns

    def take_turn(self) -> None:
        if self._phase == REQUEST:
            self._next_request()

    # HttpStream: the rest of it is in http_writer

    def exchange_ended(self) -> None:
        self._unfinished -= 1
        if self._phase == CLOSED:
            if self._exchange is not None and not self._exchange.is_running:
                self._exchange = None
                self._cancel_at = 0.0
                self._runtime.forget(self)
        elif self._is_held_back:
            self._is_held_back = False
            self._go_on()

    # Reading

    def _read_head(self, data: bytes) -> None:
        try:
            head = self._parser.feed(data)
        except RequestError as exc:
            self._refuse(exc)
            return
        if head is not None:
            self._held = self._parser.take_leftover()
            self._held_at = 0
            self._begin(head)
        elif self._phase == IDLE and self._parser.is_partial:
            self._phase = HEAD
            self._set_read_deadline(self._runtime.settings.header_timeout_s)

    def _wait_for_turn(self, data: bytes) -> None:
        """Hold the bytes as if behind a request in progress until others have had their turn."""
        self._phase = REQUEST
        self._read_deadline = 0.0
        self._hold(data)
        self._runtime.turns.wait(self)

    def _begin(self, head: RequestHead) -> None:
        """Hand a request to the app. The bytes behind its head are in ``_held`` from ``_held_at`` on."""
        runtime = self._runtime
        self._head = head
        self._phase = REQUEST
        self._read_deadline = 0.0
        if self._write_deadline and self._gate.is_open:
            self._write_deadline = 0.0  # of the answer before: the client took it
        self._keep_alive = head.keep_alive and runtime.keep_alive_s > 0
        template = self._template
        forwarded: Forwarded | None = None
        if self._is_trusted or head.has_underscore_name:
            try:
                forwarded = self._apply_policy(head)
            except RequestError as exc:
                self._refuse(exc)
                return
            if forwarded is not None:
                template = scope_template(
                    forwarded.client,
                    forwarded.server,
                    forwarded.scheme,
                    forwarded.root_path or template["root_path"],
                    runtime.announced,
                )
        if 0 < runtime.limit_concurrency <= len(runtime.exchanges):
            self._observe_begin(template)
            self._must_linger = True
            self._answer(503, ((b"retry-after", b"1"),))
            return
        if head.upgrade == b"websocket":
            self._begin_websocket(head, template, forwarded)
            return
        if runtime.observer is not None:
            self._observe_begin(template)
        has_body = head.is_chunked or head.content_length > 0
        scope = http_scope(head, template, runtime.state, self._tls)
        if forwarded is not None:
            scope["path"] = forwarded.full_path(head.path)
        exchange = HttpExchange(runtime, self, scope, has_body)
        self._exchange = exchange
        self._unfinished += 1
        if has_body:
            self._wants_continue = head.expects_continue
            if head.is_chunked:
                self._body = ChunkedBody(runtime.settings.limit_request_field_bytes)
                self._body_left = -1
            else:
                self._body = LengthBody(head.content_length)
                self._body_left = head.content_length
            if not self._wants_continue:
                self._set_read_deadline(runtime.settings.body_timeout_s)
            while self._body is not None:
                data = self._take_window(self._body_left if self._body_left > 0 else HOLD_BYTES)
                if not data:
                    break
                self._held_at -= len(self._feed_body(data))
                if self._phase != REQUEST:
                    self._unfinished -= 1  # refused: the app does not get to see it
                    return
            if (
                self._is_reading_paused
                and self._body is not None
                and exchange.buffered <= runtime.settings.body_buffer_bytes
            ):
                self._resume_reading()
        if self._is_eof:
            if self._body is not None:
                # RFC 9112, 8: it was pipelined, and can never be whole.
                self._is_half_closed = False
                self._read_deadline = 0.0
            self._begin_grace()
        exchange.start()

    def _apply_policy(self, head: RequestHead) -> Forwarded | None:
        """Take what a trusted proxy says of the client, and drop or refuse ambiguous field names."""
        proxy = self._runtime.proxy
        if proxy is None:
            return None
        if head.has_underscore_name:
            head.headers = proxy.apply_field_policy(head.headers, self._is_trusted)
        return proxy.rewrite(head, self._client, self._scheme, self._server, self._is_trusted)

    def _begin_websocket(self, head: RequestHead, template: dict[str, Any], forwarded: Forwarded | None) -> None:
        runtime = self._runtime
        if self._is_eof:
            # It was pipelined, and its client has shut its side: nothing would ever tell the app of its end.
            self._close()
            return
        try:
            handshake = read_handshake(head, runtime.settings)
        except RequestError as exc:
            self._observe_begin(template)  # with the client that a trusted proxy named
            self._refuse(exc)
            return
        self._flush()
        scope = websocket_scope(head, template, runtime.state, self._tls, handshake.subprotocols)
        if forwarded is not None:
            scope["path"] = forwarded.full_path(head.path)
        connection = WebSocketConnection(runtime, self._transport, head, handshake, scope, self._proxied)
        leftover = self._take_held()
        self._phase = CLOSED
        self._head = None
        runtime.connections.discard(self)
        runtime.connections.add(connection)
        self._transport.set_protocol(connection)  # type: ignore[arg-type]  # a protocol by its methods alone
        if self._is_reading_paused:
            resume_reading(self._runtime.loop, self._transport)
        if not self._gate.is_open:
            connection.pause_writing()
        connection.start(leftover)

    def _feed_body(self, data: bytes) -> bytes:
        """Give the body its part of ``data``; return what lies behind the body."""
        body: LengthBody | ChunkedBody = self._body  # type: ignore[assignment]  # called while there is one
        try:
            piece = body.feed(data)
        except RequestError as exc:
            if self._exchange is None:
                # Its request has been answered: another answer would be taken for that to the next request.
                self._runtime.log.info("Closing the connection of %s: %s", describe_peer(self._client), exc)
                self._linger()
            else:
                self._refuse(exc)
            return b""
        if self._body_left > 0:
            self._body_left -= len(piece)
        exchange = self._exchange
        if exchange is not None and piece:
            self._wants_continue = False
            exchange.feed_body(piece)
        if body.is_complete:
            self._body = None
            self._read_deadline = 0.0
            if exchange is not None:
                exchange.end_body()
                return body.take_leftover()
            leftover = body.take_leftover()
            if leftover:
                self._hold(leftover)
            self._next_request()
            return b""
        if exchange is None:
            # After the response: the rest of the body is read away, within a bound.
            self._drained_bytes += len(data)
            if self._drained_bytes > self._runtime.settings.max_body_drain_bytes:
                self._linger()
        elif exchange.buffered > self._runtime.settings.body_buffer_bytes:
            self._pause_reading()
            self._read_deadline = 0.0
        else:
            self._set_read_deadline(self._runtime.settings.body_timeout_s)
        return b""

    def _hold(self, data: bytes) -> None:
        """Keep bytes of later requests; stop reading when there are many."""
        if self._late is None:
            self._late = [data]
        else:
            self._late.append(data)
        self._late_bytes += len(data)
        if self._late_bytes + len(self._held) - self._held_at > HOLD_BYTES:
            self._pause_reading()

    def _take_held(self) -> bytes:
        """Return the bytes behind the request in progress and hold none."""
        held = self._held[self._held_at :] if self._held_at else self._held
        self._held = b""
        self._held_at = 0
        if self._late is not None:
            held = b"".join([held, *self._late]) if held or len(self._late) > 1 else self._late[0]
            self._late = None
            self._late_bytes = 0
        return held

    def _take_window(self, size: int) -> bytes:
        """Return up to ``size`` of the bytes held, so that a long burst is not copied for each of its requests."""
        if self._held_at >= len(self._held):
            self._held = self._take_held()
        window = self._held[self._held_at : self._held_at + size]
        self._held_at += len(window)
        return window

    def _go_on(self) -> None:
        """Begin the next request; where a task may run at once, one within the other, not before the next turn."""
        if self._runtime.has_task_factory:
            self._phase = REQUEST
            self._runtime.turns.wait(self)
        else:
            self._next_request()

    def _next_request(self) -> None:
        """Go on with the bytes held, or wait for more."""
        if self._unfinished > MAX_UNFINISHED or not self._gate.is_open:
            self._flush()
            self._phase = REQUEST
            self._is_held_back = True
            return
        self._phase = IDLE
        while True:
            window = self._take_window(WINDOW_BYTES)
            if not window:
                break
            try:
                head = self._parser.feed(window)
            except RequestError as exc:
                self._refuse(exc)
                return
            if head is not None:
                self._held_at -= len(self._parser.take_leftover())
                self._begin(head)
                return
        if self._is_reading_paused:
            self._resume_reading()
        self._flush()
        runtime = self._runtime
        if self._is_eof:
            self._close()
        elif self._parser.is_partial:
            self._phase = HEAD
            self._set_read_deadline(runtime.settings.header_timeout_s)
        else:
            self._become_idle()

    # For the writing half

    def _resume_body(self) -> None:
        if self._body is not None and not self._is_eof:
            if self._is_reading_paused:
                self._resume_reading()
            self._set_read_deadline(self._runtime.settings.body_timeout_s)

    def _must_close_after(self, more: bool) -> bool:
        # Streaming apps may still read the rest of the body, so only a response that is already whole decides here.
        return self._body is not None and not more and self._body_left > self._runtime.settings.max_body_drain_bytes

    def _complete(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.complete()
        self._cancel_at = 0.0
        runtime = self._runtime
        runtime.count_request()
        if runtime.observer is not None:
            self._observe_end(self._status)
        self._head = None
        self._framing = 0
        self._sent_bytes = 0
        self._wants_continue = False
        if not self._keep_alive:
            self._flush()
            if self._must_linger or self._body is not None or self._held_at < len(self._held) or self._late is not None:
                self._linger()
            else:
                self._close()
        elif self._body is not None and self._is_eof:
            self._close()
        elif self._body is not None:
            self._flush()
            self._phase = DISCARDING
            self._drained_bytes = 0
            self._set_read_deadline(runtime.settings.body_timeout_s)
            if self._is_reading_paused:
                self._resume_reading()
        elif self._held_at < len(self._held) or self._late is not None:
            if self._out_bytes >= FLUSH_BYTES:
                self._flush()
            else:
                self._hold_answer()
            self._go_on()
        elif self._is_reading_paused or self._is_eof or self._unfinished > MAX_UNFINISHED or not self._gate.is_open:
            self._go_on()
        else:
            self._flush()
            self._become_idle()


def _address(name: Any) -> tuple[str, int] | None:
    """Cut a socket name to host and port; None for a unix socket."""
    return (name[0], name[1]) if isinstance(name, tuple) else None
