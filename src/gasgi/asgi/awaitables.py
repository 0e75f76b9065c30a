"""Awaitables that are over before anybody awaits them: what ``send`` of ASGI returns when it has nothing to wait for.

A coroutine object for each call costs more than the call. These have the shape of ``collections.abc.Coroutine``, so
that ``create_task``, ``ensure_future``, ``wait_for`` and ``gather`` take them as well as ``await`` does.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

__all__ = ["DONE", "Failed"]

# At its end, and stays there: nobody can tell one use of it from another.
_EXHAUSTED: Generator[Any, None, None] = iter(())  # type: ignore[assignment]  # await needs no more than an iterator


class _Done:
    """Without state, so one serves all callers, any number of times."""

    def __await__(self) -> Generator[Any, None, None]:
        return _EXHAUSTED

    def send(self, value: Any) -> Any:
        """Finish: what a Task calls instead of ``await``."""
        raise StopIteration

    def throw(self, exc: Any, value: Any = None, traceback: Any = None) -> Any:
        """Raise ``exc`` in the place of the result, as a Task cancelled before its first step does."""
        raise exc if value is None else value

    def close(self) -> None:
        """Nothing to release."""


DONE = _Done()
"""The finished awaitable that has no result."""


class Failed:
    """Raises ``exc`` where it is awaited, not where it was made: the caller may hand it to a task or to ``gather``.

    ``when_dropped`` is called with ``exc`` when nobody ever awaits it: the mistake would be lost.
    """

    def __init__(self, exc: Exception, when_dropped: Callable[[Exception], object]) -> None:
        self._exc = exc
        self._when_dropped: Callable[[Exception], object] | None = when_dropped

    def __await__(self) -> Generator[Any, None, None]:
        return self.send(None)  # type: ignore[no-any-return]  # it raises

    def send(self, value: Any) -> Any:
        """Fail: what a Task calls instead of ``await``."""
        self._when_dropped = None
        raise self._exc

    def throw(self, exc: Any, value: Any = None, traceback: Any = None) -> Any:
        """Raise ``exc`` instead, as a Task cancelled before its first step does."""
        self._when_dropped = None
        raise exc if value is None else value

    def close(self) -> None:
        """Forget the failure."""
        self._when_dropped = None

    def __del__(self) -> None:
        if self._when_dropped is not None:
            self._when_dropped(self._exc)
