"""Watch the event loop from a thread: say where it is stuck when a callback keeps it for longer than allowed.

The loop is asked to answer a few times a second; requests pay nothing. Knows neither connections nor the application.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from gasgi.serving.runtime import Log

__all__ = ["LoopWatch"]

# The loop is asked again after this share of the limit: whatever blocks for the limit and this share is always seen.
PAUSE_SHARE = 0.5
# Asking more often would cost more than it tells: each time two threads change places (0.15 ms; bench_costs.py).
SHORTEST_PAUSE_S = 0.01
# A stack is a page of log: one a second says as much as fifty.
REPORT_EVERY_S = 1.0


class LoopWatch:
    """One per worker. Made and started in the thread that runs ``loop``; the stack reported is that thread's."""

    def __init__(
        self,
        loop: Any,
        limit_s: float,
        log: Log,
        clock: Callable[[], float] = time.monotonic,
        make_event: Callable[[], Any] = threading.Event,
    ) -> None:
        # Fixed for the worker
        self._loop = loop
        self._limit_s = limit_s
        self._pause_s = max(limit_s * PAUSE_SHARE, SHORTEST_PAUSE_S)
        self._log = log
        self._clock = clock
        self._thread_id = threading.get_ident()
        # From the start of the process to the running loop every stack is the same: those frames are left out.
        self._way_here = [frame.f_code for frame, _ in traceback.walk_stack(sys._getframe())][::-1]
        self._thread = threading.Thread(target=self._run, name="gasgi-loop-watch", daemon=True)
        self._stopped = make_event()
        self._answered = make_event()

        # Kept by the watching thread
        self._reported_at = -REPORT_EVERY_S
        self._unreported = 0
        self._longest_s = 0.0  # since take_longest_s()

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more; returns when the thread has ended, at once."""
        self._stopped.set()
        self._answered.set()
        self._thread.join(1.0)

    def take_longest_s(self) -> float:
        """Return the longest time that the loop took to answer since the last call, seconds."""
        longest_s, self._longest_s = self._longest_s, 0.0
        return longest_s

    def _run(self) -> None:
        try:
            while not self._stopped.wait(self._pause_s):
                self._ask()
        except RuntimeError:
            # The loop was closed before stop() was called: nothing is left to watch.
            if not self._loop.is_closed():
                raise

    def _ask(self) -> None:
        """Let the loop answer once; report when it takes longer than the limit, and how long it took in the end."""
        self._answered.clear()
        asked_at = self._clock()
        self._loop.call_soon_threadsafe(self._answered.set)
        if self._answered.wait(self._limit_s) or self._stopped.is_set():
            self._longest_s = max(self._longest_s, self._clock() - asked_at)
            return
        is_reported = self._report(asked_at)
        self._answered.wait()
        took_s = self._clock() - asked_at
        self._longest_s = max(self._longest_s, took_s)
        if is_reported and not self._stopped.is_set():
            self._log.warning("Event loop unblocked after %.0f ms", took_s * 1000)

    def _report(self, asked_at: float) -> bool:
        """Log where the loop is blocked, unless that was done a moment ago."""
        now = self._clock()
        if now - self._reported_at < REPORT_EVERY_S:
            self._unreported += 1
            return False
        stack = self._stack()
        self._reported_at = now
        unreported, self._unreported = self._unreported, 0
        self._log.warning(
            "Event loop blocked for %.0f ms (gasgi_slow_loop_ms = %g)%s, currently at:\n%s",
            (now - asked_at) * 1000,
            self._limit_s * 1000,
            f", {unreported} more times since the last such line" if unreported else "",
            stack,
        )
        return True

    def _stack(self) -> str:
        # Asked in the same breath: the stack of a loop that runs again would accuse the wrong code.
        if self._answered.is_set():
            return "  unknown: C code that held the GIL, and has just returned"
        frames = list(traceback.walk_stack(sys._current_frames().get(self._thread_id)))
        frames.reverse()
        known = 0
        while known < min(len(frames), len(self._way_here)) and frames[known][0].f_code is self._way_here[known]:
            known += 1
        # Without a frame of its own it is a callback in C: the way there is then all there is to tell.
        summary = traceback.StackSummary.extract(iter(frames[known:] or frames))
        return "".join(summary.format()).rstrip("\n")
