"""Send gunicorn's request metrics and gasgi's gauges through a logger that speaks statsd.

The logger owns prefix, tags and socket; its ``timer``, ``increment`` and ``gauge`` swallow and log what fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["RequestMetrics", "make_gauges"]


class RequestMetrics:
    """The three metrics of gunicorn's ``Statsd.access``, sent with and without an access log."""

    def __init__(self, log: Any) -> None:
        self._timer: Callable[[str, float], None] = log.timer
        self._increment: Callable[[str, int], None] = log.increment

    def count(self, status: int, duration_s: float) -> None:
        """Report one answer."""
        self._timer("gunicorn.request.duration", round(duration_s * 1_000_000) / 1000)
        self._increment("gunicorn.requests", 1)
        self._increment(f"gunicorn.request.status.{status}", 1)


def make_gauges(log: Any) -> Callable[[Mapping[str, float]], None] | None:
    """Return a function that sends gauges by name (``gasgi.`` is put in front), None when ``log`` speaks no statsd."""
    gauge = getattr(log, "gauge", None)
    if gauge is None:
        return None

    def send(values: Mapping[str, float]) -> None:
        for name, value in values.items():
            gauge("gasgi." + name, value)

    return send
