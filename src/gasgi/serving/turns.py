"""How many requests begin in one turn of the loop; those above wait for their turn in the order they came.

The loop reads every connection that has bytes before it runs the first application. Of a thousand requests begun like
that, heads, scopes and tasks are alive at the same time, more than the processor's caches hold: an answer took 19 %
more CPU time and the slowest came later (docs/performance.md). What waits is no more than the bytes that came.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

__all__ = ["Turns", "Waiting"]

REQUESTS_PER_TURN = 32


class Waiting(Protocol):
    """A connection that holds bytes until its turn."""

    def take_turn(self) -> None:
        """Go on with them; called once for each ``wait``, also when the connection is gone by then."""


class Turns:
    """One per worker. ``unstarted`` counts the requests whose task is made and has not run."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._most = REQUESTS_PER_TURN
        self._waiting: deque[Waiting] = deque()
        self._is_scheduled = False
        self.unstarted = 0

    def is_over(self) -> bool:
        """Say whether no more requests begin in this turn of the loop."""
        return self.unstarted >= self._most or len(self._waiting) > 0

    def wait(self, connection: Waiting) -> None:
        """Call ``take_turn`` of ``connection`` behind the tasks that are ready now."""
        self._waiting.append(connection)
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._begin_next)

    def _begin_next(self) -> None:
        try:
            for _ in range(min(self._most, len(self._waiting))):
                self._waiting.popleft().take_turn()
        finally:
            # Whatever one of them raises, such as the task factory of an application: the others get their turn.
            self._is_scheduled = len(self._waiting) > 0
            if self._is_scheduled:
                self._loop.call_soon(self._begin_next)
