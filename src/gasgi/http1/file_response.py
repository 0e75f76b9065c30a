"""Send a file as a piece of a response: by the kernel where it can, in pieces otherwise.

The response, which is asked for it, does the framing; serving/file_region opens and reads files.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Awaitable
from typing import Any, Protocol

from gasgi.http1.phases import CHUNKED, LENGTH, UNDECIDED
from gasgi.serving.file_region import HAS_SENDFILE, FileRegion, open_region, sendfile_region
from gasgi.serving.flow import WriteGate
from gasgi.serving.outbox import Outbox
from gasgi.serving.runtime import Runtime

__all__ = ["FileResponse"]

LOOK_AGAIN_S = 0.05  # at a socket that cannot be watched: no descriptor is free


class Framing(Protocol):
    """What a file needs of the response that it is a piece of."""

    number: int
    framing: int
    is_opening: bool
    length_left: int
    sent_bytes: int

    def has_no_body(self) -> bool: ...
    def file_opened(self) -> None: ...
    def put_head(self, body: bytes, size: int, more: bool) -> None: ...
    def take_length(self, size: int, more: bool) -> None: ...
    def send_body(self, body: bytes, more: bool) -> Awaitable[None]: ...
    def cut_off(self) -> None: ...


class FileResponse:
    """The file that one ``send`` of an app gives."""

    def __init__(self, runtime: Runtime, response: Framing, outbox: Outbox, gate: WriteGate) -> None:
        self._runtime = runtime
        self._response = response
        self._outbox = outbox
        self._gate = gate
        # Named now: the app may have ended, and the next request begun, before the first step of ``send``.
        self._number = response.number

    async def send(self, file: Any, offset: int | None, count: int | None, more: bool) -> None:
        """Send ``count`` bytes of ``file`` from ``offset`` on, as HttpStream.send_file says."""
        loop = self._runtime.loop
        response = self._response
        if self._is_mine():
            response.is_opening = True
        try:
            region = await open_region(loop, file, offset, count, response.length_left)
        finally:
            if self._is_mine():
                response.file_opened()
        try:
            self._gate.check()
            if not self._is_mine():
                return  # the app ended without waiting for this
            if response.has_no_body():
                await response.send_body(b"", more)
            elif region.content is not None:
                region.advance(len(region.content))
                await response.send_body(region.content, more)
            elif region.left < 0:
                async for piece in region.stream(count):
                    if not self._is_mine():
                        return
                    await response.send_body(piece, True)
                if self._is_mine():
                    await response.send_body(b"", more)
            else:
                await self._send_region(region, more)
        finally:
            region.close()

    def _is_mine(self) -> bool:
        return self._response.number == self._number

    async def _send_region(self, region: FileRegion, more: bool) -> None:
        """Send a region as one piece of the body; a failure half-way ends the connection, whose framing is lost."""
        response = self._response
        outbox = self._outbox
        size = region.left
        if response.framing == UNDECIDED:
            response.put_head(b"", size, more)
        elif response.framing == LENGTH:
            response.take_length(size, more)
        if response.framing == CHUNKED:
            outbox.put(b"%x\r\n" % size)
        try:
            outbox.flush()
            socket = outbox.transport.get_extra_info("socket")
            if socket is not None and self._may_sendfile():
                await self._empty_transport()
                async for sent in sendfile_region(region, socket.fileno(), self._wait_writable):
                    response.sent_bytes += sent
                    # Raises when the connection is lost: its descriptor may be another client's by the next call.
                    await self._gate.next_turn()
            async for piece in region.pieces(self._runtime.loop):
                self._gate.check()
                response.sent_bytes += len(piece)
                outbox.put(piece)
                outbox.flush()
                await self._gate.wait()
        except ConnectionError:
            # sendfile hears of it before the transport does; wait() raises when that has told everybody.
            outbox.transport.abort()
            if not self._gate.is_lost:
                self._gate.pause()
            await self._gate.wait()
            raise
        except BaseException:
            if self._is_mine() and not self._gate.is_lost:
                response.cut_off()
            raise
        self._gate.check()
        if response.framing == CHUNKED:
            outbox.put(b"\r\n")
        await response.send_body(b"", more)

    def _may_sendfile(self) -> bool:
        is_tls = self._outbox.transport.get_extra_info("sslcontext") is not None
        return HAS_SENDFILE and self._runtime.settings.sendfile and not is_tls

    async def _empty_transport(self) -> None:
        """Return when the transport holds nothing, so that the kernel can be given what comes next."""
        transport = self._outbox.transport
        if transport.get_write_buffer_size():
            transport.set_write_buffer_limits(high=0)
            try:
                await self._gate.wait()
            finally:
                if not self._gate.is_lost:
                    transport.set_write_buffer_limits(high=self._runtime.settings.write_buffer_bytes)
        self._gate.check()

    async def _wait_writable(self) -> None:
        """Return when the socket takes more; the write timeout runs meanwhile."""
        loop: asyncio.AbstractEventLoop = self._runtime.loop
        protocol: Any = self._outbox.transport.get_protocol()
        socket = self._outbox.transport.get_extra_info("socket")
        protocol.pause_writing()
        try:
            # Loops refuse to watch a descriptor that a transport owns, but not its duplicate.
            descriptor = os.dup(socket.fileno())
        except OSError:  # none is free
            while not self._gate.is_lost and not _takes_more(socket.fileno()):
                await asyncio.sleep(LOOK_AGAIN_S)
        else:
            try:
                loop.add_writer(descriptor, protocol.resume_writing)
                try:
                    await self._gate.wait()
                finally:
                    loop.remove_writer(descriptor)
            finally:
                os.close(descriptor)
        finally:
            protocol.resume_writing()
        self._gate.check()


def _takes_more(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))
