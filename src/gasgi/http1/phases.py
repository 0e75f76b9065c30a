"""The states of an HTTP/1.1 connection and of the response in progress, as plain numbers.

What the connection does; it moves itself:

IDLE --first bytes of a head--> HEAD --the rest of it--> REQUEST --response complete--> IDLE
IDLE --whole head--> REQUEST
IDLE --first bytes, but this turn of the loop has enough to do--> WAITING --its turn--> IDLE
REQUEST --response complete, body not read--> DISCARDING --body read away--> IDLE
REQUEST, DISCARDING --the same, but the client takes nothing or too many tasks go on--> WAITING
any --an answer that ends the connection, more may arrive--> LINGERING
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
# UNDECIDED --first piece--> NO_BODY, LENGTH, CHUNKED, UNTIL_CLOSE --next request--> UNDECIDED
UNDECIDED = 0  # nothing of the response has been sent
NO_BODY = 1  # HEAD, 204, 205, 304: whatever the app sends as a body is dropped
LENGTH = 2  # after content-length bytes
CHUNKED = 3  # with the empty chunk
UNTIL_CLOSE = 4  # with the connection (HTTP/1.0)
