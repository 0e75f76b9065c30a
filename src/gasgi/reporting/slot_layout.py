"""The layout of a slot of the scoreboard, counted in words of 64 bits.

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

# For the metrics, kept only where they are asked for
RUNNING = 7  # requests in progress
WEBSOCKETS = 8
LAG_US = 9  # how late the loop was at its worst in the last second
BYTES_IN = 10  # these count up, and all that follow
BYTES_OUT = 11  # of bodies
DURATION_US = 12  # of all requests together
STATUSES = 14  # six: clients that left before the answer, then 1xx to 5xx
REFUSED = 20  # one for each of these, and one for all others
REFUSED_STATUSES = (400, 408, 413, 414, 417, 426, 431, 501, 503, 505)
BUCKETS = 40  # MOST_BUCKETS of the settings, and one for what took longer
