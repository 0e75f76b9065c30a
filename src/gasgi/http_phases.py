"""What an HTTP connection reads at the moment; kept by http_ending and http_connection.

IDLE --first byte--> HEAD --whole head--> REQUEST --response complete--> IDLE, or REQUEST again (pipelined)
REQUEST --response complete, body not read--> DISCARDING --body read away--> IDLE
IDLE --first byte, but this turn of the loop has enough to do--> REQUEST --its turn--> IDLE, and on
any --an answer that ends the connection, more may arrive--> LINGERING --client closed, or 5 s--> CLOSED
"""

from __future__ import annotations

__all__ = ["CLOSED", "DISCARDING", "HEAD", "IDLE", "LINGERING", "REQUEST"]

IDLE = 0
HEAD = 1
REQUEST = 2
DISCARDING = 3
LINGERING = 4
CLOSED = 5
