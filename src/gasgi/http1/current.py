"""The request in progress on a connection: its call of the application, from the admission to whatever ends it.

What comes after an answer is for the connection to say.
"""

from __future__ import annotations

import asyncio
from typing import Any

from gasgi._accel import RequestHead
from gasgi.asgi.admission import admit
from gasgi.asgi.app_task import AppTask
from gasgi.asgi.http import HttpExchange
from gasgi.asgi.websocket import WebSocketSession
from gasgi.http1.departure import Departure
from gasgi.http1.inbox import Inbox
from gasgi.http1.request_body import RequestBody
from gasgi.http1.response import Response
from gasgi.http1.upgrade import open_session
from gasgi.serving.deadlines import Deadlines
from gasgi.serving.flow import WriteGate
from gasgi.serving.peer import Peer
from gasgi.serving.runtime import Runtime
from gasgi.tables import CLIENT_LEFT
from gasgi.websocket.handshake import read_handshake

__all__ = ["CurrentRequest"]


class CurrentRequest:
    """One per connection, for one request after the other."""

    def __init__(
        self,
        runtime: Runtime,
        transport: asyncio.Transport,
        peer: Peer,
        deadlines: Deadlines,
        inbox: Inbox,
        body: RequestBody,
        response: Response,
        gate: WriteGate,
    ) -> None:
        # Fixed for the connection
        self._runtime = runtime
        self._transport = transport
        self._peer = peer
        self._deadlines = deadlines
        self._inbox = inbox
        self._body = body
        self._response = response
        self._gate = gate

        self.exchange: AppTask | None = None  # None: no request is in progress
        self.unfinished = 0  # tasks of the connection that have not ended, those after their answer too
        self._departure: Departure | None = None  # once the client may have left

    def begin(self, head: RequestHead) -> AppTask | None:
        """Admit a request and return what is to be started; raise RequestError.

        None for a WebSocket whose client has shut its side: it could not speak.
        """
        runtime = self._runtime
        response = self._response
        deadlines = self._deadlines
        response.begin(head)
        deadlines.read_at = 0.0
        if deadlines.write_at and self._gate.is_open:
            deadlines.write_at = 0.0  # of the answer before: the client took it
        scope = admit(runtime, self._peer, response.record, head)
        if head.upgrade == b"websocket":
            return self._begin_websocket(head, scope)
        exchange = HttpExchange()
        exchange.prepare(runtime, response, scope, head)
        self.exchange = exchange
        if runtime.slow is not None:  # the metrics need no more than the begin and the end
            exchange.timing = response.timing
        if head.is_chunked or head.content_length > 0:
            self._body.begin(head, exchange)
        if self._departure is not None and not self._inbox.is_behind:
            # It was pipelined.
            self._departure.begin_grace(exchange, self._inbox.body is None or not self._inbox.is_eof)
        self.unfinished += 1
        return exchange

    def _begin_websocket(self, head: RequestHead, scope: dict[str, Any]) -> WebSocketSession | None:
        handshake = read_handshake(head, self._runtime.settings)
        if self._inbox.is_eof:
            return None  # it was pipelined
        session = open_session(self._runtime, self._transport, handshake, self._response, head, scope)
        self.exchange = session
        self.unfinished += 1
        return session

    def let_go(self, status: int) -> None:
        """Tell exchange and observer that the answer is over."""
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.complete()
        self._deadlines.grace_at = 0.0
        if self._body.exchange is not None:
            self._body.end()
        response = self._response
        if response.record is not None or response.timing is not None:
            response.report(status)
        response.reset()

    # The client leaves

    def client_shut(self) -> None:
        """The client has shut its side after all that it sent."""
        self._departing().shut(self.exchange)

    def look_at_client(self) -> None:
        """While reading is paused: ask whether the client has left."""
        self._departing().look(self.exchange)

    def lost(self) -> bool:
        """The connection is lost: report that, and give the app its grace period; say whether it has one."""
        exchange = self.exchange
        if exchange is None or not exchange.is_running():
            return False
        self._report(CLIENT_LEFT)
        if exchange.is_websocket:
            exchange.disconnect()
            return False
        self._deadlines.grace_at = exchange.give_grace()
        return True

    def has_ended(self) -> bool:
        """Whether the app has ended of a request whose answer has not."""
        return self.exchange is not None and not self.exchange.is_running()

    def release(self) -> None:
        """The connection is lost, and the app has ended: let go of all."""
        self.exchange = None
        self._deadlines.grace_at = 0.0
        self._body.end()
        self._response.release()

    # The server

    def sweep(self, now: float) -> None:
        """See whether the app takes too long: to be told, to end at the worker's stop, or once its client has left."""
        exchange = self.exchange
        if exchange is None:
            return
        if self._response.timing is not None:
            self._response.timing.look(self._response.request, exchange.running_task())
        if self._runtime.ends_streams and not self._gate.is_lost:
            self._departing().end_stream(exchange)
        if self._deadlines.is_grace_over(now):
            if self._departure is not None and not self._gate.is_lost:
                self._departure.end_grace(exchange)
            else:
                exchange.cancel()

    def abort(self) -> None:
        """The time to drain is over."""
        if self.exchange is not None:
            self._report(500)
            self.exchange.cancel()

    def _departing(self) -> Departure:
        departure = self._departure
        if departure is None:
            departure = self._departure = Departure(
                self._runtime, self._transport, self._peer, self._deadlines, self._response, self._gate
            )
        return departure

    def _report(self, otherwise: int) -> None:
        """Tell the observer of an answer that stays as it is; ``otherwise`` is the status when it never began."""
        response = self._response
        response.report(response.status if response.framing else otherwise)
