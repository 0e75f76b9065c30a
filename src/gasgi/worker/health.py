"""How a worker is: what it holds, and how late its loop is. Starts the loop's watch, sends gauges once a second.

Reads counts that are kept anyway, so a request pays nothing for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from gasgi.asgi.websocket import WebSocketSession
from gasgi.reporting.slow_requests import PULSE_S
from gasgi.serving.runtime import Runtime
from gasgi.worker.loop_watch import LoopWatch
from gasgi.worker.server import TICK_S

__all__ = ["Health"]

Send = Callable[[Mapping[str, float]], None]


class Health:
    """One per worker; ``send`` takes gauges by name, None when nobody collects them."""

    def __init__(self, runtime: Runtime, send: Send | None) -> None:
        self._runtime = runtime
        self._send = send
        self._watch: LoopWatch | None = None
        self._ticked_at = 0.0
        self._pulse_timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Watch the loop, if the settings ask for it. Call it from within the loop, when the worker begins to serve."""
        runtime = self._runtime
        if runtime.settings.slow_loop_ms:
            self._watch = LoopWatch(runtime.loop, runtime.settings.slow_loop_ms / 1000, runtime.log)
            self._watch.start()
        if runtime.slow is not None:
            self._pulse()

    def stop(self) -> None:
        """Watch no more."""
        if self._pulse_timer is not None:
            self._pulse_timer.cancel()
        if self._watch is not None:
            self._watch.stop()

    def _pulse(self) -> None:
        """Have the lateness of the loop noted for the lines of slow requests."""
        runtime = self._runtime
        if runtime.slow is not None:
            runtime.slow.pulse(time.perf_counter())
            self._pulse_timer = runtime.loop.call_later(PULSE_S, self._pulse)

    def tick(self) -> None:
        """Send the gauges; called every second. A call that comes late shows how late the loop is."""
        runtime = self._runtime
        meter = runtime.meter
        if self._send is None and meter is None:
            return
        now = runtime.loop.time()
        lag_s = max(0.0, now - self._ticked_at - TICK_S) if self._ticked_at else 0.0
        self._ticked_at = now
        if self._watch is not None:
            lag_s = max(lag_s, self._watch.take_longest_s())
        websockets = sum(isinstance(each, WebSocketSession) for each in tuple(runtime.conversations))
        if meter is not None:
            meter.set_gauges(websockets, lag_s)
        if self._send is None:
            return
        self._send(
            {
                "connections": len(runtime.connections),
                "requests_in_progress": len(runtime.conversations) - websockets,
                "websockets": websockets,
                "loop_lag_ms": round(lag_s * 1000, 1),
            }
        )
