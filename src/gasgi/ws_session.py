"""One WebSocket as the application sees it: ``receive`` and ``send`` of ASGI and the state they share.

Knows no frames and no transport: its stream, the connection, does that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from gasgi.awaitables import DONE
from gasgi.errors import ASGIMisuse, ClientDisconnected, comes_from_departure
from gasgi.quoting import quote
from gasgi.runtime import Runtime
from gasgi.ws_frames import is_sendable_close_code

if TYPE_CHECKING:
    from gasgi.types import Headers, Message, Scope

__all__ = ["SessionState", "WebSocketSession", "WebSocketStream"]


class WebSocketStream:
    """What a session needs of the connection that carries it."""

    def accept(self, subprotocol: str | None, headers: Headers) -> None:
        """Answer 101; raise ASGIMisuse for what must not stand in the answer."""
        raise NotImplementedError

    def refuse(self, status: int) -> None:
        """Answer with ``status`` and no body, and close."""
        raise NotImplementedError

    def deny_start(self, status: int, headers: Headers) -> None:
        """Hold the head of an answer of the app's own; raise ASGIMisuse when it is not valid."""
        raise NotImplementedError

    def deny_body(self, body: bytes, more: bool) -> Awaitable[None]:
        """Send a piece of that answer's body, the last one unless ``more``."""
        raise NotImplementedError

    def deny_cut(self) -> None:
        """The app ended in the middle of its answer."""
        raise NotImplementedError

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


class SessionState(IntEnum):
    """Who moves it.

    CONNECTING -websocket.accept-> OPEN -websocket.close, disconnected()-> CLOSED
    CONNECTING -websocket.http.response.start-> DENYING -last body, disconnected()-> CLOSED
    CONNECTING -websocket.close, end of the app, disconnected()-> CLOSED
    """

    CONNECTING = 0
    DENYING = 1
    OPEN = 2
    CLOSED = 3


# The same as C numbers in the compiled module.
_CONNECTING = 0
_DENYING = 1
_OPEN = 2
_CLOSED = 3

_EVENTS = frozenset(
    (
        "websocket.accept",
        "websocket.send",
        "websocket.close",
        "websocket.http.response.start",
        "websocket.http.response.body",
    )
)


class WebSocketSession:
    """Runs the application for one WebSocket."""

    def __init__(self, runtime: Runtime, stream: WebSocketStream, scope: Scope) -> None:
        # Fixed for the connection
        self._runtime = runtime
        self._stream = stream
        self._scope = scope
        self._max_messages = runtime.settings.websocket_queue_messages
        self._max_bytes = runtime.settings.websocket_queue_bytes
        self._task: asyncio.Task[None] | None = None
        self._was_cancelled_by_server = False

        # The conversation
        self._state = _CONNECTING
        self._was_connect_given = False
        self._disconnect_code = 0  # 0: not yet
        self._disconnect_reason = ""

        # Messages that the app has not received
        self._queue: deque[bytes | str] = deque()
        self._queued_bytes = 0
        self.is_full = False  # the stream holds messages back until it hears resume_messages()
        self.wants_to_know = False  # the stream waits for messages_taken()
        self._waiters: list[asyncio.Future[None]] = []

    def start(self) -> None:
        """Run the app in a task."""
        self._task = self._runtime.spawn(self.run())
        if not self._task.done():
            self._runtime.exchanges.add(self)

    async def run(self) -> None:
        """Run the app from the first event to its end."""
        log = self._runtime.log
        try:
            await self._runtime.app(self._scope, self.receive, self.send)
            self._app_returned()
        except asyncio.CancelledError:
            self._log_cancellation()
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as exc:
            # SystemExit too: one WebSocket must not end a worker that serves others.
            if not (self._state == _CLOSED and comes_from_departure(exc)):
                log.exception("Exception in ASGI app during %s", self._describe())
        finally:
            self._app_ended()

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
            except asyncio.CancelledError:
                if waiter.cancelled():
                    if waiter in self._waiters:
                        self._waiters.remove(waiter)
                elif self._waiters and self._queue:
                    self._wake_one()  # the message that woke this one is for the next
                raise

    def send(self, message: Message) -> Awaitable[None]:
        """ASGI's ``send``: raise ASGIMisuse for a wrong event and ClientDisconnected once the WebSocket is closed."""
        try:
            kind = message["type"]
        except (KeyError, TypeError):
            raise ASGIMisuse(f"an event is a dict with a type, not {message!r}") from None
        if self._state != _OPEN or kind != "websocket.send":
            return self._send_other(kind, message)
        text = message.get("text")
        data = message.get("bytes")
        if data is None:
            if not isinstance(text, str):
                raise ASGIMisuse("websocket.send needs text (a str) or bytes")
            try:
                return self._stream.send_message(text)
            except UnicodeEncodeError as exc:
                raise ASGIMisuse(f"websocket.send: text that is no Unicode: {exc}") from None
        if text is not None:
            raise ASGIMisuse("websocket.send takes text or bytes, not both")
        return self._stream.send_message(data if type(data) is bytes else _as_bytes(data))

    def deliver(self, payload: bytes | str) -> None:
        """Queue one message of the client's."""
        if self._state != _OPEN:
            return
        self._queue.append(payload)
        self._queued_bytes += len(payload)
        if self._queued_bytes >= self._max_bytes or len(self._queue) >= self._max_messages:
            self.is_full = True
        if self._waiters:
            self._wake_one()

    def disconnected(self, code: int, reason: str) -> None:
        """The WebSocket is over; the app gets what is queued, then websocket.disconnect. Only the first call counts."""
        if self._disconnect_code == 0:
            self._disconnect_code = code
            self._disconnect_reason = reason
        self._state = _CLOSED
        self.is_full = False
        while self._waiters:
            self._wake_one()

    def has_messages(self) -> bool:
        """Whether the app has still to receive something."""
        return bool(self._queue)

    def cancel(self) -> None:
        """Cancel the app's task: the worker has no time left."""
        if self._task is not None:
            self._was_cancelled_by_server = True
            self._task.cancel()

    def sweep(self) -> None:
        """End what was cancelled before the first step: ``run``, which would tell the end of it, was never entered."""
        if self._task is not None and self._task.done():
            self._log_cancellation()
            self._app_ended()

    def _next_event(self) -> Message | None:
        if not self._was_connect_given:
            self._was_connect_given = True
            return {"type": "websocket.connect"}
        if self._queue:
            payload = self._queue.popleft()
            self._queued_bytes -= len(payload)
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

    def _send_other(self, kind: str, message: Message) -> Awaitable[None]:
        if kind not in _EVENTS:
            raise ASGIMisuse(f"no event of a WebSocket: {kind!r}")
        if self._state == _CLOSED:
            raise ClientDisconnected(f"{kind} after the WebSocket was closed")
        if self._state == _CONNECTING:
            if kind == "websocket.accept":
                return self._accept(message)
            if kind == "websocket.close":
                self._closed_by_app(1006, "")
                self._stream.refuse(403)
                return DONE
            if kind == "websocket.http.response.start":
                return self._deny(message)
            raise ASGIMisuse(f"{kind} before websocket.accept")
        if self._state == _DENYING:
            if kind == "websocket.http.response.body":
                return self._send_denial_body(message)
            raise ASGIMisuse(f"{kind} after websocket.http.response.start")
        if kind == "websocket.close":
            return self._close(message)
        raise ASGIMisuse(f"{kind} after websocket.accept")

    def _accept(self, message: Message) -> Awaitable[None]:
        subprotocol = message.get("subprotocol")
        if subprotocol is not None and not isinstance(subprotocol, str):
            raise ASGIMisuse(f"websocket.accept: subprotocol must be a str, not {subprotocol!r}")
        self._stream.accept(subprotocol, _as_fields(message.get("headers")))
        self._state = _OPEN
        self._stream.resume_messages()
        return DONE

    def _close(self, message: Message) -> Awaitable[None]:
        code = message.get("code")
        if code is None:
            code = 1000
        reason = message.get("reason") or ""
        if not isinstance(code, int) or not 0 < code < 5000 or not is_sendable_close_code(code):
            raise ASGIMisuse(f"websocket.close: code must be 1000-1003, 1007-1014 or 3000-4999, not {code!r}")
        if not isinstance(reason, str):
            raise ASGIMisuse(f"websocket.close: reason must be a str, not {reason!r}")
        reason = str.__str__(reason)  # of a subclass, such as an enumeration's, its text
        self._closed_by_app(code, reason)
        self._stream.close(code, reason)
        return DONE

    def _deny(self, message: Message) -> Awaitable[None]:
        status = message.get("status")
        if not isinstance(status, int) or not 200 <= status <= 999:
            raise ASGIMisuse(f"websocket.http.response.start: status must be an int of 200 or more, not {status!r}")
        self._stream.deny_start(status, _as_fields(message.get("headers")))
        self._state = _DENYING
        return DONE

    def _send_denial_body(self, message: Message) -> Awaitable[None]:
        body = _as_bytes(message.get("body", b""))
        more = bool(message.get("more_body", False))
        if not more:
            self._closed_by_app(1006, "")
        return self._stream.deny_body(body, more)

    def _closed_by_app(self, code: int, reason: str) -> None:
        """The app closed it: it hears so at once, and not of messages from before."""
        self._queue.clear()
        self._queued_bytes = 0
        self.disconnected(code, reason)

    def _app_returned(self) -> None:
        if self._state == _OPEN:
            self._closed_by_app(1000, "")
            self._stream.close(1000, "")
        elif self._state != _CLOSED:
            self._runtime.log.error("ASGI app returned without completing the answer to %s", self._describe())

    def _app_ended(self) -> None:
        """Bring what the app left unfinished to an end that the client can tell from success."""
        self._runtime.exchanges.discard(self)
        state = self._state
        if state == _CLOSED:
            return
        self._closed_by_app(1011, "")
        if state == _OPEN:
            self._stream.close(1011, "")
        elif state == _CONNECTING:
            self._stream.refuse(500)
        else:
            self._stream.deny_cut()

    def _log_cancellation(self) -> None:
        if not self._was_cancelled_by_server:
            self._runtime.log.error("ASGI app was cancelled from within during %s", self._describe())

    def _describe(self) -> str:
        return quote(f"WebSocket {self._scope['path']}")


def _as_fields(headers: Any) -> Headers:
    """Copy what the app gave, which may be a generator; the encoder checks what is in the pairs."""
    try:
        return [(name, value) for name, value in headers or ()]
    except (TypeError, ValueError):
        raise ASGIMisuse(f"headers must be pairs of name and value, not {headers!r}") from None


def _as_bytes(data: Any) -> bytes:
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise ASGIMisuse(f"bytes expected, not {type(data).__name__}")
