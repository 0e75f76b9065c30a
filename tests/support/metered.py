"""A meter that counts into a scoreboard of its own, for one worker."""

from __future__ import annotations

from types import ModuleType

from gasgi.reporting.meter import Meter
from gasgi.reporting.scoreboard import Scoreboard
from gasgi.reporting.slot_layout import SLOT_NUMBERS
from gasgi.serving.runtime import Runtime

__all__ = ["Metered"]


class Metered:
    """``prepare`` gives a runtime the meter; ``counted`` says what it holds."""

    def __init__(self) -> None:
        self._memory = bytearray(4 * SLOT_NUMBERS * 8)
        self._worker = ModuleType("worker")  # whatever can be referred to weakly
        slot = Scoreboard(self._memory).reserve(self._worker)
        assert slot is not None
        slot.claim(1, 1.0)
        self._meter = Meter(slot, (0.1,))

    def prepare(self, runtime: Runtime) -> None:
        runtime.meter = self._meter

    def counted(self, place: int) -> int:
        """Return the number at ``place`` of slot_layout, from all slots."""
        return sum(memoryview(self._memory).cast("q")[place::SLOT_NUMBERS])
