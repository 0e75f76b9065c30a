"""Where each number stands in a slot of the scoreboard, counted in words of 64 bits.

Not compiled: compiled modules copy these into C.
"""

from __future__ import annotations

SLOT_NUMBERS = 96  # 768 bytes: no two slots share a line of the processor's cache

PID = 0
BEAT = 1  # when its worker beat last, µs
LOOK = 2  # when it last looked at the listening sockets, µs
IS_ACCEPTING = 3
CONNECTIONS = 4  # held, handshakes too
ACCEPTED = 5  # counts up
STARTS = 6  # workers that have had the slot; counts up

MICROSECONDS = 1_000_000.0
# A worker beats every second: one that has missed two is blocked, stopped or gone, and counts for nothing.
STALE_US = 2_500_000
