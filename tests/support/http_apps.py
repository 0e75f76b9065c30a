"""Applications that connection tests serve."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.served import Served

__all__ = ["Call", "Recorder", "Stepper", "answering", "echo", "head", "hello", "last", "piece", "read_body"]

Message = dict[str, Any]


def head(status: int = 200, headers: Any = (), **more: Any) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers, **more}


def piece(body: bytes = b"") -> Message:
    """A part of the body that is not the last."""
    return {"type": "http.response.body", "body": body, "more_body": True}


def last(body: bytes = b"") -> Message:
    return {"type": "http.response.body", "body": body}


async def read_body(receive: Any) -> bytes:
    """The whole request body; an error when the client leaves before its end."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RuntimeError("the body is not whole")
        body += message["body"]
        if not message["more_body"]:
            return body


def answering(*messages: Message) -> Any:
    """An app that sends these messages to every request and does not read."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return app


hello = answering(head(), last(b"hello"))


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with method, target and body of the request."""
    body = await read_body(receive)
    await send(head(headers=[(b"x-method", scope["method"].encode()), (b"x-path", scope["raw_path"])]))
    await send(last(body))


class Recorder:
    """An app around another one that keeps every scope and every message received."""

    def __init__(self, app: Any = hello) -> None:
        self.app = app
        self.scopes: list[Any] = []
        self.received: list[Message] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)

        async def recording_receive() -> Message:
            message = await receive()
            self.received.append(message)
            return message

        await self.app(scope, recording_receive, send)

    @property
    def paths(self) -> list[str]:
        return [scope["path"] for scope in self.scopes]


class Stepper:
    """An app that a test leads by the hand: each call waits until the test lets it go on.

    Beside ``Call`` because its steps are queued ahead and run in the app's own task, several in one turn of the loop.
    ``calls`` holds one list per call, of what came of each step: a message received, None, or the exception.
    """

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []
        self.scopes: list[Any] = []
        self._queues: list[asyncio.Queue[Any]] = []
        self.ended: list[bool] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        number = len(self.calls)
        self.scopes.append(scope)
        results: list[Any] = []
        queue: asyncio.Queue[Any] = asyncio.Queue()
        self.calls.append(results)
        self._queues.append(queue)
        self.ended.append(False)
        try:
            while (step := await queue.get()) is not None:
                if isinstance(step, BaseException):
                    raise step
                try:
                    results.append(await (receive() if step == "receive" else send(step)))
                except Exception as exc:
                    results.append(exc.with_traceback(None))  # which would hold this frame, a cycle
        finally:
            self.ended[number] = True

    def step(self, *steps: Any, call: int = -1) -> None:
        """Queue what the call does next: "receive", a message to send, an exception to raise, None to return."""
        for step in steps:
            self._queues[call].put_nowait(step)


class Call:
    """One call of an app that the test speaks for: ``say`` and ``hear`` are its send and receive.

    Beside ``Stepper`` because each event is sent from outside the app's task, and the test has its outcome at once.
    """

    def __init__(self, served: Served, scope: Any, receive: Any, send: Any) -> None:
        self.served = served
        self.scope, self.receive, self.send = scope, receive, send
        self.was_cancelled = False
        self.end: asyncio.Future[None] = served.loop.create_future()

    async def wait(self) -> None:
        """Be the app, until the test ends it."""
        try:
            await self.end
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise

    def tell(self, message: Any) -> asyncio.Task[None]:
        """Send; raises what send raises, returns the task, which is not done while send waits."""

        async def send() -> None:
            await self.send(message)

        task = self.served.loop.create_task(send())
        self.served.settle()
        if task.done():
            task.result()
        return task

    def say(self, kind: str, **keys: Any) -> asyncio.Task[None]:
        """Send an event of a response, as ``tell`` does."""
        return self.tell({"type": "http.response." + kind, **keys})

    def start(self, status: int = 200, *headers: tuple[bytes, bytes], **keys: Any) -> None:
        self.say("start", status=status, headers=headers, **keys)

    def listen(self) -> asyncio.Task[Any]:
        """Begin to receive."""

        async def receive() -> Any:
            return await self.receive()

        task = self.served.loop.create_task(receive())
        self.served.settle()
        return task

    def hear(self) -> Any:
        """Receive; fails when there is nothing."""
        task = self.listen()
        if not task.done():
            task.cancel()
            self.served.settle()
            raise AssertionError("nothing to receive")
        return task.result()

    def finish(self) -> None:
        """Let the app return."""
        if not self.end.done():
            self.end.set_result(None)
        self.served.settle()

    def crash(self, exc: BaseException) -> None:
        """Let the app raise."""
        self.end.set_exception(exc)
        self.served.settle()
