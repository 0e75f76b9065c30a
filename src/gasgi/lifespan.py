"""The ASGI lifespan conversation (lifespan 2.0): startup before the first connection, shutdown after the last."""

from __future__ import annotations

import asyncio
from typing import Any

from gasgi.errors import ASGIMisuse
from gasgi.runtime import Log
from gasgi.types import ASGIApp, Message

__all__ = ["Lifespan", "LifespanFailed"]

# Who moves the state:
#   STARTING --startup.complete--> RUNNING --shutdown sent--> STOPPING --shutdown.complete, shutdown.failed--> ENDED
#   STARTING --startup.failed, or the app returned or raised--> ENDED
STARTING, RUNNING, STOPPING, ENDED = range(4)


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
        self._wants_shutdown = asyncio.Event()
        self._answered = asyncio.Event()
        self._failure: str | None = None
        self.state: dict[str, Any] = {}

    @property
    def is_running(self) -> bool:
        """Whether the app completed its startup and takes part in the shutdown."""
        return self._state == RUNNING

    async def startup(self) -> None:
        """Send lifespan.startup and wait for the answer, however long it takes. Raises LifespanFailed."""
        self._task = asyncio.create_task(self._run(), name="gasgi-lifespan")
        await self._answered.wait()
        self._answered.clear()
        if self._failure is not None:
            raise LifespanFailed(self._failure)

    async def shutdown(self, timeout_s: float) -> None:
        """Send lifespan.shutdown and wait for the answer for ``timeout_s``; what goes wrong is logged."""
        if self._state != RUNNING or self._task is None:
            return
        self._state = STOPPING
        self._answered.clear()
        self._wants_shutdown.set()
        try:
            await asyncio.wait_for(self._answered.wait(), timeout_s)
            # The app may have more to do behind its answer, as an async generator does.
            await asyncio.wait((self._task,), timeout=timeout_s)
        except asyncio.TimeoutError:
            self._log.error("ASGI lifespan shutdown took longer than %.1f s and was cut off (graceful_timeout)", timeout_s)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=1.0)

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._receive, self._send)
        except Exception:
            self._on_exception()
        else:
            self._on_return()
        finally:
            self._state = ENDED
            self._answered.set()

    def _on_exception(self) -> None:
        if self._state != STARTING:
            self._log.exception("Exception in ASGI lifespan")
        elif self._failure is None:
            if self._mode == "on":
                self._log.exception("Exception in ASGI lifespan startup")
                self._failure = "the app raised an exception"
            else:
                self._log.info("ASGI lifespan is not supported by the app: it raised an exception (--asgi-lifespan auto)")

    def _on_return(self) -> None:
        if self._state == STARTING and self._failure is None:
            if self._mode == "on":
                self._failure = "the app returned without lifespan.startup.complete"
            else:
                self._log.debug("ASGI lifespan is not supported by the app: it returned (--asgi-lifespan auto)")

    async def _receive(self) -> Message:
        if not self._was_startup_sent:
            self._was_startup_sent = True
            return {"type": "lifespan.startup"}
        await self._wants_shutdown.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete" and self._state == STARTING:
            self._state = RUNNING
        elif kind == "lifespan.startup.failed" and self._state == STARTING:
            self._failure = str(message.get("message") or "the app gave no reason")
        elif kind == "lifespan.shutdown.complete" and self._state == STOPPING:
            self._state = ENDED
        elif kind == "lifespan.shutdown.failed" and self._state == STOPPING:
            self._state = ENDED
            self._log.error("ASGI lifespan shutdown failed: %s", message.get("message") or "the app gave no reason")
        else:
            raise ASGIMisuse(f"ASGI event {kind!r} is unknown to the lifespan or not allowed now")
        self._answered.set()
