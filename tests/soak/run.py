"""Keep one worker busy for long with clients of every kind, and fail when it holds more memory at the end.

    python -m tests.soak.run [--seconds 600] [--loop uvloop]

Clients come, talk, read slowly or not at all, are cut off, break the rules and ask for plain HTTP, at a steady rate
that takes a part of a core. The memory (PSS, what the worker has to itself and its share of the rest) is read when the
clients are away, after a warm-up of a tenth of the time (a minute of ten) and at the end, and so is what is in use.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gasgi.compiled import IS_COMPILED
from tests.support.frames import FIN, PING, TEXT, client_frame
from tests.support.gunicorn import Gunicorn, start_gunicorn
from tests.support.memory import pss_bytes, settled_pss_bytes

# The pages that the allocators keep depend on how many clients came together by chance, and on when the collector last
# ran: 0.1 to 5.3 MB more after ten minutes.
GROWTH_BYTES = 8 * 1024 * 1024
# What is in use after a full collection shows a leak much sooner.
GROWTH_BLOCKS = 3000
USED_BYTES = 1024 * 1024
CLIENTS_PER_S = 80.0
WARM_UP = 0.1
UPGRADE = (
    b"GET {path} HTTP/1.1\r\nHost: soak\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
# A machine that stands still for half a minute is not what is looked for.
OPTIONS = ("--graceful-timeout", "10", "--timeout", "300", "--worker-connections", "1000")
CONFIG = "gasgi_websocket_ping_interval_s = 1\ngasgi_websocket_ping_timeout_s = 2\ngasgi_write_timeout_s = 3\n"


class Soak:
    """The clients; ``counts`` says how often each kind went as it should, ``failures`` what did not."""

    def __init__(self, address: tuple[str, int], seed: int) -> None:
        self.address = address
        self.url = "ws://{}:{}".format(*address)
        self.random = random.Random(seed)
        self.counts: collections.Counter[str] = collections.Counter()
        self.failures: list[str] = []
        self._kinds = [
            self.talk,
            self.compress,
            self.cut,
            self.read_nothing,
            self.break_rules,
            self.crash,
            self.refused,
            self.tell_all,
            self.stay_silent,
            self.ask,
        ]

    async def run(self, seconds: float) -> None:
        """Start clients at a steady rate for so long, then wait for the last of them."""
        end = time.monotonic() + seconds
        running: set[asyncio.Task[None]] = set()
        while time.monotonic() < end:
            kind = self._kinds[self.random.randrange(len(self._kinds))]
            task = asyncio.create_task(self._count(kind))
            running.add(task)
            task.add_done_callback(running.discard)
            await asyncio.sleep(self.random.expovariate(CLIENTS_PER_S))
        await asyncio.gather(*running)

    async def _count(self, kind: Any) -> None:
        try:
            await asyncio.wait_for(kind(), 60)
            self.counts[kind.__name__] += 1
        except Exception as exc:
            self.failures.append(f"{kind.__name__}: {exc!r}")

    # Kinds of clients

    async def talk(self) -> None:
        """Text and binary of many sizes, whole and in fragments, without compression; a proper end."""
        async with connect(self.url + "/echo", compression=None) as client:
            for _ in range(self.random.randrange(1, 20)):
                data = self.random.randbytes(self.random.choice((0, 10, 1000, 100_000)))
                await client.send(data)
                assert await self._answer(client) == data
            await client.send(["in ", "three ", "parts"])
            assert await self._answer(client) == "in three parts"

    async def compress(self) -> None:
        async with connect(self.url + "/echo") as client:
            for size in (300, 20_000, 400_000):
                text = f"{self.random.random()} words " * (size // 25)
                await client.send(text)
                assert await self._answer(client) == text

    async def cut(self) -> None:
        """Half a message, then a reset."""
        reader, writer = await self._upgrade("/echo")
        writer.write(client_frame(FIN | TEXT, b"x" * 5000)[: self.random.randrange(1, 5000)])
        await writer.drain()
        writer.transport.abort()
        del reader

    async def read_nothing(self) -> None:
        """A reader that is slower than the server's patience; a few read a little first."""
        reader, writer = await self._upgrade("/stream")
        for _ in range(self.random.randrange(4)):
            await reader.readexactly(65536)
        await asyncio.sleep(self.random.random() * 5)
        writer.transport.abort()

    async def break_rules(self) -> None:
        """A frame without a mask, and a flood of pings, which the server ends with 1002."""
        reader, writer = await self._upgrade("/echo")
        writer.write(client_frame(FIN | PING, b"ping") * 100 + b"\x81\x02hi")
        while await reader.read(65536):
            pass
        writer.close()

    async def crash(self) -> None:
        async with connect(self.url + "/echo") as client:
            await client.send("crash")
            with pytest.raises(ConnectionClosed) as caught:
                await self._hear_all(client)
        assert caught.value.rcvd is not None, "no close frame"
        assert caught.value.rcvd.code == 1011

    async def refused(self) -> None:
        with pytest.raises(InvalidStatus) as caught:
            await connect(self.url + "/refused")
        assert caught.value.response.status_code == 403

    async def tell_all(self) -> None:
        async with connect(self.url + "/echo") as client:
            await client.send("tell all")
            while await client.recv() != "news":
                pass

    async def stay_silent(self) -> None:
        """No answer to pings: the server lets go by itself."""
        reader, writer = await self._upgrade("/echo")
        while await reader.read(65536):
            pass
        writer.close()

    async def ask(self) -> None:
        reader, writer = await asyncio.open_connection(*self.address)
        for _ in range(self.random.randrange(1, 10)):
            writer.write(b"GET / HTTP/1.1\r\nHost: soak\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            await reader.read(100)
        writer.close()

    # Helpers

    async def _hear_all(self, client: Any) -> None:
        while True:
            await client.recv()

    async def _answer(self, client: Any) -> Any:
        """The next message that was not for all."""
        while (message := await client.recv()) == "news":
            pass
        return message

    async def _upgrade(self, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*self.address)
        writer.write(UPGRADE.replace(b"{path}", path.encode()))
        await reader.readuntil(b"\r\n\r\n")
        return reader, writer


def in_use(address: tuple[str, int]) -> tuple[int, int]:
    """Ask the worker how many small objects there are, and how many bytes of malloc's are in use.

    Unlike the pages that the process holds, these do not depend on how many clients came together by chance.
    """
    blocks, used = httpx.get("http://{}:{}/blocks".format(*address), timeout=60).text.split()
    return int(blocks), int(used)


def soak(server: Gunicorn, seconds: float, seed: int) -> int:
    """Run the clients in two parts and compare the memory after each."""
    (pid,) = server.workers()
    first = time.monotonic()
    clients = Soak(server.address, seed)
    asyncio.run(clients.run(seconds * WARM_UP))
    blocks_before, used_before = in_use(server.address)
    began = settled_pss_bytes(pid)
    print(f"after {time.monotonic() - first:4.0f} s: {began / 1e6:7.2f} MB", flush=True)
    left = first + seconds - time.monotonic()
    for part in range(9, 0, -1):
        asyncio.run(clients.run(left / 9))
        print(f"after {time.monotonic() - first:4.0f} s: {pss_bytes(pid) / 1e6:7.2f} MB", flush=True)
        del part
    blocks, used = in_use(server.address)
    ended = settled_pss_bytes(pid)
    growth = ended - began
    blocks, used = blocks - blocks_before, used - used_before
    cpu_s = sum(int(field) for field in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]) / 100
    print(f"clients: {dict(sorted(clients.counts.items()))}")
    allowed = f"{growth / 1e3:+.0f} kB ({GROWTH_BYTES / 1e3:.0f} allowed)"
    print(f"memory: {began / 1e6:.2f} MB, then {ended / 1e6:.2f} MB: {allowed}")
    print(f"in use: {blocks:+d} small objects ({GROWTH_BLOCKS} allowed),", end=" ")
    print(f"{used / 1e3:+.0f} kB of malloc's ({USED_BYTES / 1e3:.0f} allowed)")
    print(f"the worker took {cpu_s:.0f} s of processor time")
    for failure, count in collections.Counter(clients.failures).most_common(10):
        print(f"{count} × {failure}")
    assert server.workers() == [pid], f"the worker did not live:\n{server.log}"
    is_grown = growth > GROWTH_BYTES or blocks > GROWTH_BLOCKS or used > USED_BYTES
    return int(is_grown or bool(clients.failures))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--loop", default="auto")
    parser.add_argument("--seed", type=int, default=7692)
    options = parser.parse_args()
    print("compiled" if IS_COMPILED else "pure", flush=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        start_gunicorn(Path(scratch), "tests.soak.app:app", *OPTIONS, loop=options.loop, config=CONFIG) as server,
    ):
        server.wait_for("Booting worker")
        try:
            return soak(server, options.seconds, options.seed)
        except Exception:
            print(server.log[-20_000:])
            raise


if __name__ == "__main__":
    sys.exit(main())
