"""How far apart the server's core and the load's core are at the moment, and waiting until they are near.

Two virtual CPUs share a cache while the host runs them on neighbouring cores, and not while it does not; it moves them
every few seconds. What one core wrote and the other reads, which is all that goes through a socket, then takes several
times as long: an echo of 64 KiB 1.7 times the CPU time, a WebSocket message of 1 KiB 1.16 (docs/performance.md).
"""

from __future__ import annotations

import subprocess
import time

from harness.load import BUILD, compile_c

__all__ = ["CoreDistance"]

MEASURED_MS = 32
FAR = 2.5  # times the nearest so far; where this was found: 50 to 90 ns under one cache, 320 to 350 under two
PAUSE_S = 0.25
PATIENCE_S = 20.0


class CoreDistance:
    """Of one pair of cores; with None for one of them nothing is known and nothing is far."""

    def __init__(self, cores: tuple[int | None, int | None]) -> None:
        self._command: list[str] | None = None
        self._nearest_ns = float("inf")
        if None not in cores:
            compile_c("core_distance", "-pthread")
            self._command = [str(BUILD / "core_distance"), *map(str, cores), str(MEASURED_MS)]

    def take_ns(self) -> float:
        """Nanoseconds that a cache line takes there and back; 0 when it is not known."""
        if self._command is None:
            return 0.0
        found = float(subprocess.run(self._command, capture_output=True, text=True, check=True).stdout)
        self._nearest_ns = min(self._nearest_ns, found)
        return found

    def is_far(self, found_ns: float) -> bool:
        """Whether the cores were farther apart than they can be."""
        return found_ns > FAR * self._nearest_ns

    def wait_until_near(self) -> float:
        """Return the distance as soon as it is near, and after ``PATIENCE_S`` as it is."""
        give_up_at = time.monotonic() + PATIENCE_S
        while True:
            found = self.take_ns()
            if not self.is_far(found) or time.monotonic() > give_up_at:
                return found
            time.sleep(PAUSE_S)

    def look_around(self) -> None:
        """Learn what near is: take the distance for some seconds."""
        for _ in range(int(PATIENCE_S / 2 / PAUSE_S) if self._command else 0):
            self.take_ns()
            time.sleep(PAUSE_S)
