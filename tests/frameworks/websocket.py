"""A WebSocket client for tests that know no event loop.

Not websockets.sync, which reads in one thread and writes in another: CPython's SSLSocket is not made for that, and now
and then a request was never sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_connection
from websockets.typing import Subprotocol

__all__ = ["WebSocket", "connect"]

DEADLINE_S = 30

T = TypeVar("T")


class WebSocket:
    """An open connection; its loop runs within the calls only."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: ClientConnection) -> None:
        self._loop = loop
        self._connection = connection

    @property
    def subprotocol(self) -> str | None:
        return self._connection.subprotocol

    def send(self, text: str) -> None:
        self._run(self._connection.send(text))

    def recv(self) -> str | bytes:
        return self._run(self._connection.recv())

    def close(self, code: int = 1000) -> None:
        self._run(self._connection.close(code))

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(asyncio.wait_for(coroutine, DEADLINE_S))


@contextlib.contextmanager
def connect(
    url: str, ssl: ssl.SSLContext | None = None, subprotocols: Sequence[Subprotocol] | None = None
) -> Iterator[WebSocket]:
    """Connect for the length of the block."""
    loop = asyncio.new_event_loop()

    async def open_it() -> ClientConnection:
        return await open_connection(url, ssl=ssl, subprotocols=subprotocols)

    try:
        socket = WebSocket(loop, loop.run_until_complete(asyncio.wait_for(open_it(), DEADLINE_S)))
        try:
            yield socket
        finally:
            socket.close()
    finally:
        loop.close()
