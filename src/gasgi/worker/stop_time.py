"""How the time of a stop is shared out between requests, the application's shutdown and the end of the process.

That time is graceful_timeout, at whose end the arbiter sends SIGKILL, or less when the worker is told to hurry.
"""

from __future__ import annotations

__all__ = ["StopTime"]

# Seconds; a tenth of the whole, between these bounds.
SHUTDOWN_S = (0.5, 3.0)  # at least, for lifespan.shutdown; it gets what the requests leave
ABORT_S = (0.05, 1.0)  # for the finally-blocks of requests that were cut off
EXIT_S = (0.05, 0.5)  # for the process to end; of that what resists its cancellation gets, twice, this share:
RESIST_SHARE = 0.125
QUICK_DRAIN_S = 0.5


class StopTime:
    """One per worker; ``now`` is loop time, ``seconds`` what there will be unless told otherwise."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end_at = 0.0  # loop time at which all but the exit has to be over; 0: nobody has asked

    def begin(self, now: float, seconds: float) -> None:
        """End within ``seconds``, unless a stop that began before ends sooner."""
        end_at = now + seconds - _share(seconds, EXIT_S)
        if not self._end_at or end_at < self._end_at:
            self._end_at = end_at
            self._seconds = seconds

    def drain_until(self, now: float, is_quick: bool) -> float:
        """Return when requests are cut off, loop time."""
        until = self._end_at - _share(self._seconds, SHUTDOWN_S) - self.abort_s()
        return min(now + QUICK_DRAIN_S, until) if is_quick else until

    def abort_s(self) -> float:
        """Return what those get for their finally-blocks."""
        return _share(self._seconds, ABORT_S)

    def shutdown_s(self, now: float) -> float:
        """Return what lifespan.shutdown gets."""
        return max(self._end_at - now, SHUTDOWN_S[0])

    def resist_s(self, now: float) -> float:
        """Return what cancelled tasks get, and then generators."""
        if not self._end_at:
            return self.abort_s()  # nobody waits: the worker could not start
        return min(max(self._end_at - now, _share(self._seconds, EXIT_S) * RESIST_SHARE), self.abort_s())

    def exit_s(self, now: float) -> float:
        """Return what threads get to end once the loop is closed."""
        return max(self._end_at - now, 0.0) + _share(self._seconds, EXIT_S) / 2


def _share(seconds: float, bounds: tuple[float, float]) -> float:
    return min(max(seconds * 0.1, bounds[0]), bounds[1])
