"""Memory that all workers of a master see: a slot of numbers for each, written by its worker and read by any.

Made in the master, before it forks. No locks: every number is an aligned word of 64 bits with one writer. What counts
up goes on where the slot's last worker left it, so that sums over all slots never go down, whoever comes and goes.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from typing import Any

from gasgi.reporting.slot_layout import (
    ACCEPTED,
    BEAT,
    CONNECTIONS,
    IS_ACCEPTING,
    LOOK,
    MICROSECONDS,
    PID,
    SLOT_NUMBERS,
    STARTS,
)

__all__ = ["Scoreboard", "Slot", "make_scoreboard"]

MOST_SLOTS = 512


class Slot:
    """One worker's numbers. Times are of a clock that all processes share (``time.monotonic``), seconds."""

    def __init__(self, numbers: Any, index: int) -> None:
        self.numbers = numbers
        self.index = index
        self.at = (index + 1) * SLOT_NUMBERS

    # For its worker

    def claim(self, pid: int, now: float) -> None:
        """Begin to write: this process has the slot from now on."""
        self._clear()
        self.numbers[self.at + PID] = pid
        self.numbers[self.at + STARTS] += 1
        self.beat(now)

    def release(self) -> None:
        """Write no more: the worker ends."""
        self._clear()
        self.numbers[self.at + PID] = 0

    def _clear(self) -> None:
        self.numbers[self.at + IS_ACCEPTING] = 0
        self.numbers[self.at + CONNECTIONS] = 0
        self.numbers[self.at + LOOK] = 0

    def beat(self, now: float) -> None:
        """Say that the loop runs; once a second."""
        self.numbers[self.at + BEAT] = int(now * MICROSECONDS)

    def look(self, now: float) -> None:
        """Say that the worker looks whether a connection waits."""
        self.numbers[self.at + LOOK] = int(now * MICROSECONDS)

    def set_accepting(self, is_accepting: bool) -> None:
        """Say whether connections are taken at all: not while full, in trouble, starting or stopping."""
        self.numbers[self.at + IS_ACCEPTING] = 1 if is_accepting else 0

    def hold(self, connections: int) -> None:
        """Say how many connections the worker holds."""
        self.numbers[self.at + CONNECTIONS] = connections

    def count_accepted(self) -> None:
        """Count a connection that was accepted."""
        self.numbers[self.at + ACCEPTED] += 1

    # For readers

    @property
    def pid(self) -> int:
        """Process that writes, 0 for none."""
        return int(self.numbers[self.at + PID])

    @property
    def connections(self) -> int:
        """How many it holds."""
        return int(self.numbers[self.at + CONNECTIONS])

    @property
    def accepted(self) -> int:
        """How many were ever accepted by the workers that had this slot."""
        return int(self.numbers[self.at + ACCEPTED])

    @property
    def starts(self) -> int:
        """How many workers have had this slot."""
        return int(self.numbers[self.at + STARTS])

    @property
    def is_accepting(self) -> bool:
        """Whether its worker takes connections."""
        return bool(self.numbers[self.at + IS_ACCEPTING])

    def is_alive(self) -> bool:
        """Whether its process is there; asks the kernel."""
        return self.pid > 0 and _is_there(self.pid)


class Scoreboard:
    """``memory`` is a writable buffer that the workers share, full of zeros."""

    def __init__(self, memory: Any) -> None:
        self.numbers = memoryview(memory).cast("B").cast("q")
        self._most = len(self.numbers) // SLOT_NUMBERS - 1
        # Known to the master alone
        self._owners: list[weakref.ref[Any]] = []

    @property
    def used(self) -> int:
        """How many slots have ever been used: those above are zeros."""
        return int(self.numbers[0])

    def slots(self) -> Iterator[Slot]:
        """Yield every slot that has ever been used."""
        for index in range(self.used):
            yield Slot(self.numbers, index)

    def reserve(self, worker: object) -> Slot | None:
        """Return a free slot for ``worker``, which keeps it while it lives; None: there is no more room.

        Called in the master before the fork, so that no two workers choose at the same time. The master forgets a
        worker when its process has gone, however it went.
        """
        for index, owner in enumerate(self._owners):
            slot = Slot(self.numbers, index)
            if owner() is None or (slot.pid and not _is_there(slot.pid)):
                break
        else:
            index = len(self._owners)
            if index >= self._most:
                return None
            slot = Slot(self.numbers, index)
            self._owners.append(weakref.ref(worker))
            self.numbers[0] = index + 1
        self._owners[index] = weakref.ref(worker)
        slot.release()  # what its last worker left there when it was killed
        return slot


def make_scoreboard() -> Scoreboard | None:
    """Return a scoreboard in memory that is shared with processes forked later; None where there is no such memory."""
    try:
        import mmap

        return Scoreboard(mmap.mmap(-1, (MOST_SLOTS + 1) * SLOT_NUMBERS * 8))
    except (ImportError, OSError, ValueError):
        return None


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # of another user
    return True
