"""Send files as part of a response: by the kernel where it can, in pieces otherwise.

Behind http_writer, which frames them; http_file opens and reads them.
"""

from __future__ import annotations

import os
from collections.abc import Coroutine
from typing import Any

from gasgi.asgi.http import HttpExchange
from gasgi.http1.phases import CHUNKED, LENGTH, UNDECIDED
from gasgi.http1.response import HttpWriter
from gasgi.serving.file_region import HAS_SENDFILE, FileRegion, open_region, sendfile_region

__all__ = ["HttpFileSender"]


class HttpFileSender(HttpWriter):
    """Adds ``send_file`` to HttpWriter."""

    def send_file(self, file: Any, offset: int | None, count: int | None, more: bool) -> Coroutine[Any, Any, None]:
        self._raise_when_lost()
        # Named now: the app may have ended, and the next request begun, before the first step of what is returned.
        return self._send_file(self._exchange, file, offset, count, more)

    # Helpers

    async def _send_file(
        self, exchange: HttpExchange | None, file: Any, offset: int | None, count: int | None, more: bool
    ) -> None:
        loop = self._runtime.loop
        region = await open_region(loop, file, offset, count, self._length_left)
        try:
            self._raise_when_lost()
            if self._exchange is not exchange:
                return  # the app ended without waiting for this
            if self._drops_body():
                await self.send_body(b"", more)
            elif region.content is not None:
                region.advance(len(region.content))
                await self.send_body(region.content, more)
            elif region.left < 0:
                async for piece in region.stream(loop, count):
                    if self._exchange is not exchange:
                        return
                    await self.send_body(piece, True)
                if self._exchange is exchange:
                    await self.send_body(b"", more)
            else:
                await self._send_region(region, more)
        finally:
            region.close()

    def _drops_body(self) -> bool:
        request = self._head
        return self._status in (204, 205, 304) or (request is not None and request.method == "HEAD")

    async def _send_region(self, region: FileRegion, more: bool) -> None:
        """Send a region as one piece of the body; a failure half-way ends the connection, whose framing is lost."""
        exchange = self._exchange
        size = region.left
        if self._framing == UNDECIDED:
            self._send_head(b"", size, more)
        elif self._framing == LENGTH:
            self._take_length(size, more)
        if self._framing == CHUNKED:
            self._put(b"%x\r\n" % size)
        try:
            self._flush()
            socket = self._transport.get_extra_info("socket")
            if socket is not None and HAS_SENDFILE and self._runtime.settings.sendfile and not self._is_tls:
                await self._empty_transport()
                async for sent in sendfile_region(region, socket.fileno(), self._wait_writable):
                    self._sent_bytes += sent
                    # Raises when the connection is lost: its descriptor may be another client's by the next call.
                    await self._gate.next_turn()
            async for piece in region.pieces(self._runtime.loop):
                self._raise_when_lost()
                self._sent_bytes += len(piece)
                self._put(piece)
                self._flush()
                await self._gate.wait()
        except ConnectionError:
            # sendfile hears of it before the transport does; wait() raises when that has told everybody.
            self._transport.abort()
            if not self._gate.is_lost:
                self._gate.pause()
            await self._gate.wait()
            raise
        except BaseException:
            if self._exchange is exchange and not self._gate.is_lost:
                self._cut_off()
            raise
        self._raise_when_lost()
        if self._framing == CHUNKED:
            self._put(b"\r\n")
        await self.send_body(b"", more)

    async def _empty_transport(self) -> None:
        """Return when the transport holds nothing, so that the kernel can be given what comes next."""
        transport = self._transport
        if transport.get_write_buffer_size():
            transport.set_write_buffer_limits(high=0)
            try:
                await self._gate.wait()
            finally:
                if not self._gate.is_lost:
                    transport.set_write_buffer_limits(high=self._runtime.settings.write_buffer_bytes)
        self._raise_when_lost()

    async def _wait_writable(self) -> None:
        """Return when the socket takes more; the write timeout runs meanwhile."""
        loop = self._runtime.loop
        # Loops refuse to watch a descriptor that a transport owns, but not its duplicate.
        descriptor = os.dup(self._transport.get_extra_info("socket").fileno())
        try:
            self.pause_writing()
            loop.add_writer(descriptor, self.resume_writing)
            try:
                await self._gate.wait()
            finally:
                loop.remove_writer(descriptor)
        finally:
            os.close(descriptor)
            self.resume_writing()
