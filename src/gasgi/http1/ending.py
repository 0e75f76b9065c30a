"""How an HTTP connection and its requests end: deadlines, refusals, lingering, resets, and what the observer hears.

Between http_writer and http_file_sender, which send responses, and http_connection, which reads requests and decides
when any of this is due.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import time
from typing import Any

from gasgi.errors import RequestError
from gasgi.http1.body import ChunkedBody, LengthBody
from gasgi.http1.file_response import HttpFileSender
from gasgi.http1.phases import CLOSED, DISCARDING, HEAD, IDLE, LINGERING, REQUEST
from gasgi.proxy.protocol import ProxyInfo
from gasgi.serving.flow import resume_reading
from gasgi.serving.half_close import may_still_read
from gasgi.serving.runtime import Runtime

__all__ = ["CLIENT_LEFT", "HttpEnding", "describe_peer"]

LINGER_S = 5.0  # how long bytes are read away so that a reset does not overtake the answer (RFC 9112, 9.6)
QUIET_S = 1.0  # a client idle for less may have its next request on the way when the worker stops
CLIENT_LEFT = 499  # what the access log says of a client that left before the answer began


class HttpEnding(HttpFileSender):
    """What a connection knows of its end. HttpConnection, its subclass, moves it there."""

    def __init__(self, runtime: Runtime, proxied: ProxyInfo | None) -> None:
        HttpFileSender.__init__(self, runtime)

        # Fixed for the connection
        self._proxied = proxied
        self._client: tuple[str, int] | None = None
        self._template: dict[str, Any] = {}

        # Reading, which some ends stop and others go on with
        self._phase = IDLE
        self._body: LengthBody | ChunkedBody | None = None
        self._held = b""  # bytes behind the request in progress
        self._late: list[bytes] | None = None  # arrived while a request was in progress
        self._is_reading_paused = False
        self._is_eof = False
        self._is_half_closed = False  # the client shut its side and waits for the answer
        self._must_linger = False

        # Deadlines in loop time, 0 for none; sweep() looks at them
        self._read_deadline = 0.0
        self._write_deadline = 0.0
        self._cancel_at = 0.0
        self._unsent = 0  # bytes the transport held when the write deadline was set
        self._last_active = 0.0
        self._seen_bytes = 0  # of the answer, when the time to cancel was set

        # Per request, for the observer
        self._view: Any = None
        self._started = 0.0

    # Connection, for the server

    def sweep(self, now: float) -> None:
        if self._read_deadline and now >= self._read_deadline:
            self._read_deadline = 0.0
            self._on_read_deadline()
        if self._write_deadline and now >= self._write_deadline:
            unsent = self._transport.get_write_buffer_size()
            if 0 < unsent < self._unsent:
                self._set_write_deadline()  # slow, but reading
            elif not unsent and self._gate.is_open and self._phase < LINGERING:
                self._write_deadline = 0.0  # it has taken everything
            else:
                self._write_deadline = 0.0
                self._transport.abort()
        if self._cancel_at and now >= self._cancel_at:
            self._cancel_at = 0.0
            if self._exchange is not None:
                self._end_grace()

    def drain(self) -> None:
        if self._phase == IDLE:
            # Twice, because the time it was set from may have been a second old.
            if self._runtime.now - self._last_active >= 2 * QUIET_S:
                self._close()
            else:
                self._set_read_deadline(QUIET_S)

    def abort(self) -> None:
        exchange = self._exchange
        if exchange is not None:
            self._observe_end(self._status if self._framing else 500)
            exchange.cancel()
        self._gate.lost()
        self._transport.abort()

    # Reading

    def _pause_reading(self) -> None:
        if not self._is_reading_paused and not self._is_eof:
            self._is_reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        self._is_reading_paused = False
        if not self._transport.is_closing():
            resume_reading(self._runtime.loop, self._transport)

    # A client that shut its side, or left

    def _begin_grace(self) -> None:
        """Nothing more comes: tell the app that its client left, unless the client waits for the answer."""
        exchange = self._exchange
        if exchange is not None and not self._is_half_closed:
            exchange.disconnect()
        self._seen_bytes = self._sent_bytes
        self._cancel_at = self._runtime.now + self._runtime.settings.disconnect_grace_s

    def _end_grace(self) -> None:
        """The grace period is over: give another one to a client that is there, cancel the app of one that is not."""
        if self._phase == REQUEST and self._is_half_closed:
            self._is_half_closed = may_still_read(self._transport.get_extra_info("socket"))
            self._begin_grace()
        elif self._phase == REQUEST and (self._sent_bytes != self._seen_bytes or not self._gate.is_open):
            # A client that has closed would have answered these bytes with a reset.
            self._begin_grace()
        elif self._exchange is not None:
            self._exchange.cancel()

    # A response that is whole, or never will be

    def _become_idle(self) -> None:
        runtime = self._runtime
        self._phase = IDLE
        self._last_active = runtime.now
        self._read_deadline = runtime.now + (QUIET_S if runtime.is_draining else runtime.keep_alive_s)

    def _give_up(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.complete()
        self._observe_end(CLIENT_LEFT)
        self._close()

    def _cut_off(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.complete()
        self._observe_end(self._status)
        self._flush()
        if self._ends_with_connection():
            # A plain close would look like the end of the body: the client must see a reset.
            _reset_on_close(self._transport)
            self._transport.abort()
        else:
            self._close()

    # Ends

    def _refuse(self, exc: RequestError) -> None:
        """Answer a request that is not served and end the connection; the app sees the end of its body, if it runs."""
        self._runtime.log.info("Refused a request from %s: %s", describe_peer(self._client), exc)
        self._must_linger = True
        exchange = self._exchange
        if exchange is not None:
            exchange.disconnect()
            if self._framing:
                self._cut_off()
                return
        elif self._view is None:
            self._observe_begin(self._template)
        self._answer(exc.status, exc.fields)

    def _on_read_deadline(self) -> None:
        if self._phase == HEAD:
            self._refuse(RequestError(408, "Request Timeout", "the head took longer than gasgi_header_timeout_s"))
        elif self._phase == REQUEST:
            self._refuse(RequestError(408, "Request Timeout", "the body stalled for gasgi_body_timeout_s"))
        elif self._transport.get_write_buffer_size() and self._phase != DISCARDING:
            # The client is still taking the answer: its time to say more has not begun.
            if not self._write_deadline:
                self._set_write_deadline()
            if self._phase == LINGERING:
                self._set_read_deadline(LINGER_S)
            else:
                self._become_idle()
        else:
            # Behind a refusal too: over TLS a connection that is aborted ends without close_notify (RFC 8446, 6.1).
            self._close()

    def _linger(self) -> None:
        """Close once the client has seen the answer: a close with unread bytes would reset the connection."""
        self._phase = LINGERING
        self._body = None
        self._held = b""
        self._late = None
        if self._is_reading_paused:
            self._resume_reading()
        self._set_read_deadline(LINGER_S)
        if self._is_eof:
            self._close()
        elif not self._is_tls and self._transport.can_write_eof():
            try:
                self._transport.write_eof()
            except OSError:
                # The client has reset the connection, and the loop has yet to say so.
                self._transport.abort()

    def _close(self) -> None:
        self._phase = CLOSED
        self._body = None
        self._read_deadline = 0.0
        self._flush()
        self._transport.close()
        # A client that does not read keeps a closing transport open.
        self._set_write_deadline()

    def _set_read_deadline(self, seconds: float) -> None:
        self._read_deadline = self._runtime.now + seconds if seconds > 0 else 0.0

    def _set_write_deadline(self) -> None:
        seconds = self._runtime.settings.write_timeout_s
        self._unsent = self._transport.get_write_buffer_size()
        self._write_deadline = self._runtime.now + seconds if seconds > 0 else 0.0

    # The observer

    def _observe_begin(self, template: dict[str, Any]) -> None:
        observer = self._runtime.observer
        if observer is not None:
            self._started = time.perf_counter()
            self._view = observer.begin(
                self._head, template["client"], template["server"], template["scheme"], self._proxied
            )

    def _observe_end(self, status: int) -> None:
        observer = self._runtime.observer
        view, self._view = self._view, None
        if observer is not None and view is not None:
            headers, self._response_headers = self._response_headers, None
            observer.end(view, status, headers or [], self._sent_bytes, time.perf_counter() - self._started)


def _reset_on_close(transport: asyncio.Transport) -> None:
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        # Without a free descriptor the client sees a plain end.
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(sock.fileno())) as duplicate:
            duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def describe_peer(client: tuple[str, int] | None) -> str:
    return "a unix socket" if client is None else client[0]
