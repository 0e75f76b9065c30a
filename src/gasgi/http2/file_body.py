"""Send a file as a piece of an answer: read in pieces, off the loop where it has to be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from gasgi.serving.file_region import open_region

__all__ = ["send_file"]


async def send_file(
    loop: asyncio.AbstractEventLoop,
    send_body: Callable[[bytes, bool], Awaitable[None]],
    length_left: int,
    file: Any,
    offset: int | None,
    count: int | None,
    more: bool,
) -> None:
    """Give ``send_body`` ``count`` bytes of ``file`` from ``offset`` on, as HttpStream.send_file says.

    ``length_left`` is what the app's content-length allows, -1 for none.
    """
    region = await open_region(loop, file, offset, count, length_left)
    try:
        if region.content is not None:
            region.advance(len(region.content))
            await send_body(region.content, more)
            return
        async for piece in region.stream(count) if region.left < 0 else region.pieces(loop):
            await send_body(piece, True)
        await send_body(b"", more)
    finally:
        region.close()
