"""One request and its response: the ASGI ``receive`` and ``send``, and the task that runs the app.

Knows the ASGI rules and nothing of framing: the request's body arrives through ``feed_body`` and ``end_body``, the
response leaves through an HttpStream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any

from gasgi._accel import RequestHead
from gasgi.asgi.app_task import AppTask
from gasgi.asgi.awaitables import DONE, Failed
from gasgi.asgi.events import checked_event, read_fields
from gasgi.asgi.stream import HttpStream
from gasgi.errors import ASGIMisuse, ClientDisconnected
from gasgi.serving.pieces import add_piece
from gasgi.serving.runtime import Runtime

__all__ = ["HttpExchange"]

# How far the response is. Who moves it:
#   NOT_STARTED --http.response.start--> READING --its fields are read--> HEAD_HELD --first body--> STREAMING
#   READING --what is read raises--> NOT_STARTED
#   STREAMING --last body--> COMPLETE
#   HEAD_HELD, STREAMING --a file--> SENDING_FILE --it is sent--> STREAMING
#   SENDING_FILE --nothing of it could be sent--> HEAD_HELD
#   HEAD_HELD, STREAMING, SENDING_FILE --last body, trailers announced--> TRAILERS --last trailers--> COMPLETE
#   any --the app failed, or the client left and the app has ended--> COMPLETE
NOT_STARTED = 0
READING = 1  # the fields of the app's, which may send meanwhile: an iterator is code
HEAD_HELD = 2
STREAMING = 3
SENDING_FILE = 4
TRAILERS = 5
COMPLETE = 6

_EVENTS = (
    "http.response.start, http.response.body, http.response.trailers, http.response.pathsend, "
    "http.response.zerocopysend, http.response.early_hint"
)


class HttpExchange(AppTask):
    """Made for one request; ``prepare`` comes first."""

    def prepare(self, runtime: Runtime, stream: HttpStream, scope: dict[str, Any], head: RequestHead) -> None:
        """Begin: what a constructor would do, whose arguments would be packed and unpacked."""
        self._prepare(runtime, scope, head)
        self._stream = stream

        # The request's body
        self._pieces: list[bytes] | None = None
        self.buffered = 0  # bytes in _pieces
        self._is_body_ended = not (head.is_chunked or head.content_length > 0)
        self._is_body_delivered = False

        # The response
        self._state = NOT_STARTED
        self._has_trailers = False

        self._waiters: list[asyncio.Future[None]] | None = None

    # What the stream calls

    def feed_body(self, data: bytes) -> None:
        """Take a piece of the request's body."""
        if self._state == COMPLETE:
            return
        if self._pieces is None:
            self._pieces = [data]
        else:
            add_piece(self._pieces, data)
        self.buffered += len(data)
        if self._waiters is not None:
            self._wake()

    def end_body(self) -> None:
        """The request's body is whole."""
        self._is_body_ended = True
        if self._waiters is not None:
            self._wake()

    def disconnect(self) -> None:
        """The client left: wake ``receive`` with http.disconnect; ``send`` raises once the stream says so."""
        self.is_client_gone = True
        if self._waiters is not None:
            self._wake()

    def complete(self) -> None:
        """The stream has the whole response, or gave up on it: later events are ignored."""
        self._state = COMPLETE
        self._pieces = None
        self.buffered = 0
        if self._waiters is not None:
            self._wake()

    # AppTask

    def app_returned(self) -> None:
        if self._state != COMPLETE and not self.is_client_gone and not self.was_cancelled():
            self._runtime.log.error("ASGI app returned without completing the response to %s", self.describe())

    def app_ended(self) -> None:
        if self._state != COMPLETE:
            self._state = COMPLETE
            if self.is_client_gone and not self.has_failed:
                self._stream.give_up()
            else:
                self._stream.fail()
        self._stream.exchange_ended()
        self._pieces = None

    # The application's side

    async def receive(self) -> dict[str, Any]:
        """ASGI receive: http.request until the body is delivered, then http.disconnect, as often as it is asked for."""
        # Nothing is taken before the first step, and the state is read again after each wait: a receive() that is
        # cancelled takes nothing with it.
        while True:
            message = self._next_message()
            if message is not None:
                return message
            # After the whole body it waits for the client to leave, which is no wait for the client's body.
            timing = None if self._is_body_ended else self.timing
            if not self._is_body_ended:
                self._stream.body_taken(0)
            waiter = self._runtime.loop.create_future()
            if self._waiters is None:
                self._waiters = []
            self._waiters.append(waiter)
            if timing is not None:
                timing.begin_body_wait()
            try:
                await waiter
            except BaseException:
                # Starlette's is_disconnected() cancels one receive() after the other.
                if self._waiters is not None and waiter in self._waiters:
                    self._waiters.remove(waiter)
                raise
            finally:
                if timing is not None:
                    timing.end_body_wait()

    def send(self, message: dict[str, Any]) -> Awaitable[None]:
        """ASGI send. The message takes effect now; what is wrong with it is raised where the result is awaited.

        That is ASGIMisuse for an event that is not allowed now, ClientDisconnected when the client left, and whatever
        the app's own header iterable raises.
        """
        try:
            event = message if type(message) is dict else checked_event(message)
            kind = event.get("type")
            if kind == "http.response.body":
                return self._send_body(event)
            if kind == "http.response.start":
                return self._send_start(event)
            return self._send_other(kind, event)
        except Exception as exc:
            return Failed(exc, self.send_dropped)

    # Helpers

    def _next_message(self) -> dict[str, Any] | None:
        if self._state == COMPLETE:
            return {"type": "http.disconnect"}
        if self._is_body_ended:
            # A client may shut its side once it has sent the request: a whole body comes before http.disconnect.
            if not self._is_body_delivered:
                return self._take_body()
            return {"type": "http.disconnect"} if self.is_client_gone else None
        if self.is_client_gone:
            return {"type": "http.disconnect"}
        return self._take_body() if self._pieces is not None else None

    def _take_body(self) -> dict[str, Any]:
        pieces, self._pieces = self._pieces, None
        buffered, self.buffered = self.buffered, 0
        self._is_body_delivered = self._is_body_ended
        if pieces is None:
            body = b""
        elif len(pieces) == 1:
            body = pieces[0]
        else:
            body = b"".join(pieces)
        if buffered and not self._is_body_ended:
            self._stream.body_taken(buffered)
        return {"type": "http.request", "body": body, "more_body": not self._is_body_ended}

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, None
        if waiters is not None:
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def _send_start(self, message: dict[str, Any]) -> Awaitable[None]:
        if self._state != NOT_STARTED:
            return self._out_of_turn("http.response.start")
        self._state = READING
        try:
            status = message.get("status")
            if type(status) is not int:
                status = _checked_status(status)
            headers = message.get("headers")
            self._has_trailers = bool(message.get("trailers", False))
            self._stream.prepare_head(status, () if headers is None else headers)
        except BaseException:
            self._state = NOT_STARTED
            raise
        self._state = HEAD_HELD
        return DONE

    def _send_body(self, message: dict[str, Any]) -> Awaitable[None]:
        if self._state != HEAD_HELD and self._state != STREAMING:
            return self._out_of_turn("http.response.body")
        body = message.get("body", b"")
        more = message.get("more_body", False)
        if type(body) is not bytes or type(more) is not bool:
            body = _checked_body(body)
            more = bool(more)
            # The code of a subclass may have sent.
            if self._state != HEAD_HELD and self._state != STREAMING:
                return self._out_of_turn("http.response.body")
        if more:
            result = self._stream.send_body(body, True)
            self._state = STREAMING
        elif self._has_trailers:
            result = self._stream.send_body(body, True)
            self._state = TRAILERS
        else:
            result = self._stream.send_body(body, False)
        return result

    def _send_other(self, kind: object, message: dict[str, Any]) -> Awaitable[None]:
        stream = self._stream
        if isinstance(kind, str):
            kind = str.__str__(kind)  # of a subclass, such as an enumeration's, its text
            if self._state == COMPLETE and kind.startswith("http.response."):
                return self._out_of_turn(kind)
        if kind == "http.response.pathsend":
            path = message.get("path")
            if not isinstance(path, str):
                raise ASGIMisuse(f"http.response.pathsend needs 'path' as a str, not {path!r}")
            return self._send_file(kind, str.__str__(path), None, None, False)
        if kind == "http.response.zerocopysend":
            file = message.get("file")
            if not _has_descriptor(file):
                raise ASGIMisuse(f"http.response.zerocopysend needs 'file' as a file with a descriptor, not {file!r}")
            return self._send_file(
                kind,
                file,
                message.get("offset"),
                message.get("count"),
                bool(message.get("more_body", False)),
            )
        if kind == "http.response.trailers":
            if self._state == TRAILERS:
                more = bool(message.get("more_trailers", False))
                fields = read_fields(message.get("headers"))
            if self._state != TRAILERS:
                return self._out_of_turn(kind)
            return stream.send_trailers(fields, more)
        if kind == "http.response.early_hint":
            if self._state == NOT_STARTED or self._state == HEAD_HELD:
                fields = read_fields([(b"link", link) for link in message.get("links", ())])
            if self._state == STREAMING:
                return DONE  # allowed, but nothing can go before a head that is sent
            if self._state == READING or self._state > STREAMING:
                return self._out_of_turn(kind)
            return stream.send_informational(103, fields)
        if kind == "http.response.informational":
            # gunicorn's own worker has this message; apps written for it keep working.
            if self._state == NOT_STARTED or self._state == HEAD_HELD:
                status = _checked_status(message.get("status"))
                if not 102 <= status <= 199:
                    raise ASGIMisuse(f"http.response.informational takes a status from 102 to 199, not {status}")
                fields = read_fields(message.get("headers"))
            if self._state != NOT_STARTED and self._state != HEAD_HELD:
                return self._out_of_turn(kind)
            return stream.send_informational(status, fields)
        raise ASGIMisuse(f"unknown ASGI event {kind!r}; an HTTP response takes {_EVENTS}")

    def _send_file(self, kind: str, file: Any, offset: int | None, count: int | None, more: bool) -> Awaitable[None]:
        if self._state != HEAD_HELD and self._state != STREAMING:
            return self._out_of_turn(kind)
        for name, value in (("offset", offset), ("count", count)):
            if value is not None and (type(value) is not int or value < 0):
                raise ASGIMisuse(f"{kind} needs '{name}' as a number of bytes, not {value!r}")
        awaitable = self._stream.send_file(file, offset, count, more or self._has_trailers)
        return self._finish_file(kind, awaitable, self._state, more)

    async def _finish_file(self, kind: str, awaitable: Coroutine[Any, Any, None], before: int, more: bool) -> None:
        """Let nothing else be sent while a file is on its way."""
        if self._state == SENDING_FILE:
            awaitable.close()
            self._out_of_turn(kind)
        if self._state != COMPLETE:  # the app may have ended before this began
            self._state = SENDING_FILE
        try:
            await awaitable
        except BaseException:
            if self._state == SENDING_FILE:
                self._state = before
            raise
        if self._state == SENDING_FILE:
            self._state = STREAMING if more else TRAILERS

    def _out_of_turn(self, kind: str) -> Awaitable[None]:
        """An event in the wrong state: ignored after the end, an error before it (ASGI HTTP, "Disconnected client")."""
        if self._state == COMPLETE:
            if self.is_client_gone:
                raise ClientDisconnected("the client disconnected before the response was sent")
            return DONE
        if self._state == NOT_STARTED:
            raise ASGIMisuse(f"{kind} was sent before http.response.start")
        if self._state == READING:
            raise ASGIMisuse(f"{kind} was sent by the headers of http.response.start, while they were read")
        if self._state == SENDING_FILE:
            raise ASGIMisuse(f"{kind} was sent before the previous file's send() had been awaited")
        if self._state == TRAILERS:
            raise ASGIMisuse(f"{kind} was sent when http.response.trailers was expected")
        raise ASGIMisuse(f"{kind} was sent after http.response.start" if kind.endswith("start") else f"{kind} is late")


def _has_descriptor(file: Any) -> bool:
    if isinstance(file, int):
        return file >= 0 and not isinstance(file, bool)
    try:
        return isinstance(file.fileno(), int)
    except (AttributeError, OSError, ValueError):  # io.BytesIO has a fileno() that raises
        return False


def _checked_status(status: Any) -> int:
    # bool is an int to Python and a mistake here; IntEnum (http.HTTPStatus) is what frameworks send.
    if not isinstance(status, int) or isinstance(status, bool):
        raise ASGIMisuse(f"http.response.start needs 'status' as an int, not {status!r}")
    return int(status)


def _checked_body(body: Any) -> bytes:
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    raise ASGIMisuse(f"http.response.body needs 'body' as bytes, not {type(body).__name__}")
