"""One WebSocket as the application sees it: ``receive`` and ``send`` of ASGI and the state they share.

Knows no frames and no transport. Until it is accepted it answers over HTTP, on whatever wire the request came; then a
stream of messages carries it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from gasgi._accel import held_bytes
from gasgi.asgi.app_task import AppTask
from gasgi.asgi.awaitables import DONE, Failed
from gasgi.asgi.events import checked_event, read_fields
from gasgi.asgi.stream import HttpStream
from gasgi.close_codes import ABNORMAL, INTERNAL_ERROR, NORMAL, is_sendable
from gasgi.errors import ASGIMisuse, ClientDisconnected
from gasgi.quoting import quote
from gasgi.serving.runtime import Runtime

if TYPE_CHECKING:
    from gasgi._accel import RequestHead
    from gasgi.types import Headers, Message

__all__ = ["WebSocketOpening", "WebSocketSession", "WebSocketStream"]


class WebSocketOpening:
    """How the wire of a request accepts a WebSocket on it."""

    def accept(self, session: WebSocketSession, subprotocol: str | None, headers: Headers) -> WebSocketStream:
        """Accept it and return the stream that carries it; raise ASGIMisuse for what must not stand in the answer."""
        raise NotImplementedError


class WebSocketStream:
    """What a session needs of the connection that carries it once it is accepted."""

    def send_message(self, payload: bytes | str) -> Awaitable[None]:
        """Send one message; the result is awaited by the app."""
        raise NotImplementedError

    def close(self, code: int, reason: str) -> None:
        """Send a close frame and end the connection."""
        raise NotImplementedError

    def resume_messages(self) -> None:
        """The session takes messages again: deliver those that wait."""
        raise NotImplementedError

    def messages_taken(self) -> None:
        """The app asks for more than was queued when ``wants_to_know`` was set."""
        raise NotImplementedError


# Who moves it:
#   CONNECTING --websocket.accept--> OPEN --websocket.close, disconnected()--> CLOSED
#   CONNECTING --websocket.http.response.start--> DENYING --last body, disconnected()--> CLOSED
#   CONNECTING --websocket.close, end of the app, disconnected()--> CLOSED
CONNECTING = 0
DENYING = 1
OPEN = 2
CLOSED = 3

_EVENTS = frozenset(
    (
        "websocket.accept",
        "websocket.send",
        "websocket.close",
        "websocket.http.response.start",
        "websocket.http.response.body",
    )
)


class WebSocketSession(AppTask):
    """Runs the application for one WebSocket."""

    def __init__(
        self,
        runtime: Runtime,
        http: HttpStream,
        opening: WebSocketOpening,
        scope: dict[str, Any],
        head: RequestHead,
    ) -> None:
        # Fixed for the connection
        self._prepare(runtime, scope, head)
        self.is_websocket = True
        self._http = http  # takes the answer of an app that does not accept
        self._opening: WebSocketOpening | None = opening
        self._stream: WebSocketStream = None  # type: ignore[assignment]  # from accept on
        self._max_messages = runtime.settings.websocket_queue_messages
        self._max_bytes = runtime.settings.websocket_queue_bytes

        # The conversation
        self._state = CONNECTING
        self._was_connect_given = False
        self._disconnect_code = 0  # 0: not yet
        self._disconnect_reason = ""

        # Messages that the app has not received
        self._queue: deque[bytes | str] = deque()
        self._queued_bytes = 0
        self.is_full = False  # the stream holds messages back until it hears resume_messages()
        self.wants_to_know = False  # the stream waits for messages_taken()
        self._waiters: list[asyncio.Future[None]] = []

    async def receive(self) -> Message:
        """ASGI's ``receive``; one that is cancelled takes nothing with it."""
        while True:
            event = self._next_event()
            if event is not None:
                return event
            waiter = self._runtime.loop.create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except BaseException:
                # Cancelled, or closed: its future is pending then.
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
                elif self._waiters and self._queue:
                    self._wake_one()  # the message that woke this one is for the next
                raise

    def send(self, message: Message) -> Awaitable[None]:
        """ASGI's ``send``. The message takes effect now; what is wrong with it is raised where the result is awaited.

        That is ASGIMisuse for a wrong event and ClientDisconnected once the WebSocket is closed.
        """
        try:
            return self._send(message if type(message) is dict else checked_event(message))
        except Exception as exc:
            return Failed(exc, self.send_dropped)

    def _send(self, message: dict[str, Any]) -> Awaitable[None]:
        kind = message.get("type")
        if self._state != OPEN or kind != "websocket.send":
            return self._send_other(kind, message)
        text = message.get("text")
        data = message.get("bytes")
        if data is None:
            if not isinstance(text, str):
                raise ASGIMisuse("websocket.send needs text (a str) or bytes")
            if type(text) is not str:
                text = str.__str__(text)  # of a subclass, such as an enumeration's, its text
            try:
                return self._stream.send_message(text)
            except UnicodeEncodeError as exc:
                raise ASGIMisuse(f"websocket.send: text is not valid Unicode: {exc}") from None
        if text is not None:
            raise ASGIMisuse("websocket.send takes text or bytes, not both")
        if type(data) is not bytes:
            data = _as_bytes(data)
            self._check_still(OPEN, "websocket.send")
        return self._stream.send_message(data)

    def deliver(self, payload: bytes | str) -> None:
        """Queue one message of the client's."""
        if self._state != OPEN:
            return
        self._queue.append(payload)
        self._queued_bytes += held_bytes(payload)
        if self._queued_bytes >= self._max_bytes or len(self._queue) >= self._max_messages:
            self.is_full = True
        if self._waiters:
            self._wake_one()

    def disconnected(self, code: int, reason: str) -> None:
        """The WebSocket is over; the app gets what is queued, then websocket.disconnect. Only the first call counts."""
        if self._disconnect_code == 0:
            self._disconnect_code = code
            self._disconnect_reason = reason
        self._state = CLOSED
        self.is_client_gone = True
        self.is_full = False
        while self._waiters:
            self._wake_one()

    def has_messages(self) -> bool:
        """Whether the app has still to receive something."""
        return bool(self._queue)

    # AppTask

    def describe(self) -> str:
        return quote(f"WebSocket {self._head.path}")

    def app_returned(self) -> None:
        if self._state == OPEN:
            self._closed_by_app(NORMAL, "")
            self._stream.close(NORMAL, "")
        elif self._state != CLOSED:
            self._runtime.log.error("ASGI app returned without completing the response to %s", self.describe())

    def app_ended(self) -> None:
        state = self._state
        if state != CLOSED:
            self._closed_by_app(INTERNAL_ERROR, "")
            if state == OPEN:
                self._stream.close(INTERNAL_ERROR, "")
            else:
                self._http.fail()
        self._http.exchange_ended()

    def disconnect(self) -> None:
        self.disconnected(ABNORMAL, "")

    def complete(self) -> None:
        self._opening = None

    def _next_event(self) -> Message | None:
        if not self._was_connect_given:
            self._was_connect_given = True
            return {"type": "websocket.connect"}
        if self._queue:
            payload = self._queue.popleft()
            self._queued_bytes -= held_bytes(payload)
            if self.is_full and not self._queue:
                # Not at once: an app that always finds a message would keep the loop from all others.
                self.is_full = False
                self._runtime.loop.call_soon(self._stream.resume_messages)
            if isinstance(payload, str):
                return {"type": "websocket.receive", "text": payload}
            return {"type": "websocket.receive", "bytes": payload}
        if self.wants_to_know:
            self.wants_to_know = False
            self._stream.messages_taken()
        if self._disconnect_code:
            return {
                "type": "websocket.disconnect",
                "code": self._disconnect_code,
                "reason": self._disconnect_reason,
            }
        return None

    def _wake_one(self) -> None:
        waiter = self._waiters.pop(0)
        if not waiter.done():
            waiter.set_result(None)

    def _send_other(self, kind: object, message: dict[str, Any]) -> Awaitable[None]:
        if not isinstance(kind, str) or kind not in _EVENTS:
            raise ASGIMisuse(f"unknown WebSocket event: {kind!r}")
        if self._state == CLOSED:
            raise ClientDisconnected(f"{kind} after the WebSocket was closed")
        if self._state == CONNECTING:
            if kind == "websocket.accept":
                return self._accept(message)
            if kind == "websocket.close":
                self._http.prepare_head(403, [(b"content-length", b"0")])
                result = self._http.send_body(b"", False)
                self._closed_by_app(ABNORMAL, "")
                return result
            if kind == "websocket.http.response.start":
                return self._deny(message)
            raise ASGIMisuse(f"{kind} before websocket.accept")
        if self._state == DENYING:
            if kind == "websocket.http.response.body":
                return self._send_denial_body(message)
            raise ASGIMisuse(f"{kind} after websocket.http.response.start")
        if kind == "websocket.close":
            return self._close(message)
        raise ASGIMisuse(f"{kind} after websocket.accept")

    def _accept(self, message: Message) -> Awaitable[None]:
        subprotocol = message.get("subprotocol")
        if subprotocol is not None:
            if not isinstance(subprotocol, str):
                raise ASGIMisuse(f"websocket.accept: subprotocol must be a str, not {subprotocol!r}")
            subprotocol = str.__str__(subprotocol)
        fields = read_fields(message.get("headers"))
        self._check_still(CONNECTING, "websocket.accept")
        opening: WebSocketOpening = self._opening  # type: ignore[assignment]  # there while it is connecting
        self._stream = opening.accept(self, subprotocol, fields)
        self._opening = None
        self._state = OPEN
        self._stream.resume_messages()
        return DONE

    def _close(self, message: Message) -> Awaitable[None]:
        code = message.get("code")
        if code is None:
            code = NORMAL
        reason = message.get("reason") or ""
        if not isinstance(code, int) or not 0 < code < 5000 or not is_sendable(code):
            raise ASGIMisuse(f"websocket.close: code must be 1000-1003, 1007-1014 or 3000-4999, not {code!r}")
        if not isinstance(reason, str):
            raise ASGIMisuse(f"websocket.close: reason must be a str, not {reason!r}")
        code, reason = int(code), str.__str__(reason)
        self._check_still(OPEN, "websocket.close")
        self._closed_by_app(code, reason)
        self._stream.close(code, reason)
        return DONE

    def _deny(self, message: Message) -> Awaitable[None]:
        status = message.get("status")
        if not isinstance(status, int) or not 200 <= status <= 999:
            raise ASGIMisuse(f"websocket.http.response.start: status must be an int of 200 or more, not {status!r}")
        status, fields = int(status), read_fields(message.get("headers"))
        self._check_still(CONNECTING, "websocket.http.response.start")
        self._http.prepare_head(status, fields)
        self._state = DENYING
        return DONE

    def _send_denial_body(self, message: Message) -> Awaitable[None]:
        body = _as_bytes(message.get("body", b""))
        more = bool(message.get("more_body", False))
        self._check_still(DENYING, "websocket.http.response.body")
        result = self._http.send_body(body, more)
        if not more:
            self._closed_by_app(ABNORMAL, "")
        return result

    def _check_still(self, state: int, kind: str) -> None:
        """Raise ASGIMisuse when what is in the event sent another one while it was read: an iterator is code."""
        if self._state != state:
            raise ASGIMisuse(f"{kind} sent another event while it was read")

    def _closed_by_app(self, code: int, reason: str) -> None:
        """The app closed it: it hears so at once, and not of messages from before."""
        self._queue.clear()
        self._queued_bytes = 0
        self.disconnected(code, reason)


def _as_bytes(data: Any) -> bytes:
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise ASGIMisuse(f"expected bytes, not {type(data).__name__}")
