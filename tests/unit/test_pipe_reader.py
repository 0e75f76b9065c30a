"""Reading what is shared with other readers never blocks the loop."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from gasgi.serving import pipe_reader
from gasgi.serving.pipe_reader import PipeReader
from tests.support.tcp_server import LOOPS, on_loop

over_loops = pytest.mark.parametrize("loop_name", LOOPS)
PATIENCE_S = 20.0


@pytest.fixture(params=["pipe", "socket"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    """What is read and what is written; both block."""
    if request.param == "pipe":
        reading, writing = os.pipe()
    else:
        reading, writing = (end.detach() for end in socket.socketpair())
    yield reading, writing
    os.close(reading)
    if is_open(writing):
        os.close(writing)


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


@pytest.fixture(params=["asks", "has a thread"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(*args: Any) -> int:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    if request.param == "has a thread":
        monkeypatch.setattr(os, "preadv", cannot)


async def steal(loop: asyncio.AbstractEventLoop, reader: PipeReader, ends: tuple[int, int]) -> None:
    """Let another reader take what wakes ``reader``, between its wait and its read."""
    real, stolen = reader._wait, []

    async def wait() -> None:
        await real()
        if not stolen:
            stolen.append(os.read(ends[0], 100))

    reader._wait = wait  # type: ignore[method-assign]
    os.write(ends[1], b"for another")
    task = loop.create_task(reader.read(100))
    while not stolen:
        await asyncio.sleep(0)
        assert os.get_blocking(ends[0]), "changed for those who share it"
    for _ in range(5):
        await asyncio.sleep(0.001)  # the loop runs
    assert not task.done()
    os.write(ends[1], b"for us")
    assert await asyncio.wait_for(task, PATIENCE_S) == b"for us"


@over_loops
@pytest.mark.usefixtures("_way")
@on_loop
async def test_waits_on_when_another_reader_was_quicker(ends: tuple[int, int], loop_name: str) -> None:
    loop = asyncio.get_running_loop()
    await steal(loop, PipeReader(loop, os.dup(ends[0])), ends)


@over_loops
@pytest.mark.usefixtures("_way")
@on_loop
async def test_reads_as_much_as_is_asked_for_until_the_end(ends: tuple[int, int], loop_name: str) -> None:
    reader = PipeReader(asyncio.get_running_loop(), os.dup(ends[0]))
    os.write(ends[1], b"abcdef")
    assert await reader.read(4) == b"abcd"
    assert await reader.read(4) == b"ef"
    os.close(ends[1])
    assert await reader.read(4) == b""


@over_loops
@on_loop
async def test_reads_a_device_that_cannot_be_waited_for(loop_name: str) -> None:
    reader = PipeReader(asyncio.get_running_loop(), os.open("/dev/zero", os.O_RDONLY))
    assert await reader.read(3) == bytes(3)


@over_loops
@on_loop
async def test_raises_what_reading_raises(loop_name: str) -> None:
    reader = PipeReader(asyncio.get_running_loop(), os.open(os.devnull, os.O_WRONLY))
    with pytest.raises(OSError, match="Bad file descriptor"):
        await reader.read(3)


@over_loops
@on_loop
async def test_a_thread_that_waits_keeps_its_descriptor_to_itself(
    ends: tuple[int, int], loop_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe_reader, "_NO_WAIT", 0)
    loop = asyncio.get_running_loop()
    descriptor = os.dup(ends[0])
    reader = PipeReader(loop, descriptor)

    async def wait() -> None:
        pass

    reader._wait = wait  # type: ignore[method-assign]
    task = loop.create_task(reader.read(100))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    reader.close()
    assert is_open(descriptor)
    os.write(ends[1], b"x")
    while is_open(descriptor):
        await asyncio.sleep(0.001)


@over_loops
@on_loop
async def test_leaves_no_descriptor_behind(ends: tuple[int, int], loop_name: str) -> None:
    descriptor = os.dup(ends[0])
    reader = PipeReader(asyncio.get_running_loop(), descriptor)
    task = asyncio.ensure_future(reader.read(1))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    reader.close()
    reader.close()
    assert not is_open(descriptor)
