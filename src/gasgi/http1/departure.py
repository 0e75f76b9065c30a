"""A client that shut its side of the connection: has it left, or does it wait for its answer?

Either way the application gets its grace period; what counts is what is known at the end of it.
"""

from __future__ import annotations

import asyncio

from gasgi.asgi.app_task import AppTask
from gasgi.http1.response import Response
from gasgi.serving.deadlines import Deadlines
from gasgi.serving.flow import WriteGate
from gasgi.serving.half_close import may_still_read, shut_on_purpose

__all__ = ["Departure"]


class Departure:
    """One per connection."""

    def __init__(self, deadlines: Deadlines, response: Response, gate: WriteGate) -> None:
        self._deadlines = deadlines
        self._response = response
        self._gate = gate
        self._is_half_closed = False  # it waits for the answer
        self._seen_bytes = 0  # of the answer, when the grace period began

    def look(self, transport: asyncio.Transport) -> None:
        """The client has shut its side of a connection without TLS: ask the kernel why."""
        self._is_half_closed = shut_on_purpose(transport.get_extra_info("socket"))

    def begin_grace(self, exchange: AppTask, is_body_whole: bool) -> None:
        """Nothing more comes: tell the app that its client left, unless the client waits for the answer.

        RFC 9112, 8: a request whose body is not whole never will be.
        """
        if not is_body_whole:
            self._is_half_closed = False
        if not self._is_half_closed:
            exchange.disconnect()
        self._seen_bytes = self._response.sent_bytes
        self._deadlines.set_grace()

    def end_grace(self, exchange: AppTask, transport: asyncio.Transport) -> None:
        """The grace period is over: give another one to a client that is there, cancel the app of one that is not."""
        if self._is_half_closed:
            self._is_half_closed = may_still_read(transport.get_extra_info("socket"))
        elif self._response.sent_bytes == self._seen_bytes and self._gate.is_open:
            exchange.cancel()
            return
        # A client that has closed would have answered new bytes with a reset.
        self.begin_grace(exchange, True)
