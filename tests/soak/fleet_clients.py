"""Clients of four workers that come and go: they ask, and tell what they lost and whether that had to be so.

An answer holds the id of the worker that gave it. A request may be lost when its worker was killed while it was in
progress, and in no other way.
"""

from __future__ import annotations

import asyncio
import collections
import math
import random
import time
from collections.abc import Awaitable, Callable

__all__ = ["Clients"]

KEPT = 48  # connections that are kept, and ask a few times a second
SLEEPERS = 16  # connections that ask every few seconds
NEW_PER_S = 20.0  # connections with one request each
DEADLINE_S = 20.0
# A worker that leaves closes connections that have been silent for a second, and a request may be on its way just then
# (RFC 9112, 9.3.1). Who asks more often is told with an answer.
SILENT_S = 0.9
# The kill and the client's notice of it are that far apart at most; both are of this process' clock.
NOTICE_S = 1.0


class Lost(Exception):
    """The connection ended before the answer was whole."""


class Clients:
    """``killed`` says when each worker was killed, by its id (``time.monotonic``); the caller fills it in."""

    def __init__(self, address: tuple[str, int], seed: int, killed: dict[int, float]) -> None:
        self._address = address
        self._random = random.Random(seed)
        self._killed = killed
        self._is_over = False
        self.counts: collections.Counter[str] = collections.Counter()
        self.workers: collections.Counter[int] = collections.Counter()
        self.failures: list[str] = []

    async def run(self, seconds: float) -> None:
        """Ask for so long, then let every connection end by itself."""
        tasks = [asyncio.create_task(self._guard(self._keep, 0.4)) for _ in range(KEPT)]
        tasks += [asyncio.create_task(self._guard(self._keep, 8.0)) for _ in range(SLEEPERS)]
        tasks.append(asyncio.create_task(self._come_and_go()))
        await asyncio.sleep(seconds)
        self._is_over = True
        await asyncio.gather(*tasks)

    async def _guard(self, kind: Callable[[float], Awaitable[None]], argument: float) -> None:
        while not self._is_over:
            try:
                await kind(argument)
            except Exception as exc:
                self.failures.append(f"{kind.__name__}({argument}): {exc!r}")

    async def _come_and_go(self) -> None:
        running: set[asyncio.Task[None]] = set()
        while not self._is_over:
            task = asyncio.create_task(self._once())
            running.add(task)
            task.add_done_callback(running.discard)
            await asyncio.sleep(self._random.expovariate(NEW_PER_S))
        await asyncio.gather(*running)

    async def _once(self) -> None:
        connection = Connection(self._address)
        try:
            await self._ask(connection, is_last=True)
        except Exception as exc:
            self.failures.append(f"a connection with one request: {exc!r}")
        finally:
            connection.close()

    async def _keep(self, pause_s: float) -> None:
        """Ask on one connection until the server ends it; the next call begins another."""
        connection = Connection(self._address)
        try:
            while not self._is_over and await self._ask(connection, is_last=False):
                await asyncio.sleep(self._random.random() * pause_s)
                if connection.has_ended():
                    self.counts["closed while idle"] += 1
                    return
        finally:
            connection.close()

    async def _ask(self, connection: Connection, is_last: bool) -> bool:
        """Ask once; return whether the connection may be used again. A loss that had to be is counted, others raise."""
        began = time.monotonic()
        takes_s = self._random.choice((0.0, 0.0, 0.0, 0.05, 0.2))
        try:
            worker, may_go_on = await asyncio.wait_for(connection.ask(takes_s, is_last), DEADLINE_S)
        except (Lost, OSError) as exc:
            if self._had_to_be(connection.worker, began, time.monotonic()):
                self.counts["lost with their worker"] += 1
                return False
            if began - connection.answered_at > SILENT_S and not connection.has_heard:
                self.counts["sent into a closing connection"] += 1
                return False
            raise Lost(f"{exc!r} after {time.monotonic() - began:.3f} s, of worker {connection.worker}") from exc
        self.counts["answered"] += 1
        self.workers[worker] += 1
        if connection.worker not in (0, worker):
            raise AssertionError(f"worker {worker} answers on a connection of {connection.worker}")
        connection.worker = worker
        connection.answered_at = time.monotonic()
        return may_go_on

    def _had_to_be(self, worker: int, began: float, ended: float) -> bool:
        """Whether the worker was killed meanwhile; ``worker`` 0: not known, since it has not answered yet."""
        times = [self._killed[worker]] if worker in self._killed else self._killed.values() if not worker else ()
        return any(began - NOTICE_S <= at <= ended and ended - at < NOTICE_S for at in times)


class Connection:
    """One connection of HTTP/1.1, opened with its first request."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.worker = 0  # its process, as it told; 0: it has not answered yet
        self.answered_at = math.inf  # time.monotonic() of the last answer
        self.has_heard = False  # a byte of the answer in progress

    async def ask(self, takes_s: float, is_last: bool) -> tuple[int, bool]:
        """Return what the worker says its id is, and whether it keeps the connection; raise Lost."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        self.has_heard = False
        last = b"Connection: close\r\n" if is_last else b""
        writer.write(b"GET /pid/%g HTTP/1.1\r\nHost: soak\r\n%b\r\n" % (takes_s, last))
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as exc:
            self.has_heard = bool(exc.partial)
            raise Lost(f"the end after {exc.partial!r}") from exc
        self.has_heard = True
        lines = head.lower().split(b"\r\n")
        if not lines[0].startswith(b"http/1.1 200 "):
            raise AssertionError(f"answered {head!r}")
        length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        try:
            body = await reader.readexactly(length)
        except asyncio.IncompleteReadError as exc:
            raise Lost(f"the end after {head + exc.partial!r}") from exc
        return int(body), b"connection: close" not in lines

    def has_ended(self) -> bool:
        """Whether the server has closed it."""
        return self._streams is not None and self._streams[0].at_eof()

    def close(self) -> None:
        """End it."""
        if self._streams is not None:
            self._streams[1].close()
