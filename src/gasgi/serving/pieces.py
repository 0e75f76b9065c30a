"""A list of bytes that came one after the other, whose parts do not cost more than what is in them.

An object of bytes takes 33 bytes beside its contents, and its place in the list 8: 64 KiB that come two bytes at a time
would hold a megabyte.
"""

from __future__ import annotations

__all__ = ["add_piece"]

_SMALL_BYTES = 1024  # neighbours are joined up to this size: small enough to be copied for each that comes


def add_piece(pieces: list[bytes], data: bytes) -> None:
    """Put ``data`` after ``pieces``; join it with the last of them while both are small."""
    size = len(data)
    if size < _SMALL_BYTES and pieces:
        last = pieces[-1]
        if len(last) + size <= _SMALL_BYTES:
            pieces[-1] = last + data
            return
    pieces.append(data)
