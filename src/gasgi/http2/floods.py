"""Count what a client may send without asking for anything, and end the connection of one that floods.

The resets of CVE-2023-44487, those a client provokes (CVE-2025-8671) and the frames of CVE-2019-9511 to 9518 cost a
client next to nothing. Each kind fills a bucket, which empties with time and with honest use of the connection.
"""

from __future__ import annotations

from gasgi.errors import Http2Error
from gasgi.http2_codes import ENHANCE_YOUR_CALM

__all__ = [
    "EMPTY_DATA",
    "KINDS",
    "PINGS",
    "PRIORITIES",
    "PROVOKED_RESETS",
    "RESETS",
    "SETTINGS_FRAMES",
    "UNKNOWN_FRAMES",
    "WINDOW_UPDATES",
    "FloodGuard",
]

RESETS = 0
PROVOKED_RESETS = 1
PINGS = 2
SETTINGS_FRAMES = 3
EMPTY_DATA = 4
PRIORITIES = 5
WINDOW_UPDATES = 6
UNKNOWN_FRAMES = 7

# The name, how many at once, how many a second, how many a finished stream earns, and how many a kibibyte sent to the
# client. A proxy carries the cancellations of many clients, some clients give back each piece of an answer, twice, and
# others measure the way with pings while data flows.
KINDS: tuple[tuple[str, float, float, float, float], ...] = (
    ("RST_STREAM frames", 1000, 33, 1, 0),
    ("stream errors", 1000, 33, 1, 0),
    ("PING frames", 1000, 33, 1, 0.25),
    ("SETTINGS frames", 200, 5, 1, 0),
    ("empty DATA frames", 200, 33, 2, 0),
    ("PRIORITY frames", 2000, 33, 4, 0),
    ("WINDOW_UPDATE frames", 2000, 100, 4, 1),
    ("frames of unknown type", 1000, 33, 4, 0),
)
_KIBIBYTE = 1024


class FloodGuard:
    """The buckets of one connection. Free as long as a client sends nothing that counts."""

    def __init__(self) -> None:
        self._levels = [0.0] * len(KINDS)
        self._is_charged = False
        self._emptied_at = 0.0

    def count(self, kind: int, now: float) -> None:
        """Count one of a kind at ``now`` (seconds); raise Http2Error (ENHANCE_YOUR_CALM) when there are too many."""
        if not self._is_charged:
            self._is_charged = True
            self._emptied_at = now
        elif now > self._emptied_at:
            self._empty(now)
        name, burst, _, _, _ = KINDS[kind]
        level = self._levels[kind] + 1
        if level > burst:
            raise Http2Error(ENHANCE_YOUR_CALM, f"too many {name}")
        self._levels[kind] = level

    def stream_finished(self) -> None:
        """A stream has ended with a whole request and a whole answer."""
        if not self._is_charged:
            return
        is_charged = False
        for kind, (_, _, _, earned, _) in enumerate(KINDS):
            level = max(0.0, self._levels[kind] - earned)
            self._levels[kind] = level
            is_charged = is_charged or level > 0
        self._is_charged = is_charged

    def data_sent(self, size: int) -> None:
        """The client has been sent ``size`` bytes of bodies."""
        if self._is_charged:
            for kind, (_, _, _, _, earned) in enumerate(KINDS):
                if earned:
                    self._levels[kind] = max(0.0, self._levels[kind] - earned * size / _KIBIBYTE)

    def _empty(self, now: float) -> None:
        seconds = now - self._emptied_at
        self._emptied_at = now
        for kind, (_, _, rate, _, _) in enumerate(KINDS):
            self._levels[kind] = max(0.0, self._levels[kind] - rate * seconds)
