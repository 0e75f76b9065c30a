"""How much is held, joined and written at a time: one meaning for each name, on every wire. Bytes and seconds."""

from __future__ import annotations

__all__ = ["COPY_BYTES", "FLUSH_BYTES", "HOLD_BYTES", "JOIN_BYTES", "LINGER_S", "WINDOW_BYTES"]

COPY_BYTES = 4 * 1024  # up to here a piece is copied between the bytes that frame it instead of put beside them
JOIN_BYTES = 16 * 1024  # up to here one copy is cheaper than a write of several buffers
FLUSH_BYTES = 64 * 1024  # with so many, pieces do not wait for the end of the turn
HOLD_BYTES = 64 * 1024  # after the request in progress: above this, reading pauses
WINDOW_BYTES = 4 * 1024  # held bytes are parsed in windows of this size: a long burst is not copied for each request
LINGER_S = 5.0  # how long bytes are read away so that a reset does not overtake the answer (RFC 9112, 9.6)
