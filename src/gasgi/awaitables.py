"""Awaitables that are finished before anybody awaits them.

``send`` and ``receive`` of ASGI usually have nothing to wait for. A coroutine object for each call costs more than the
call; these cost one attribute. They have the shape of ``collections.abc.Coroutine``, so that ``create_task``,
``ensure_future``, ``wait_for`` and ``gather`` take them as well as ``await`` does.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

__all__ = ["DONE", "Finished"]


class Finished:
    """An awaitable whose result is ``value``; may be awaited any number of times."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, None, Any]:
        return self

    def __iter__(self) -> Finished:
        return self

    def __next__(self) -> Any:
        raise StopIteration(self.value)

    def send(self, value: Any) -> Any:
        """Finish: what a Task calls instead of ``await``."""
        raise StopIteration(self.value)

    def throw(self, exc: Any, value: Any = None, traceback: Any = None) -> Any:
        """Raise ``exc`` in the place of the result, as a Task cancelled before its first step does."""
        raise exc if value is None else value

    def close(self) -> None:
        """Nothing to release."""


class _Done(Finished):
    """``Finished(None)`` without building a StopIteration."""

    def __next__(self) -> Any:
        raise StopIteration


DONE = _Done(None)
"""The finished awaitable that has no result, shared by all callers."""
