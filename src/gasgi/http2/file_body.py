"""Send a file as a piece of an answer: read in pieces, off the loop where it has to be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Protocol

from gasgi.serving.file_region import open_region

__all__ = ["send_file"]


class Body(Protocol):
    """What a file needs of the stream that it is sent on."""

    is_opening: bool
    length_left: int

    def send_body(self, body: bytes, more: bool) -> Awaitable[None]: ...


async def send_file(
    loop: asyncio.AbstractEventLoop,
    stream: Body,
    file: Any,
    offset: int | None,
    count: int | None,
    more: bool,
) -> None:
    """Send ``count`` bytes of ``file`` from ``offset`` on, as HttpStream.send_file says."""
    stream.is_opening = True
    try:
        region = await open_region(loop, file, offset, count, stream.length_left)
    finally:
        stream.is_opening = False
    try:
        if region.content is not None:
            region.advance(len(region.content))
            await stream.send_body(region.content, more)
            return
        async for piece in region.stream(count) if region.left < 0 else region.pieces(loop):
            await stream.send_body(piece, True)
        await stream.send_body(b"", more)
    finally:
        region.close()
