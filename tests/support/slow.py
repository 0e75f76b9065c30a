"""What tests of slow requests read out of a line, and the clock that they move."""

from __future__ import annotations

import re

__all__ = ["Clock", "parts"]


class Clock:
    """In the place of ``time.perf_counter``."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def parts(line: str) -> list[int]:
    """Return the milliseconds: its turn, the body, the application, the client."""
    found = re.search(
        r"(\d+) ms waiting for its turn, (\d+) for the client's body, (\d+) in the application, "
        r"(\d+) until the client had read the response",
        line,
    )
    assert found, line
    return [int(each) for each in found.groups()]
