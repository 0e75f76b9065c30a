"""One call of the application, in a task of its own, from its first step to whatever ends it.

A conversation is such a call: HttpExchange and WebSocketSession say what its end means for the client.
"""

from __future__ import annotations

import asyncio
from typing import Any

from gasgi._accel import RequestHead
from gasgi.app_errors import comes_from_departure, describe_exception, log_exception
from gasgi.errors import ClientDisconnected
from gasgi.quoting import quote
from gasgi.reporting.timing import Timing
from gasgi.serving.runtime import Runtime

__all__ = ["AppTask"]

# Who moves it:
#   READY --first step--> RUNNING --cancel()--> CANCELLED
#   READY --cancel()--> DROPPED
#   any --the app ended, or its task was cancelled by others before the first step--> ENDED
READY = 0
RUNNING = 1
CANCELLED = 2  # by the server
DROPPED = 3  # by the server, before the first step
ENDED = 4


class AppTask:
    """A subclass calls ``_prepare`` where it is made; ``start`` runs the app."""

    def _prepare(self, runtime: Runtime, scope: dict[str, Any], head: RequestHead) -> None:
        # No __init__: compiled, this is a call in C.
        self._runtime = runtime
        self._scope: dict[str, Any] | None = scope
        self._head = head  # for the log, whatever the app does to its scope
        self._app_state = READY
        self._task: asyncio.Task[None] | None = None
        self.is_client_gone = False
        self.has_failed = False  # with an exception of its own
        self.is_websocket = False
        self._has_dropped_send = False  # one that failed
        self.timing: Timing | None = None  # None: nobody asked

    # What a conversation makes of it

    def disconnect(self) -> None:
        """The client left: the app is to hear so."""
        raise NotImplementedError

    def complete(self) -> None:
        """HTTP is done with it: the response is whole, or never will be."""
        raise NotImplementedError

    def app_returned(self) -> None:
        """The app has returned; ``app_ended`` follows."""
        raise NotImplementedError

    def app_ended(self) -> None:
        """The app is over: bring what it left unfinished to an end that the client can tell from success."""
        raise NotImplementedError

    async def receive(self) -> Any:
        """ASGI's ``receive``."""
        raise NotImplementedError

    def send(self, message: Any) -> Any:
        """ASGI's ``send``."""
        raise NotImplementedError

    # For connections and the server

    def start(self) -> None:
        """Run the app in a task of its own, from the next turn of the loop on."""
        self._runtime.turns.unstarted += 1  # ``run`` takes it back
        coro = self.run()
        try:
            task = self._runtime.spawn(coro)
        except Exception as exc:
            # Of the application's task factory: ``run``, which would tell the end of it, is never entered.
            log_exception(self._runtime.log, exc, "Exception in the task factory for %s", self.describe())
            self.has_failed = True
            if self._app_state == READY:
                self._runtime.turns.unstarted -= 1
            coro.close()
            if self._app_state != ENDED:
                self._end()
            return
        if self._app_state != ENDED:
            self._task = task
            self._runtime.conversations.add(self)

    def cancel(self) -> None:
        """Cancel the app's task: its client left, or the worker has no time left."""
        if self._app_state == READY:
            # A task that is cancelled before its first step never enters run(), which is to tell the end of it.
            self._app_state = DROPPED
        elif self._app_state < DROPPED and self._task is not None:
            self._app_state = CANCELLED
            self._task.cancel()

    def give_grace(self) -> float:
        """Tell the app that its client has left; return when to cancel it, in loop time, 0 when that has been done."""
        self.disconnect()
        seconds = self._runtime.settings.disconnect_grace_s
        if seconds > 0:
            return self._runtime.now + seconds
        self.cancel()
        return 0.0

    def sweep(self) -> None:
        """End what others cancelled before the first step: ``run``, which would tell the end of it, was never entered.

        An app that cancels all that ``asyncio.all_tasks()`` names does that to the requests which came last.
        """
        if self._task is not None and self._task.done():
            self._runtime.turns.unstarted -= 1
            self._log_cancellation()
            self._end()

    def is_running(self) -> bool:
        """Whether the app has not ended."""
        return self._app_state != ENDED

    def running_task(self) -> asyncio.Task[None] | None:
        """Return the task that runs the app, None when it has ended."""
        return self._task

    def was_cancelled(self) -> bool:
        """Whether the server has cancelled it."""
        return self._app_state == CANCELLED or self._app_state == DROPPED

    def send_dropped(self, exc: Exception) -> None:
        """Log that a ``send`` failed and the app did not await it to hear so; once, however often it does that."""
        if not self._has_dropped_send and not issubclass(type(exc), ClientDisconnected):
            self._has_dropped_send = True
            self._runtime.log.error(
                "ASGI app did not await a send() that failed during %s: %s", self.describe(), describe_exception(exc)
            )

    def describe(self) -> str:
        """Name the request in a log line."""
        return quote(f"{self._head.method} {self._head.path}")

    async def run(self) -> None:
        """Run the app; log what goes wrong in it."""
        try:
            if not self._runtime.turns.may_run():
                await self._runtime.turns.put_off()
            if self._app_state == DROPPED:
                return
            self._app_state = RUNNING
            if self.timing is not None:
                self.timing.start()
            await self._runtime.app(self._scope, self.receive, self.send)  # type: ignore[arg-type]
            self.app_returned()
        except asyncio.CancelledError:
            self._log_cancellation()
        except BaseException as exc:
            # SystemExit and KeyboardInterrupt too: one request must not end a worker that serves others.
            if not (self.is_client_gone and comes_from_departure(exc)):
                self.has_failed = True
                log_exception(self._runtime.log, exc, "Exception in ASGI app during %s", self.describe())
        finally:
            self._end()

    def _log_cancellation(self) -> None:
        if not self.was_cancelled():
            self._runtime.log.error("ASGI app cancelled its own task during %s", self.describe())

    def _end(self) -> None:
        """Let go of everything, so that nothing waits for the collector."""
        self._runtime.conversations.discard(self)
        self._app_state = ENDED
        self.app_ended()
        self._scope = None
        self._task = None
