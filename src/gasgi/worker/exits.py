"""Runs a worker's loop, and ends the process, in spite of the application.

Its tasks and callbacks may raise SystemExit; its tasks, generators and threads may not end.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from gasgi.app_errors import describe_exception, safe_text

if TYPE_CHECKING:
    from gasgi.serving.runtime import Log

__all__ = ["LoopRunner", "describe_exit", "leave_threads_behind"]


class LoopRunner:
    """``on_exit`` is called with each SystemExit or KeyboardInterrupt that does not come from the task that is run."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_exit: Callable[[BaseException], None]) -> None:
        self._loop = loop
        self._on_exit = on_exit

    def run(self, task: asyncio.Task[Any]) -> Any:
        """Run the loop until ``task`` is done, also when tasks or callbacks of the application raise SystemExit."""
        while not task.done():
            try:
                self._loop.run_until_complete(task)
            except (SystemExit, KeyboardInterrupt) as exc:
                if not task.done():
                    self._on_exit(exc)
        return task.result()

    def end_tasks(self, patience_s: Callable[[], float]) -> None:
        """Cancel what is left and run the finally-blocks; ask twice how long that may take."""
        pending = asyncio.all_tasks(self._loop)
        for task in pending:
            task.cancel()
        if pending:
            self._wait(pending, patience_s())
        # Generators of the app may wait in their finally-blocks, too.
        self._wait((self._loop.create_task(self._loop.shutdown_asyncgens()),), patience_s())

    def _wait(self, tasks: Iterable[asyncio.Task[Any]], seconds: float) -> None:
        self.run(self._loop.create_task(_wait(tasks, seconds)))


async def _wait(tasks: Iterable[asyncio.Task[Any]], seconds: float) -> None:
    await asyncio.wait(tasks, timeout=seconds)


def leave_threads_behind(patience_s: float, code: int, log: Log) -> None:
    """Exit with ``code`` after ``patience_s``: Python would wait for threads without heartbeat and without end."""

    def leave() -> None:
        log.warning("Application threads did not finish in time; exiting without waiting for them")
        os._exit(code)

    timer = threading.Timer(patience_s, leave)
    timer.daemon = True
    timer.start()


def describe_exit(exc: BaseException) -> str:
    """Write what ended something, as the application wrote it where it was sys.exit()."""
    return f"sys.exit({safe_text(exc.code, repr)})" if isinstance(exc, SystemExit) else describe_exception(exc)
