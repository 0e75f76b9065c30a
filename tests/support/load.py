"""Clients that keep a server busy and count: every request gets exactly one whole answer, or it is a failure."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Load", "run_load"]


class Load:
    """``asked``: paths of requests sent; ``answered``: those of whole answers; ``failures``: what went wrong."""

    def __init__(self, address: tuple[str, int] | str, keep_alive: bool) -> None:
        self._address = address
        self._keep_alive = keep_alive
        self._numbers = itertools.count()
        self.is_over = False
        self.asked: list[str] = []
        self.answered: list[str] = []
        self.failures: list[str] = []

    async def run(self, clients: int) -> None:
        """Keep asking until ``is_over``."""
        await asyncio.gather(*(self._client() for _ in range(clients)))

    async def _client(self) -> None:
        while not self.is_over:
            try:
                if isinstance(self._address, str):
                    reader, writer = await asyncio.open_unix_connection(self._address)
                else:
                    reader, writer = await asyncio.open_connection(*self._address)
            except OSError as exc:
                self.failures.append(f"refused: {exc}")
                continue
            try:
                while await self._ask(reader, writer) and not self.is_over:
                    pass
            finally:
                writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Send one request and read its answer; return whether the connection can be used again."""
        path = f"/count/{next(self._numbers)}"
        close = "" if self._keep_alive else "Connection: close\r\n"
        self.asked.append(path)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: load\r\n{close}\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            body = await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        except (OSError, asyncio.IncompleteReadError) as exc:
            self.failures.append(f"{path}: {exc!r}")
            return False
        if not head.startswith(b"http/1.1 200") or body != path.encode():
            self.failures.append(f"{path}: {head!r} {body!r}")
        self.answered.append(path)
        return b"connection: close" not in head


@contextmanager
def run_load(address: tuple[str, int] | str, clients: int = 8, keep_alive: bool = True) -> Iterator[Load]:
    """Keep ``clients`` asking in a thread; when this ends the last answers are in."""
    load = Load(address, keep_alive)
    thread = threading.Thread(target=lambda: asyncio.run(load.run(clients)), name="load")
    thread.start()
    try:
        yield load
    finally:
        load.is_over = True
        thread.join(60)
    assert not thread.is_alive(), "a request was never answered"
