"""Two thousand WebSockets at once in one worker: everyone hears everything, and a connection costs little."""

from __future__ import annotations

import asyncio
import resource

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


def test_two_thousand_clients_hear_every_message(start, loop, record_property):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, CLIENTS + 500), hard), hard))
    server = start(APP, "--worker-connections", str(CLIENTS + 10), "--backlog", "2048", loop=loop)
    (pid,) = server.workers()
    before = settled_pss_bytes(pid)
    memory = asyncio.run(asyncio.wait_for(broadcast(server.address, pid), 2 * DEADLINE_S))
    each = (memory - before) / CLIENTS
    record_property("bytes_per_connection", each)
    print(f"{loop}: {each / 1024:.1f} KiB for each of {CLIENTS} WebSockets")
    assert each < CONNECTION_BYTES
    server.stop()
