"""The ASGI lifespan conversation (lifespan 2.0): startup before the first connection, shutdown after the last."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from gasgi.app_errors import describe_exception, log_exception, safe_text
from gasgi.errors import ASGIMisuse
from gasgi.serving.runtime import Log
from gasgi.types import ASGIApp, Message

__all__ = ["Lifespan", "LifespanFailed"]

# Who moves the state:
#   STARTING --startup.complete--> RUNNING --shutdown sent--> STOPPING --shutdown.complete, shutdown.failed--> ENDED
#   STARTING --startup.failed, or the app returned or raised--> ENDED
STARTING, RUNNING, STOPPING, ENDED = range(4)

ABANDON_S = 0.5  # what a cancelled call gets for its finally-blocks; a tenth of its time when that is less
CANCELLED = "its lifespan cancelled its own task"


class LifespanFailed(Exception):
    """The app said ``lifespan.startup.failed``, or failed under ``--asgi-lifespan on``; the text is the reason."""


class Lifespan:
    """One per worker. ``mode`` is "auto" (an app that raises at startup does without) or "on" (it stops the boot)."""

    def __init__(self, app: ASGIApp, log: Log, mode: str) -> None:
        self._app = app
        self._log = log
        self._mode = mode
        self._state = STARTING
        self._task: asyncio.Task[None] | None = None  # kept here: the loop itself only holds tasks weakly
        self._was_startup_sent = False
        self._was_shutdown_sent = False
        self._asks_again = False  # for more after lifespan.shutdown: an app that loops and does not return
        # It has answered, too: nothing will come of waiting for its return. No task that the app could cancel.
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wants_shutdown = asyncio.Event()
        self._answered = asyncio.Event()
        self._was_abandoned = False
        self._failure: str | None = None
        self.state: dict[str, Any] = {}

    @property
    def is_running(self) -> bool:
        """Whether the app completed its startup and takes part in the shutdown."""
        return self._state == RUNNING

    async def startup(self) -> None:
        """Send lifespan.startup and wait for the answer, however long it takes. Raises LifespanFailed."""
        self._task = asyncio.create_task(self._run(), name="gasgi-lifespan")
        self._task.add_done_callback(self._on_end)
        await self._answered.wait()
        if self._failure is not None:
            raise LifespanFailed(self._failure)

    async def shutdown(self, timeout_s: float) -> None:
        """Send lifespan.shutdown and return within ``timeout_s``, whatever the app does; what goes wrong is logged."""
        if self._state != RUNNING or self._task is None:
            return
        self._state = STOPPING
        self._wants_shutdown.set()
        # Not for its answer: the app may have more to do after it, as an async generator does.
        abandon_s = min(ABANDON_S, timeout_s / 10)
        left_s = timeout_s - abandon_s
        give_up_at = time.monotonic() + left_s
        while not self._task.done() and not self._over.done() and left_s >= 0:
            # An app that cancels all tasks but its own cancels this wait too.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait((self._task, self._over), timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            left_s = give_up_at - time.monotonic()
        if self._task.done():
            return
        if not self._over.done():
            self._log.error(
                "ASGI lifespan shutdown took longer than %.1f s and was cut off (graceful_timeout)", timeout_s
            )
        await self.abandon(abandon_s)

    async def abandon(self, seconds: float = ABANDON_S) -> None:
        """Cancel the app's lifespan call and give it a moment for its finally-blocks."""
        if self._task is not None and not self._task.done():
            self._was_abandoned = True
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=seconds)

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._receive, self._send)
        except asyncio.CancelledError as exc:
            if not self._was_abandoned:
                self._on_exception(exc, CANCELLED)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except SystemExit as exc:
            # Let through, gunicorn would start the worker anew for ever.
            self._failure = self._failure or f"the application called sys.exit({safe_text(exc.code, repr)})"
        except BaseException as exc:
            self._on_exception(exc, describe_exception(exc))
        else:
            self._on_return()
        finally:
            self._state = ENDED
            self._answered.set()

    def _on_end(self, _: asyncio.Task[None]) -> None:
        """End what was cancelled before its first step: ``_run``, which would wake who waits, was never entered."""
        if self._state == STARTING:
            if not self._was_abandoned and self._mode == "on":
                self._failure = CANCELLED
            elif not self._was_abandoned:
                self._do_without(CANCELLED)
            self._state = ENDED
            self._answered.set()

    def _on_exception(self, exc: BaseException, reason: str) -> None:
        if self._state != STARTING:
            log_exception(self._log, exc, "Exception in ASGI lifespan")
        elif self._failure is None:
            if self._mode == "on":
                log_exception(self._log, exc, "Exception in ASGI lifespan startup")
                self._failure = reason
            else:
                self._do_without(reason)

    def _do_without(self, reason: str) -> None:
        # ASGI lifespan 2.0, "Scope": an app that raises at this scope is served without it.
        self._log.info("Application does not support the ASGI lifespan protocol: %s (--asgi-lifespan auto)", reason)

    def _on_return(self) -> None:
        if self._state == STARTING and self._failure is None:
            if self._mode == "on":
                self._failure = "the application returned without lifespan.startup.complete"
            else:
                self._log.debug(
                    "Application does not support the ASGI lifespan protocol: it returned (--asgi-lifespan auto)"
                )

    async def _receive(self) -> Message:
        if not self._was_startup_sent:
            self._was_startup_sent = True
            return {"type": "lifespan.startup"}
        await self._wants_shutdown.wait()
        if not self._was_shutdown_sent:
            self._was_shutdown_sent = True
            return {"type": "lifespan.shutdown"}
        self._asks_again = True
        self._note_whether_over()
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]  # there is no more

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete" and self._state == STARTING:
            self._state = RUNNING
        elif kind == "lifespan.startup.failed" and self._state == STARTING:
            self._failure = _reason_in(message)
        elif kind == "lifespan.shutdown.complete" and self._state == STOPPING:
            self._state = ENDED
        elif kind == "lifespan.shutdown.failed" and self._state == STOPPING:
            self._state = ENDED
            self._log.error("ASGI lifespan shutdown failed: %s", _reason_in(message))
        else:
            raise ASGIMisuse(f"ASGI event {kind!r} is unknown, or not allowed at this point of the lifespan")
        self._answered.set()
        self._note_whether_over()

    def _note_whether_over(self) -> None:
        if self._asks_again and self._state == ENDED and not self._over.done():
            self._over.set_result(None)


def _reason_in(message: Message) -> str:
    return safe_text(message.get("message") or "the application gave no reason")
