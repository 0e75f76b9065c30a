"""Files as response bodies, for http.response.pathsend and http.response.zerocopysend: open, measure, read, sendfile.

Nothing here blocks the loop but os.sendfile, which reads from the page cache or the disk as nginx's does.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from gasgi.serving.pipe_reader import PipeReader

__all__ = ["HAS_SENDFILE", "FileRegion", "open_region", "sendfile_region"]

PIECE_BYTES = 256 * 1024  # one trip to the thread pool and back costs about as much as sending this
KERNEL_BYTES = 1024 * 1024  # the most that one system call sends before others get their turn
HAS_SENDFILE = hasattr(os, "sendfile")
OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
# An answer under way waits so long for a descriptor, 3 s in all, before it fails: other answers give theirs back.
# Accepting, which takes the descriptors, pauses a second at a time.
PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.75, 1.5)
# The kernel says so for file systems whose files it cannot send; they can still be read.
CANNOT_SENDFILE = frozenset((errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EOVERFLOW))


class FileRegion:
    """Where in which open file the bytes of a body piece are. Closes its own descriptor, never the app's."""

    def __init__(self, descriptor: int, offset: int) -> None:
        self.descriptor = descriptor  # ours alone: opened or duplicated here
        self.offset = offset
        self.left = -1  # bytes not yet read or sent; -1 for a pipe or socket, which ends when it ends
        self.content: bytes | None = None  # all of a small region, read when it was opened
        self._pipe: PipeReader | None = None  # reads what is no regular file
        self._file: Any = None  # the app's, whose position moves by what was sent

    def measure(self, count: int | None, limit: int) -> None:
        """Find the end of the region in a regular file and read it when it is small. Blocks on the disk."""
        left = max(os.fstat(self.descriptor).st_size - self.offset, 0)
        if count is not None:
            left = min(left, count)
        elif limit >= 0:
            left = min(left, limit)
        self.left = left
        if left <= PIECE_BYTES:
            content = os.pread(self.descriptor, left, self.offset)
            if len(content) == left:
                self.content = content

    def become_pipe(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read a pipe, a socket or a device, not a regular file. Raises OSError."""
        descriptor, self.descriptor = self.descriptor, -1
        self._pipe = PipeReader(loop, descriptor)

    def follow(self, file: Any) -> None:
        """Move the position of ``file`` (a descriptor or a file object) when the region is closed."""
        self._file = file

    async def pieces(self, loop: asyncio.AbstractEventLoop) -> AsyncIterator[bytes]:
        """Yield what is left. Raises OSError, also when the file ends before the region does."""
        while self.left > 0:
            size = min(self.left, PIECE_BYTES)
            piece = await loop.run_in_executor(None, os.pread, self.descriptor, size, self.offset)
            if not piece:
                raise self.ended_early()
            self.advance(len(piece))
            yield piece

    async def stream(self, count: int | None) -> AsyncIterator[bytes]:
        """Yield what a pipe or socket gives until it ends, ``count`` bytes at most."""
        reader = self._pipe
        if reader is None:
            return
        left = PIECE_BYTES if count is None else count
        while left > 0:
            piece = await reader.read(min(left, PIECE_BYTES))
            if not piece:
                return
            if count is not None:
                left -= len(piece)
            yield piece

    def advance(self, size: int) -> None:
        """Count bytes as read or sent."""
        self.offset += size
        self.left -= size

    def ended_early(self) -> OSError:
        """Make the error for a file that was cut while it was sent."""
        return OSError(errno.EIO, f"the file ended {self.left} bytes before the announced length")

    def close(self) -> None:
        """Let go of the descriptor and leave the app's position after what was sent; may be called again."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
        if self._pipe is not None:
            self._pipe.close()
        file, self._file = self._file, None
        if isinstance(file, int):
            os.lseek(file, self.offset, os.SEEK_SET)
        elif file is not None:
            file.seek(self.offset)

    def __del__(self) -> None:
        # A task that is cancelled while a thread opens or measures the file never sees the region.
        if self.descriptor >= 0:
            os.close(self.descriptor)


async def open_region(
    loop: asyncio.AbstractEventLoop, file: Any, offset: int | None, count: int | None, limit: int
) -> FileRegion:
    """Open a path (a str), or take a descriptor or an open file, from ``offset`` (default: where it stands).

    The region ends after ``count`` bytes or where the file ends. Without a ``count`` it has at most ``limit`` bytes
    (-1 for any number): a file that grew since the app looked at its size does not break its content-length.
    Waits for a free descriptor, but not for ever. Raises OSError.
    """
    for pause_s in PAUSES_S:
        try:
            return await _open(loop, file, offset, count, limit)
        except OSError as exc:
            if exc.errno not in OUT_OF_DESCRIPTORS:
                raise
        await asyncio.sleep(pause_s)
    return await _open(loop, file, offset, count, limit)


async def _open(
    loop: asyncio.AbstractEventLoop, file: Any, offset: int | None, count: int | None, limit: int
) -> FileRegion:
    if isinstance(file, str):
        return await loop.run_in_executor(None, _open_path, file, offset or 0, count, limit)
    region = FileRegion(os.dup(file if isinstance(file, int) else file.fileno()), offset or 0)
    if not stat.S_ISREG(os.fstat(region.descriptor).st_mode):
        region.become_pipe(loop)
        return region
    if offset is None:
        # A file object may have read ahead of what its user has seen.
        region.offset = os.lseek(file, 0, os.SEEK_CUR) if isinstance(file, int) else file.tell()
    await loop.run_in_executor(None, region.measure, count, limit)
    if offset is None:
        region.follow(file)
    return region


async def sendfile_region(
    region: FileRegion, socket_descriptor: int, wait: Callable[[], Awaitable[None]]
) -> AsyncIterator[int]:
    """Let the kernel send what is left and yield how much each call sent; ``wait`` returns when the socket takes more.

    Whoever iterates makes sure before each step that the descriptor is still the same socket's. Ends with bytes left
    when the kernel cannot send this file. Raises OSError.
    """
    while region.left > 0:
        try:
            sent = os.sendfile(socket_descriptor, region.descriptor, region.offset, min(region.left, KERNEL_BYTES))
        except BlockingIOError:
            await wait()
            continue
        except OSError as exc:
            if exc.errno in CANNOT_SENDFILE:
                return
            raise
        if not sent:
            raise region.ended_early()
        region.advance(sent)
        yield sent


def _open_path(path: str, offset: int, count: int | None, limit: int) -> FileRegion:
    # Opening a FIFO must not wait for its writer.
    region = FileRegion(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), offset)
    mode = os.fstat(region.descriptor).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "http.response.pathsend sends regular files only", path)
    region.measure(count, limit)
    return region
