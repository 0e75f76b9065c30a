"""Decides how many waiting connections a worker may take, so that workers on one listening socket share them.

Whoever is awake takes what comes: of 64 clients that connect at once, two of four workers got none. So a worker above
its share steps back and lets siblings take what waits. Patience is bounded: nobody waits for one that cannot answer.
"""

from __future__ import annotations

from collections.abc import Callable

from gasgi.reporting.scoreboard import Slot
from gasgi.reporting.slot_layout import (
    ACCEPTED,
    BEAT,
    CONNECTIONS,
    IS_ACCEPTING,
    LOOK,
    MICROSECONDS,
    SLOT_NUMBERS,
    STALE_US,
)

__all__ = ["Sharing"]

# Above the mean of its siblings, and nothing is said against it: the larger of the two.
SLACK = 2.0
SLACK_SHARE = 0.25
# So much above the mean of all is far above.
FAR = 8.0
FAR_SHARE = 1.5
CLOSED_SHARE = 5  # of what is too much, one in so many is closed in a second
# A sibling that has not looked for so long while connections waited counts as deaf until it looks again.
PATIENCE_US = 3_000
# Siblings that take one a millisecond meanwhile do well enough to be left to it.
TAKEN_MEANWHILE = 3
PACE_US = 900  # between two times that it takes what deaf siblings have not come for
PLENTY = 1_000_000
MOST_BURST = 1024


class Sharing:
    """One per worker that has siblings on the same listening sockets. Looks at their slots, and writes to its own."""

    def __init__(self, slot: Slot, count_waiting: Callable[[], int]) -> None:
        """``count_waiting`` tells how many connections wait to be accepted, 0 where nobody knows."""
        self._slot = slot
        self._count_waiting = count_waiting
        self._numbers = slot.numbers
        self._own = slot.index + 1

        # Of the siblings at the last look
        self._siblings = 0
        self._hearing = 0  # those of them that are not deaf
        self._connections = 0
        self._connections_hearing = 0
        self._mean = 0.0
        self._mean_hearing = 0.0
        self._accepted = 0

        self._is_spreading = False  # holds far more than its share, or did a moment ago
        self._deaf: dict[int, int] = {}  # sibling to the time of the look after which it was deaf
        # While it steps back: since when, µs, and what the siblings had accepted by then
        self._patient_since = 0
        self._accepted_then = 0
        self._burst = 1  # how many are taken when patience ends
        self._burst_at = 0  # µs

    def room(self, held: int, now: float) -> int:
        """Return how many connections above those ``held`` may be taken now (loop time, seconds); 0: step back."""
        now_us = int(now * MICROSECONDS)
        self._slot.look(now)
        self._slot.hold(held)
        self._look_at_siblings(now_us)
        if not self._siblings:
            self._patient_since = 0
            return PLENTY
        room = self._share(self._mean) - held
        if room > 0:
            self.rest()
            return room
        # Siblings may take a while to come, and who waits for them waits too: a part of the queue is this worker's.
        waiting = self._count_waiting()
        room = (self._connections + held + waiting) // (self._siblings + 1) - held
        if room > 0:
            return room
        if self._siblings > self._hearing:
            room = self._room_beside_hearing(held, waiting)
            if room > 0:
                return self._take_instead(room, now_us)
        if not self._patient_since:
            self._be_patient(now_us)
            return 0
        if now_us - self._patient_since < PATIENCE_US:
            return 0
        is_waiting_in_vain = self._accepted - self._accepted_then < TAKEN_MEANWHILE
        self._note_deaf()
        self._be_patient(now_us)
        return self._take_instead(PLENTY, now_us) if is_waiting_in_vain else 0

    def note_look(self, now: float) -> None:
        """Say that it looks, without asking."""
        self._slot.look(now)

    def rest(self) -> None:
        """Nobody waits any more: patience begins anew with the next who does."""
        self._patient_since = 0
        self._burst = 1

    def to_close(self, held: int, now: float) -> int:
        """Return how many of the connections ``held`` are to be closed in the next second, for siblings to get them.

        Only of a worker that holds far more than its share, as one does whose siblings have just been replaced, until
        it holds a little more.
        """
        # The deaf count: without a new connection nobody has a reason to look, and they may hear again.
        self._look_at_siblings(int(now * MICROSECONDS))
        if not self._siblings:
            return 0
        # Of all, its own too: what it gives away raises the mean of the others.
        mean = (self._mean * self._siblings + held) / (self._siblings + 1)
        if held > mean * FAR_SHARE + FAR:
            self._is_spreading = True
        excess = int(held - mean * (1.0 + SLACK_SHARE) - SLACK)
        if excess <= 0:
            self._is_spreading = False
        return 1 + excess // CLOSED_SHARE if self._is_spreading else 0

    def _share(self, mean: float) -> int:
        slack = mean * SLACK_SHARE
        return int(mean + (slack if slack > SLACK else SLACK))

    def _room_beside_hearing(self, held: int, waiting: int) -> int:
        """Return how many may be taken if the deaf do not count."""
        if not self._hearing:
            return PLENTY
        part = (self._connections_hearing + held + waiting) // (self._hearing + 1)
        share = self._share(self._mean_hearing)
        return (part if part > share else share) - held

    def _take_instead(self, most: int, now_us: int) -> int:
        """Take what siblings have not come for: one, and twice as many each time, for they may come yet."""
        if now_us - self._burst_at < PACE_US:
            return 0
        self._burst_at = now_us
        burst = self._burst
        if burst < MOST_BURST:
            self._burst = burst * 2
        return burst if burst < most else most

    def _be_patient(self, now_us: int) -> None:
        self._patient_since = now_us
        self._accepted_then = self._accepted

    def _look_at_siblings(self, now_us: int) -> None:
        numbers = self._numbers
        siblings = 0
        hearing = 0
        connections = 0
        of_hearing = 0
        accepted = 0
        for place in range(1, numbers[0] + 1):
            at = place * SLOT_NUMBERS
            if place == self._own or not numbers[at + IS_ACCEPTING] or now_us - numbers[at + BEAT] > STALE_US:
                continue
            siblings += 1
            connections += numbers[at + CONNECTIONS]
            if self._deaf and self._is_deaf(place, numbers[at + LOOK]):
                continue
            hearing += 1
            of_hearing += numbers[at + CONNECTIONS]
            accepted += numbers[at + ACCEPTED]
        self._siblings = siblings
        self._hearing = hearing
        self._accepted = accepted
        self._connections = connections
        self._connections_hearing = of_hearing
        self._mean = connections / siblings if siblings else 0.0
        self._mean_hearing = of_hearing / hearing if hearing else 0.0

    def _is_deaf(self, place: int, looked_at: int) -> bool:
        if place not in self._deaf:
            return False
        if self._deaf[place] == looked_at:
            return True
        del self._deaf[place]
        return False

    def _note_deaf(self) -> None:
        """Count those out that have not looked since patience began: blocked, stopped, or gone."""
        numbers = self._numbers
        for place in range(1, numbers[0] + 1):
            at = place * SLOT_NUMBERS
            if place != self._own and numbers[at + IS_ACCEPTING] and numbers[at + LOOK] <= self._patient_since:
                self._deaf[place] = numbers[at + LOOK]
