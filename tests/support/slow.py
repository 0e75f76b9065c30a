"""A connection whose slow requests are reported, the clock that tests move, and what they read out of a line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gasgi.reporting import timing
from gasgi.reporting.slow_requests import SlowRequests
from gasgi.serving.runtime import Runtime

__all__ = ["parts", "slow_rigs"]


class Clock:
    """In the place of ``time.perf_counter``."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def slow_rigs(rig_class: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return what opens a rig of this class: with a ``clock``, and the ``lines`` about requests of 500 ms and more."""
    clock = Clock()
    monkeypatch.setattr(timing, "perf_counter", clock)

    class Rig(rig_class):  # type: ignore[misc]  # whichever it is
        @property
        def lines(self) -> list[str]:
            return list(self.log.levels("warning"))

    @contextmanager
    def make(app: Any = None, **keys: Any) -> Iterator[Any]:
        def prepare(runtime: Runtime) -> None:
            runtime.slow = SlowRequests(0.5, runtime.log)

        with Rig(app, prepare=prepare, **keys) as rig:
            rig.clock = clock
            yield rig

    return make


def parts(line: str) -> list[int]:
    """Return the milliseconds: its turn, the body, the application, the client."""
    found = re.search(
        r"(\d+) ms waiting for its turn, (\d+) for the client's body, (\d+) in the application, "
        r"(\d+) until the client had read the response",
        line,
    )
    assert found, line
    return [int(each) for each in found.groups()]
