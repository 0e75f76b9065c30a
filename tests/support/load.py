"""Clients that keep a server busy and count: every request gets exactly one whole answer, or it is a failure."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

__all__ = ["Clients", "Load", "keep_busy", "run_load"]


class Clients:
    """Come again and again until ``is_over``; ``failures``: what went wrong."""

    def __init__(self) -> None:
        self.is_over = False
        self.failures: list[str] = []

    async def run(self, clients: int) -> None:
        """Be ``clients`` at a time until ``is_over``."""
        await asyncio.gather(*(self._client() for _ in range(clients)))

    async def _client(self) -> None:
        raise NotImplementedError


ClientsT = TypeVar("ClientsT", bound=Clients)


@contextmanager
def keep_busy(load: ClientsT, clients: int) -> Iterator[ClientsT]:
    """Run ``clients`` of them in a thread; when this ends the last has what it asked for."""
    thread = threading.Thread(target=lambda: asyncio.run(load.run(clients)), name=type(load).__name__)
    thread.start()
    try:
        yield load
    finally:
        load.is_over = True
        thread.join(60)
    assert not thread.is_alive(), "a client waits for its answer, or its end, for ever"


class Load(Clients):
    """``asked``: paths of requests sent; ``answered``: those of whole answers."""

    def __init__(self, address: tuple[str, int] | str, keep_alive: bool) -> None:
        super().__init__()
        self._address = address
        self._keep_alive = keep_alive
        self._numbers = itertools.count()
        self.asked: list[str] = []
        self.answered: list[str] = []

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


def run_load(address: tuple[str, int] | str, clients: int = 8, keep_alive: bool = True) -> AbstractContextManager[Load]:
    """Keep ``clients`` asking."""
    return keep_busy(Load(address, keep_alive), clients)
