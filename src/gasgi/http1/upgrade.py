"""Hand a connection over to a WebSocket (RFC 6455, 4.2.2). Until the app accepts it, HTTP has the connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from gasgi._accel import RequestHead
from gasgi.asgi.websocket import WebSocketOpening, WebSocketSession, WebSocketStream
from gasgi.http1.response import Response
from gasgi.serving.runtime import Runtime
from gasgi.websocket.connection import WebSocketConnection
from gasgi.websocket.handshake import Handshake, encode_accept

if TYPE_CHECKING:
    from gasgi.types import Headers

__all__ = ["open_session"]


class _Upgrade(WebSocketOpening):
    """``response`` is what the app would say instead."""

    def __init__(
        self,
        runtime: Runtime,
        transport: asyncio.Transport,
        handshake: Handshake,
        response: Response,
    ) -> None:
        self._runtime = runtime
        self._transport = transport
        self._handshake = handshake
        self._response = response

    def accept(self, session: WebSocketSession, subprotocol: str | None, headers: Headers) -> WebSocketStream:
        runtime = self._runtime
        transport = self._transport
        answer = encode_accept(self._handshake, subprotocol, headers, runtime.server_field, runtime.date_field)
        connection = WebSocketConnection(runtime, transport, session, self._handshake.deflate, self._response.record)
        leftover = self._response.hand_over()
        transport.set_protocol(connection)  # type: ignore[arg-type]  # a protocol by its methods alone
        runtime.connections.add(connection)
        connection.open(answer, 101, headers, leftover)
        return connection


def open_session(
    runtime: Runtime,
    transport: asyncio.Transport,
    handshake: Handshake,
    response: Response,
    head: RequestHead,
    scope: dict[str, Any],
) -> WebSocketSession:
    """Make the conversation about an upgrade request; what the app says instead of accepting it is ``response``."""
    scope["subprotocols"] = list(handshake.subprotocols)
    response.keep_alive = False  # whether what comes after a refusal is HTTP again, only the client knows
    opening = _Upgrade(runtime, transport, handshake, response)
    return WebSocketSession(runtime, response, opening, scope, head)
