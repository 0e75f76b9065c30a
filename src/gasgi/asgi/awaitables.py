"""An awaitable that is finished before anybody awaits it.

``send`` of ASGI usually has nothing to wait for, and a coroutine object for each call costs more than the call. This
has the shape of ``collections.abc.Coroutine``, so that ``create_task``, ``ensure_future``, ``wait_for`` and ``gather``
take it as well as ``await`` does.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

__all__ = ["DONE"]

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
