"""The states of an HTTP connection and of the response in progress, as plain numbers.

What the connection reads; moved by http_ending and http_connection:

IDLE --first byte--> HEAD --whole head--> REQUEST --response complete--> IDLE, or REQUEST again (pipelined)
REQUEST --response complete, body not read--> DISCARDING --body read away--> IDLE
IDLE --first byte, but this turn of the loop has enough to do--> REQUEST --its turn--> IDLE, and on
any --an answer that ends the connection, more may arrive--> LINGERING --client closed, or 5 s--> CLOSED
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
]

IDLE = 0
HEAD = 1
REQUEST = 2
DISCARDING = 3
LINGERING = 4
CLOSED = 5

# How the body of the response in progress ends.
UNDECIDED = 0  # nothing of the response has been sent
NO_BODY = 1  # HEAD, 204, 205, 304: whatever the app sends as a body is dropped
LENGTH = 2  # after content-length bytes
CHUNKED = 3  # with the empty chunk
UNTIL_CLOSE = 4  # with the connection (HTTP/1.0)
