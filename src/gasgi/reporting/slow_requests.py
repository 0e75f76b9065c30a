"""Says of a request that took long where its time went, and of one that still runs where its application waits.

One line each, no header values, bodies or query strings; no more than a few lines a second. WebSockets are no requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from gasgi.quoting import quote
from gasgi.reporting.whereabouts import describe_place, find_places

if TYPE_CHECKING:
    from gasgi._accel import RequestHead

__all__ = ["PULSE_S", "SlowRequests"]

# The loop is asked so often whether it is late, while this is switched on.
PULSE_S = 0.05
LATE_S = 0.01  # from so much on it counts as blocked
LINES = 10  # in a second


class Times(Protocol):
    """What is known of the times of a request, seconds of ``time.perf_counter``."""

    @property
    def arrived_at(self) -> float:
        """When its bytes had come."""

    @property
    def started_at(self) -> float:
        """When its application began, 0 before."""

    @property
    def blocked_before_s(self) -> float:
        """For how long the loop had been blocked by then."""

    @property
    def body_waits(self) -> int:
        """How many of its tasks wait for the client's body."""

    @property
    def client_waits(self) -> int:
        """How many of its tasks wait for the client to take the answer."""

    def body_so_far(self, now: float) -> float:
        """Return how long it waited for the body."""

    def client_so_far(self, now: float) -> float:
        """Return how long it waited for the client."""


class SlowRequests:
    """One per worker. Times are of ``time.perf_counter``, seconds."""

    def __init__(self, limit_s: float, log: Any) -> None:
        # Fixed for the worker
        self.limit_s = limit_s
        self._log = log

        # Kept by the worker's pulse
        self._blocked_s = 0.0
        self._due_at = 0.0

        # Of the lines
        self._second = 0
        self._told = 0
        self._left_out = 0

    def pulse(self, now: float) -> None:
        """Note how late the loop is; called every PULSE_S."""
        self._blocked_s = self.blocked_s(now)
        self._due_at = now + PULSE_S

    def blocked_s(self, now: float) -> float:
        """Return for how long the loop has been blocked so far, this moment included."""
        late_s = now - self._due_at if self._due_at else 0.0
        return self._blocked_s + (late_s if late_s > LATE_S else 0.0)

    def tell_end(self, timing: Times, head: RequestHead | None, status: int, now: float) -> None:
        """Log where the time of a request went that has ended."""
        if self._may_tell(now):
            self._log.warning(
                "%s took %.0f ms (gasgi_slow_request_ms = %g), status %d: %s%s",
                _name(head),
                (now - timing.arrived_at) * 1000,
                self.limit_s * 1000,
                status,
                self._parts(timing, now),
                self._and_more(),
            )

    def tell_running(self, timing: Times, head: RequestHead | None, task: Any, now: float) -> bool:
        """Log where a request that is still running waits; return whether that was done."""
        if not self._may_tell(now):
            return False
        if timing.client_waits:
            place = "waiting for the client to read the response, in "
        elif timing.body_waits:
            place = "waiting for the request body, in "
        else:
            place = "waiting in "
        self._log.warning(
            "%s has been running for %.0f ms (gasgi_slow_request_ms = %g): %s; %s%s%s",
            _name(head),
            (now - timing.arrived_at) * 1000,
            self.limit_s * 1000,
            self._parts(timing, now),
            place,
            _where(task),
            self._and_more(),
        )
        return True

    def _parts(self, timing: Times, now: float) -> str:
        turn_s = (timing.started_at or now) - timing.arrived_at
        body_s = timing.body_so_far(now)
        client_s = timing.client_so_far(now)
        app_s = max(0.0, now - timing.arrived_at - turn_s - body_s - client_s)
        text = (
            f"{turn_s * 1000:.0f} ms waiting for its turn, {body_s * 1000:.0f} for the client's body, "
            f"{app_s * 1000:.0f} in the application, {client_s * 1000:.0f} until the client had read the response"
        )
        blocked_s = self.blocked_s(now) - timing.blocked_before_s
        if blocked_s > LATE_S:
            text += f"; the event loop was blocked for {blocked_s * 1000:.0f} ms in the meantime"
        return text

    def _may_tell(self, now: float) -> bool:
        if int(now) != self._second:
            self._second = int(now)
            self._told = 0
        if self._told >= LINES:
            self._left_out += 1
            return False
        self._told += 1
        return True

    def _and_more(self) -> str:
        left_out, self._left_out = self._left_out, 0
        return f" (and {left_out} lines like this left out)" if left_out else ""


def _where(task: Any) -> str:
    if task is None:
        return "the loop's queue"
    try:
        return quote(describe_place(find_places(task)))
    except Exception as exc:
        # It looks into code that it does not know; the request must not suffer for it.
        return f"a place that is not visible ({type(exc).__name__})"


def _name(head: RequestHead | None) -> str:
    return "A request" if head is None else quote(f"{head.method} {head.path}")
