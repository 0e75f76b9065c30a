"""Many WebSockets at once in one worker: everyone hears everything, a connection costs little, and may end any time."""

from __future__ import annotations

import asyncio
import resource
import socket
import struct
from collections.abc import Iterator
from random import Random

import pytest

from tests.support.frames import FIN, TEXT, client_frame
from tests.support.gunicorn import DEADLINE_S
from tests.support.memory import pss_bytes, settled_pss_bytes

APP = "tests.integration.ws_app:app"
CLIENTS = 2000
MESSAGES = 5
# With the app's task and coroutines: 9 KiB on uvloop and 14 on asyncio compiled, 10 and 15 pure.
CONNECTION_BYTES = 32 * 1024
UPGRADE = (
    b"GET /meet HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)


async def join(address: tuple[str, int]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(UPGRADE)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    return reader, writer


async def broadcast(address: tuple[str, int], pid: int) -> int:
    """Let one client of many say something a few times and all hear it; return the worker's memory meanwhile."""
    members = []
    for start in range(0, CLIENTS, 100):
        members += await asyncio.gather(*(join(address) for _ in range(start, start + 100)))
    everything = b"".join(bytes((0x81, len(b"message 0"))) + b"message %d" % number for number in range(MESSAGES))
    for number in range(MESSAGES):
        members[number][1].write(client_frame(FIN | TEXT, b"message %d" % number))
        # All hear it before the next is said, so that there is one order.
        size = len(everything) // MESSAGES
        heard = await asyncio.gather(*(reader.readexactly(size) for reader, _ in members))
        assert set(heard) == {everything[number * size : (number + 1) * size]}
    memory = pss_bytes(pid)
    for _, writer in members:
        writer.close()
    return memory


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Let this process, and the server it starts, open as many as the clients need; shells often allow 1,024."""
    needed = CLIENTS + 500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard >= needed, (
        f"{CLIENTS} clients need {needed} open files and this machine allows {hard}: ulimit -n {needed}, as root"
    )
    if soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("descriptors")
def test_two_thousand_clients_hear_every_message(start, loop, record_property):
    server = start(APP, "--worker-connections", str(CLIENTS + 10), "--backlog", "2048", loop=loop)
    (pid,) = server.workers()
    before = settled_pss_bytes(pid)
    memory = asyncio.run(asyncio.wait_for(broadcast(server.address, pid), 2 * DEADLINE_S))
    each = (memory - before) / CLIENTS
    record_property("bytes_per_connection", each)
    print(f"{loop}: {each / 1024:.1f} KiB for each of {CLIENTS} WebSockets")
    assert each < CONNECTION_BYTES
    server.stop()


async def read_and_reset(address: tuple[str, int], random: Random) -> None:
    """Read some of an endless stream, then reset the connection: the worker hears of it while it writes."""
    reader, writer = await asyncio.open_connection(*address)
    # Not compressed, or the zeros would come to nothing.
    writer.write(UPGRADE.replace(b"/meet", b"/flood").replace(b"Sec-WebSocket-Extensions", b"X-Not-Offered"))
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(random.randrange(2_000_000))
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def test_clients_that_leave_endless_streams_do_not_hold_up_the_worker(start, loop):
    server = start(APP, loop=loop)
    random = Random(1012)

    async def come_and_go() -> None:
        for _ in range(25):
            await asyncio.gather(*(read_and_reset(server.address, random) for _ in range(12)))

    asyncio.run(asyncio.wait_for(come_and_go(), 2 * DEADLINE_S))
    with socket.create_connection(server.address, timeout=DEADLINE_S) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
    assert "Traceback" not in server.stop()
