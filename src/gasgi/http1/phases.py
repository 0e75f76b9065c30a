"""The states of an HTTP/1.1 connection and of the response in progress, as plain numbers.

What the connection does; it moves itself:

IDLE --first byte--> HEAD --whole head--> REQUEST --response complete--> IDLE, or REQUEST again (pipelined)
IDLE --first byte, but this turn of the loop has enough to do--> WAITING --its turn--> IDLE, and on
REQUEST --response complete, but the client takes nothing or too many tasks go on--> WAITING --they do--> IDLE, and on
REQUEST --response complete, body not read--> DISCARDING --body read away--> IDLE
any --an answer that ends the connection, more may arrive--> LINGERING --client closed, or 5 s--> CLOSED
any --the connection ends--> CLOSED
"""

from __future__ import annotations

__all__ = [
    "CHUNKED",
    "CLOSED",
    "DISCARDING",
    "HEAD",
    "IDLE",
    "LENGTH",
    "LINGERING",
    "NO_BODY",
    "REQUEST",
    "UNDECIDED",
    "UNTIL_CLOSE",
    "WAITING",
]

IDLE = 0
HEAD = 1
WAITING = 2  # bytes of the next request are held
REQUEST = 3
DISCARDING = 4
LINGERING = 5
CLOSED = 6

# How the body of the response in progress ends:
# UNDECIDED --first piece--> one of the others --next request--> UNDECIDED
UNDECIDED = 0  # nothing of the response has been sent
NO_BODY = 1  # HEAD, 204, 205, 304: whatever the app sends as a body is dropped
LENGTH = 2  # after content-length bytes
CHUNKED = 3  # with the empty chunk
UNTIL_CLOSE = 4  # with the connection (HTTP/1.0)
