"""Sends the head of an answer whose application then falls silent: clients of event streams wait for it.

A head usually leaves with the first piece of the body, and until it has left an error still becomes a 500. One timer of
the worker looks at those that are held; it runs only while there are any.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

__all__ = ["QuietHeads", "QuietStream"]

LOOK_S = 0.025  # a head leaves at the second look after it: 25 to 50 ms after it was held


class QuietStream(Protocol):
    """A stream that may hold a head."""

    number: int
    is_watched: bool

    def holds_head(self) -> bool:
        """Whether the head of the answer waits for the body."""

    def send_held_head(self) -> None:
        """Let it go."""


class QuietHeads:
    """One per worker."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._new: set[QuietStream] = set()
        self._old: dict[QuietStream, int] = {}  # held at the last look, and the number of the answer
        self._is_timed = False

    def watch(self, stream: QuietStream) -> None:
        """Look at a head that is held from now on; call it while ``stream.is_watched`` is false."""
        stream.is_watched = True
        self._new.add(stream)
        if not self._is_timed:
            self._is_timed = True
            self._loop.call_later(LOOK_S, self._look)

    def forget(self, stream: QuietStream) -> None:
        """The stream is lost: hold no reference."""
        stream.is_watched = False
        self._new.discard(stream)
        self._old.pop(stream, None)

    def _look(self) -> None:
        self._is_timed = False
        old, self._old = self._old, {}
        new, self._new = self._new, set()
        for stream in new:
            stream.is_watched = False
            if stream.holds_head():
                self._old[stream] = stream.number
        if self._old:
            self._is_timed = True
            self._loop.call_later(LOOK_S, self._look)
        for stream, number in old.items():
            if stream.number == number and stream.holds_head():
                stream.send_held_head()
