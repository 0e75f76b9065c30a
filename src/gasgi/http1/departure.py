"""The application hears that its client has left, or is taken for one that has, and gets its grace period.

A client that only shut its side of the connection may wait for its answer: what counts is what is known at the end of
the period. A worker that stops takes the client of an endless answer for one that has left.
"""

from __future__ import annotations

import asyncio

from gasgi.asgi.app_task import AppTask
from gasgi.http1.response import Response
from gasgi.serving.deadlines import Deadlines
from gasgi.serving.flow import WriteGate
from gasgi.serving.half_close import GONE, SHUT, look_at_peer, may_still_read, shut_on_purpose
from gasgi.serving.peer import Peer
from gasgi.serving.runtime import Runtime

__all__ = ["Departure"]


class Departure:
    """Made for a connection once its client may have left."""

    def __init__(
        self,
        runtime: Runtime,
        transport: asyncio.Transport,
        peer: Peer,
        deadlines: Deadlines,
        response: Response,
        gate: WriteGate,
    ) -> None:
        # Fixed for the connection
        self._runtime = runtime
        self._transport = transport
        self._peer = peer
        self._deadlines = deadlines
        self._response = response
        self._gate = gate

        self._has_shut = False  # the client, its side
        self._is_half_closed = False  # it waits for the answer
        self._seen_bytes = 0  # of the answer, when the grace period began
        self._ended: AppTask | None = None  # whose stream the stop of the worker ends

    def shut(self, exchange: AppTask | None) -> None:
        """The client has shut its side after all that it sent: ask the kernel why."""
        # RFC 9112, 9.6. When it seems to have left, it still gets an answer that is ready in the grace period, or on
        # its way by then.
        if not self._has_shut:
            self._has_shut = True
            if not self._peer.is_tls:
                self._is_half_closed = shut_on_purpose(self._transport.get_extra_info("socket"))
        if exchange is not None:
            self.begin_grace(exchange, True)

    def look(self, exchange: AppTask | None) -> None:
        """While reading is paused the loop watches the socket no more: ask the kernel whether the client has left."""
        seen = look_at_peer(self._transport.get_extra_info("socket"))
        if seen == GONE:
            self._transport.abort()
        elif seen == SHUT and not self._has_shut:
            self.shut(exchange)

    def end_stream(self, exchange: AppTask) -> None:
        """The worker stops: tell the app of an answer without a known end, once, as if its client had left."""
        if exchange is not self._ended and not exchange.is_websocket and self._response.is_open_ended():
            self._ended = exchange
            self._deadlines.grace_at = exchange.give_grace()

    def begin_grace(self, exchange: AppTask, is_body_whole: bool) -> None:
        """Nothing more comes: tell the app that its client left, unless the client waits for the answer.

        RFC 9112, 8: a request whose body is not whole never will be. Before the client has shut its side, do nothing.
        """
        if not self._has_shut:
            return
        if not is_body_whole:
            self._is_half_closed = False
        if not self._is_half_closed:
            exchange.disconnect()
        self._seen_bytes = self._response.sent_bytes
        self._deadlines.set_grace()

    def end_grace(self, exchange: AppTask) -> None:
        """The grace period is over: give another one to a client that is there, cancel the app of one that is not."""
        if not self._has_shut or exchange is self._ended:
            exchange.cancel()
            return
        if self._is_half_closed:
            self._is_half_closed = may_still_read(self._transport.get_extra_info("socket"))
        elif self._response.sent_bytes == self._seen_bytes and self._gate.is_open:
            exchange.cancel()
            return
        # A client that has closed would have answered new bytes with a reset.
        self.begin_grace(exchange, True)
