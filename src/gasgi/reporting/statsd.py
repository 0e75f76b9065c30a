"""Send gunicorn's request metrics and gasgi's gauges through a logger that speaks statsd.

The logger owns prefix, tags and socket; its ``timer``, ``increment`` and ``gauge`` swallow what fails. It would log a
traceback for each datagram that does, three a request, so its socket is kept behind one that counts them instead.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["QuietSocket", "RequestMetrics", "guard_statsd", "make_gauges"]

WARN_EVERY_S = 60.0


class QuietSocket:
    """What a statsd logger needs of its socket; says once a minute that datagrams are lost, and never waits."""

    def __init__(self, connected: socket.socket, log: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._send = connected.send
        self._log = log
        self._clock = clock
        self._lost = 0
        self._warned_at = -WARN_EVERY_S

    def send(self, datagram: bytes) -> None:
        """Send, or count what is lost."""
        try:
            # A full unix socket would block the event loop.
            self._send(datagram, socket.MSG_DONTWAIT)
        except OSError as exc:
            self._lost += 1
            now = self._clock()
            if now - self._warned_at >= WARN_EVERY_S:
                # Before the line: a warning is a metric too, and is lost as well.
                self._warned_at, lost, self._lost = now, self._lost, 0
                self._log.warning(
                    "Cannot send metrics to statsd (--statsd-host), %d lost: %s", lost, exc.strerror or exc
                )


def guard_statsd(log: Any) -> None:
    """Keep the socket of a statsd logger behind a ``QuietSocket``; leave other loggers alone."""
    connected = getattr(log, "sock", None)
    if isinstance(connected, socket.socket) and hasattr(log, "increment"):
        log.sock = QuietSocket(connected, log)


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
