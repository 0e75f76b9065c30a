"""Counts requests into the worker's slot of the scoreboard, for the metrics; made only where they are asked for."""

from __future__ import annotations

from array import array

from gasgi.reporting.scoreboard import Slot
from gasgi.reporting.slot_layout import (
    BUCKETS,
    BYTES_IN,
    BYTES_OUT,
    DURATION_US,
    LAG_US,
    MICROSECONDS,
    REFUSED,
    REFUSED_STATUSES,
    RUNNING,
    STATUSES,
    WEBSOCKETS,
)

__all__ = ["Meter"]


class Meter:
    """One per worker. ``bounds`` are the upper ends of the histogram's buckets, seconds, ascending."""

    def __init__(self, slot: Slot, bounds: tuple[float, ...]) -> None:
        self._numbers = slot.numbers
        self._at = slot.at
        self._bounds = array("d", bounds)
        self._count = len(bounds)
        self._numbers[self._at + RUNNING] = 0  # of a worker that was killed
        self.set_gauges(0, 0.0)

    def begin(self) -> None:
        """A request begins."""
        self._numbers[self._at + RUNNING] += 1

    def end(self, status: int, took_s: float, sent_bytes: int) -> None:
        """It has ended with ``status``, 499 when its client left before the answer, and so many bytes of a body."""
        numbers = self._numbers
        at = self._at
        numbers[at + RUNNING] -= 1
        kind = status // 100
        numbers[at + STATUSES + (0 if status == 499 or kind < 1 or kind > 5 else kind)] += 1
        numbers[at + BYTES_OUT] += sent_bytes
        numbers[at + DURATION_US] += int(took_s * MICROSECONDS)
        bucket = 0
        while bucket < self._count and took_s > self._bounds[bucket]:
            bucket += 1
        numbers[at + BUCKETS + bucket] += 1

    def count_received(self, size: int) -> None:
        """Count bytes that came from a client."""
        self._numbers[self._at + BYTES_IN] += size

    def set_gauges(self, websockets: int, lag_s: float) -> None:
        """Say what is looked at once a second."""
        self._numbers[self._at + WEBSOCKETS] = websockets
        self._numbers[self._at + LAG_US] = int(lag_s * MICROSECONDS)

    def count_refused(self, status: int) -> None:
        """Count a request that the application never sees, or whose body it does not get."""
        place: int = REFUSED_STATUSES.index(status) if status in REFUSED_STATUSES else len(REFUSED_STATUSES)
        self._numbers[self._at + REFUSED + place] += 1
