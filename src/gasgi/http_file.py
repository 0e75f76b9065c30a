"""Read a file in pieces without blocking the loop, for http.response.pathsend and http.response.zerocopysend."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator

__all__ = ["read_pieces"]

PIECE_BYTES = 256 * 1024  # one trip to the thread pool and back costs about as much as sending this


async def read_pieces(
    loop: asyncio.AbstractEventLoop, file: int | str, offset: int | None, count: int | None
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of a path or an open descriptor, from ``offset`` (default: where it stands), at most ``count``.

    A path is opened and closed here; a descriptor stays open, it is the caller's. Raises OSError.
    """
    descriptor = await loop.run_in_executor(None, os.open, file, os.O_RDONLY | os.O_CLOEXEC) if isinstance(file, str) else file
    try:
        left = count
        while left is None or left > 0:
            size = PIECE_BYTES if left is None else min(left, PIECE_BYTES)
            if offset is None:
                piece = await loop.run_in_executor(None, os.read, descriptor, size)
            else:
                piece = await loop.run_in_executor(None, os.pread, descriptor, size, offset)
                offset += len(piece)
            if not piece:
                return
            if left is not None:
                left -= len(piece)
            yield piece
    finally:
        if isinstance(file, str):
            os.close(descriptor)
