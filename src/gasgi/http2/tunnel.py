"""Open a WebSocket on a stream (RFC 8441). Until the app accepts it, the stream is that of an ordinary answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gasgi._accel import RequestHead, check_fields
from gasgi.asgi.websocket import WebSocketOpening, WebSocketSession, WebSocketStream
from gasgi.http2.channel import StreamChannel
from gasgi.http2.sender import Sender
from gasgi.http2.stream import Http2Stream
from gasgi.http2_codes import CANCEL
from gasgi.websocket.connection import WebSocketConnection
from gasgi.websocket.handshake import Handshake, agreed_fields, checked_fields, read_connect

if TYPE_CHECKING:
    from gasgi.types import Headers

__all__ = ["open_session"]


class _Connect(WebSocketOpening):
    """Takes an extended CONNECT, and holds what comes after it too early; its window bounds that."""

    def __init__(self, sender: Sender, stream: Http2Stream, handshake: Handshake) -> None:
        self._sender = sender
        self._stream = stream
        self._handshake = handshake
        self._early = bytearray()

    def receive(self, piece: bytes, ends_stream: bool) -> None:
        """Take DATA that comes before the answer."""
        if ends_stream:
            self._stream.reset(CANCEL)  # it could not speak, nor answer a close
        else:
            self._early += piece

    def accept(self, session: WebSocketSession, subprotocol: str | None, headers: Headers) -> WebSocketStream:
        sender = self._sender
        stream = self._stream
        own = [*checked_fields(headers), *agreed_fields(self._handshake, subprotocol)]
        fields, length = check_fields(200, own, sender.server(), sender.date())
        if length >= 0:
            # RFC 9110, 9.3.6: not in what accepts a CONNECT.
            fields = [field for field in fields if field[0] != b"content-length"]
        channel = StreamChannel(sender, stream.state, session)
        channel.rank = stream.rank
        record = stream.hand_over(channel)
        sender.say(sender.head(stream.number, 200, fields, False))
        connection = WebSocketConnection(sender.runtime, channel, session, self._handshake.deflate, record)  # type: ignore[arg-type]  # a transport by its methods alone
        channel.protocol = connection
        early, self._early = bytes(self._early), bytearray()
        if early:
            sender.give_back(stream.state, len(early))
        connection.open(b"", 200, fields, early)
        return connection


def open_session(sender: Sender, stream: Http2Stream, head: RequestHead, scope: dict[str, Any]) -> WebSocketSession:
    """Make the conversation about an extended CONNECT; raise RequestError for one that is not in order."""
    runtime = sender.runtime
    handshake = read_connect(head, runtime.settings)
    scope["subprotocols"] = list(handshake.subprotocols)
    opening = _Connect(sender, stream, handshake)
    session = WebSocketSession(runtime, stream, opening, scope, head)
    stream.exchange = session
    stream.opening = opening
    sender.websockets += 1
    return session
