"""Bytes of a body that wait for the window of the client, taken in the sizes of frames."""

from __future__ import annotations

from collections import deque

__all__ = ["Pieces"]


class Pieces:
    """First in, first out. ``size`` counts the bytes."""

    def __init__(self) -> None:
        self.size = 0
        self._pieces: deque[bytes] = deque()
        self._start = 0  # how much of the first one has been taken

    def put(self, piece: bytes) -> None:
        """Add a piece, not an empty one."""
        self._pieces.append(piece)
        self.size += len(piece)

    def take(self, most: int) -> bytes:
        """Return up to ``most`` bytes of one piece; there must be some."""
        piece = self._pieces[0]
        start = self._start
        stop = min(len(piece), start + most)
        self.size -= stop - start
        if stop < len(piece):
            self._start = stop
            return piece[start:stop]
        self._start = 0
        self._pieces.popleft()
        return piece[start:] if start else piece
