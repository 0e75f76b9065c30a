"""The times of one request after the other on a connection, or of one on a stream.

Made only where slow requests or metrics are asked for.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gasgi._accel import RequestHead
    from gasgi.reporting.meter import Meter
    from gasgi.reporting.slow_requests import SlowRequests

__all__ = ["Timing", "held_since"]


class Timing:
    """From ``begin`` to ``end``; a second ``end`` is nothing. Seconds of ``time.perf_counter``."""

    def __init__(self, slow: SlowRequests | None, meter: Meter | None) -> None:
        # Fixed for the connection or stream
        self._slow = slow
        self._meter = meter
        self._limit_s = 0.0 if slow is None else slow.limit_s

        # Per request
        self._is_running = False
        self._is_told = False
        self.held_at = 0.0  # since when it waits for its turn; 0: it began at once
        self.arrived_at = 0.0
        self.started_at = 0.0  # of the application; 0: not yet
        self.blocked_before_s = 0.0  # for how long the loop had been blocked before

        # Waits of the application; several of its tasks may wait at once
        self.body_waits = 0
        self.client_waits = 0
        self._body_since = 0.0
        self._client_since = 0.0
        self._body_s = 0.0
        self._client_s = 0.0

    def hold(self) -> None:
        """The bytes of the next request have come, and wait for their turn."""
        self.held_at = perf_counter()

    def begin(self) -> None:
        """A request begins."""
        now = perf_counter()
        self._is_running = True
        self.arrived_at = now
        if self._meter is not None:
            self._meter.begin()
        if self._slow is not None:
            if self.held_at:
                self.arrived_at, self.held_at = self.held_at, 0.0
            self._is_told = False
            self.started_at = 0.0
            self.blocked_before_s = self._slow.blocked_s(now)
            self._body_s = self._client_s = 0.0
            # One that went on after its answer may still wait.
            self._body_since = self._client_since = now

    def start(self) -> None:
        """The application begins."""
        self.started_at = perf_counter()

    def end(self, head: RequestHead | None, status: int, sent_bytes: int) -> None:
        """The answer is over, ``sent_bytes`` of its body sent."""
        if not self._is_running:
            return
        self._is_running = False
        now = perf_counter()
        took_s = now - self.arrived_at
        if self._meter is not None:
            self._meter.end(status, took_s, sent_bytes)
        if self._slow is not None and took_s >= self._limit_s:
            self._slow.tell_end(self, head, status, now)

    def look(self, head: RequestHead | None, task: Any) -> None:
        """Report a request that has been running for too long, once; ``task`` runs its application."""
        if self._slow is None or not self._is_running or self._is_told:
            return
        now = perf_counter()
        if now - self.arrived_at >= self._limit_s:
            self._is_told = self._slow.tell_running(self, head, task, now)

    # What the application waits for

    def begin_body_wait(self) -> None:
        """``receive`` waits for the client's body."""
        self.body_waits += 1
        if self.body_waits == 1:
            self._body_since = perf_counter()

    def end_body_wait(self) -> None:
        """It waits no more."""
        self.body_waits -= 1
        if not self.body_waits:
            self._body_s += perf_counter() - self._body_since

    def begin_client_wait(self) -> None:
        """``send`` waits for the client to take what was sent."""
        self.client_waits += 1
        if self.client_waits == 1:
            self._client_since = perf_counter()

    def end_client_wait(self) -> None:
        """It waits no more."""
        self.client_waits -= 1
        if not self.client_waits:
            self._client_s += perf_counter() - self._client_since

    def body_so_far(self, now: float) -> float:
        """Return how long it waited for the body, seconds."""
        return self._body_s + (now - self._body_since if self.body_waits else 0.0)

    def client_so_far(self, now: float) -> float:
        """Return how long it waited for the client, seconds."""
        return self._client_s + (now - self._client_since if self.client_waits else 0.0)


def held_since(before: float, is_held: bool) -> float:
    """Return since when requests wait for their turn, 0 while none does; ``before`` is what it said before."""
    if not is_held:
        return 0.0
    return before or perf_counter()
