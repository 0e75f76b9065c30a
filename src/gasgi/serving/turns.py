"""How many requests begin in one turn of the loop; those above wait for their turn in the order they came.

The loop reads every connection that has bytes before it runs the first application. Of a thousand requests begun like
that, heads, scopes and tasks are alive at the same time, more than the processor's caches hold: an answer took 19 %
more CPU time and the slowest came later (benchmarks/README.md). What waits is no more than the bytes that came.

Applications that block the loop get shorter turns, down to one request: between turns the loop beats for the arbiter,
and reads, writes and runs what else is due.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

__all__ = ["Turns", "Waiting"]

REQUESTS_PER_TURN = 32
TURN_S = 0.02  # first steps that together take longer are spread over several turns
# The clock is read before the first, second, third and fifth step of a turn, and then before every fourth: nothing next
# to what a request costs, and no more than so many applications that begin to block do so one after the other.
STEPS_PER_LOOK = 4


class Waiting(Protocol):
    """A connection that holds bytes until its turn."""

    def take_turn(self) -> None:
        """Go on with them; called once for each ``wait``, also when the connection is gone by then."""


class Turns:
    """One per worker. ``unstarted`` counts the requests whose task is made and has not run."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float] = time.monotonic) -> None:
        # Fixed for the worker. The loop's own clock may stand still within a turn.
        self._loop = loop
        self._clock = clock

        self._most = REQUESTS_PER_TURN
        self._waiting: deque[Waiting] = deque()
        self._put_off: deque[asyncio.Future[None]] = deque()  # tasks that have run into a turn that is over
        self.unstarted = 0

        # The tasks of this turn, which were all made in the one before
        self._left = 0  # of them have not run
        self._steps = 0  # of them have
        self._look_before = 0  # this step; 0: the turn is over for those left
        self._began_at = 0.0  # by the clock

        # What was begun from the queues, measured as a whole
        self._is_expected = False  # _begin_next is
        self._begun = 0
        self._marked_at = 0.0  # by the clock

    def is_over(self) -> bool:
        """Say whether no more requests begin in this turn of the loop."""
        if self.unstarted >= self._most:
            return True
        # Nobody waits while nothing is to begin them.
        return self._is_expected and (len(self._waiting) > 0 or len(self._put_off) > 0)

    def wait(self, connection: Waiting) -> None:
        """Call ``take_turn`` of ``connection`` after the tasks that are ready now."""
        self._expect()
        self._waiting.append(connection)

    def may_run(self) -> bool:
        """Count the first step of a task; False: others have used the turn up, and it is to await ``put_off``."""
        self.unstarted -= 1
        if self._left == 0:
            self._left = self.unstarted
            if self._left:
                self._steps = self._look_before = 1
                self._began_at = self._clock()
            return True
        self._left -= 1
        if self._steps < self._look_before:
            self._steps += 1
            return True
        return self._look()

    def put_off(self) -> asyncio.Future[None]:
        """Return what a task awaits until its turn, ahead of all ``Waiting``."""
        self._expect()
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._put_off.append(waiter)
        return waiter

    def _look(self) -> bool:
        """Say whether the turn goes on."""
        if self._look_before == 0:
            return False
        took = self._clock() - self._began_at
        if took > TURN_S:
            self._look_before = 0
            self._shorten(self._steps, took)
            return False
        self._look_before += min(self._look_before, STEPS_PER_LOOK)
        self._steps += 1
        return True

    def _expect(self) -> None:
        if not self._is_expected:
            self._is_expected = True
            self._loop.call_soon(self._begin_next)

    def _begin_next(self) -> None:
        self._measure()
        if not self._waiting and not self._put_off:
            self._is_expected = False
            return
        # Mark, the tasks that begin here, and this again: one after the other, so that nothing else is measured.
        self._loop.call_soon(self._mark)
        try:
            while self._begun < self._most and self._put_off:
                self._begun += 1
                waiter = self._put_off.popleft()
                if not waiter.done():
                    waiter.set_result(None)
            # Counted first: a connection that has more to do waits again, for another turn.
            for _ in range(min(self._most - self._begun, len(self._waiting))):
                self._begun += 1
                self._waiting.popleft().take_turn()
        finally:
            # Whatever one of them raises, such as the task factory of an application: the others get their turn.
            self._loop.call_soon(self._begin_next)

    def _mark(self) -> None:
        self._marked_at = self._clock()

    def _measure(self) -> None:
        """Let the next turn be as long as the last one has been short."""
        begun, self._begun = self._begun, 0
        if begun == 0:
            return
        took = self._clock() - self._marked_at
        if took > TURN_S:
            self._shorten(begun, took)
        else:
            self._most = min(self._most * 2, REQUESTS_PER_TURN)

    def _shorten(self, begun: int, took: float) -> None:
        # Half at the most, since what took so long may have been a single one.
        self._most = max(1, min(self._most // 2, int(begun * TURN_S / took)))
