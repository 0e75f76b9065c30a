"""Read a pipe, a socket or a device that other processes may read as well, without blocking the loop.

O_NONBLOCK is not for us to set: it belongs to the open file, which those who share it have, too.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
from typing import Any

__all__ = ["PipeReader"]

# Linux: read what is there, and do not wait. Not every file has it: terminals, and pipes before Linux 6.5.
_NO_WAIT: int = getattr(os, "RWF_NOWAIT", 0) if hasattr(os, "preadv") else 0
_CANNOT_ASK = (errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)
_AT_POSITION = -1  # preadv2(2): read as read(2) does
_HAS_EPOLL = hasattr(select, "epoll")
LOOK_AGAIN_S = 0.05  # at a device that cannot be waited for, as /dev/zero, and has nothing


class PipeReader:
    """For one reader at a time. Takes ``descriptor`` over. Raises OSError, also when it is made."""

    def __init__(self, loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
        self._loop = loop
        self._file = _Descriptor(descriptor)
        self._buffer = bytearray()
        self._may_ask = bool(_NO_WAIT)
        self._can_wait = True
        self._epoll: Any = None
        if _HAS_EPOLL:
            # Watched in place of the file: uvloop makes non-blocking whatever it watches.
            self._epoll = select.epoll()
            try:
                self._epoll.register(descriptor, select.EPOLLIN)
            except PermissionError:
                self._can_wait = False

    def close(self) -> None:
        """Let go of the descriptor; a thread that reads keeps it until it is done, so that it reads no other file."""
        self._file = _CLOSED
        if self._epoll is not None:
            self._epoll.close()

    async def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes as soon as there are any, none at the end. Raises OSError."""
        while True:
            if self._can_wait:
                await self._wait()
            try:
                if self._can_wait and self._may_ask:
                    return self._read_now(size)
                # Bytes are there, but who knows for how long: where somebody else takes them, a thread waits.
                return await self._loop.run_in_executor(None, self._file.read, size)
            except BlockingIOError:
                if not self._can_wait:
                    await asyncio.sleep(LOOK_AGAIN_S)
            except OSError as exc:
                if not self._may_ask or exc.errno not in _CANNOT_ASK:
                    raise
                self._may_ask = False

    def _read_now(self, size: int) -> bytes:
        if len(self._buffer) < size:
            self._buffer = bytearray(size)
        view = memoryview(self._buffer)[:size]
        return bytes(view[: os.preadv(self._file.number, [view], _AT_POSITION, _NO_WAIT)])

    async def _wait(self) -> None:
        """Return once there is something to read, or the end."""
        ready = self._loop.create_future()
        watched = self._file.number if self._epoll is None else self._epoll.fileno()
        try:
            self._loop.add_reader(watched, _set, ready)
        except OSError:
            self._can_wait = False
            return
        try:
            await ready
        finally:
            self._loop.remove_reader(watched)


class _Descriptor:
    """Closes it once nobody refers to it any more."""

    def __init__(self, number: int) -> None:
        self.number = number

    def read(self, size: int) -> bytes:
        return os.read(self.number, size)

    def __del__(self) -> None:
        if self.number >= 0:
            os.close(self.number)


_CLOSED = _Descriptor(-1)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
