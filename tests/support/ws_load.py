"""WebSocket clients that keep a server busy: each has everything that was sent, is told 1012, and comes again."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AbstractContextManager

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.load import Clients, keep_busy

__all__ = ["WebSocketLoad", "run_websocket_load"]


class WebSocketLoad(Clients):
    """Serves itself from ``/count/NAME``, which counts from 0.

    ``ended``: for each connection that was told to come again, the last number it heard (-1 for none). ``failures``:
    what went wrong, a refusal or another close code among it.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._names = itertools.count()
        self.ended: dict[str, int] = {}
        self.heard = 0
        self.listening: set[str] = set()  # those that have heard something and are not at their end

    async def _client(self) -> None:
        while not self.is_over:
            name = str(next(self._names))
            try:
                async with connect(f"{self._url}/count/{name}", open_timeout=40) as websocket:
                    await self._listen(name, websocket)
            except Exception as exc:
                self.failures.append(f"{name}: {exc!r}")
                await asyncio.sleep(0.01)

    async def _listen(self, name: str, websocket: ClientConnection) -> None:
        last = -1
        try:
            while not self.is_over:
                number = int(await asyncio.wait_for(websocket.recv(), 60))
                if number != last + 1:
                    self.failures.append(f"{name}: {number} behind {last}")
                last = number
                self.heard += 1
                self.listening.add(name)
        except ConnectionClosed as exc:
            if exc.rcvd is None or exc.rcvd.code != 1012:
                self.failures.append(f"{name}: {exc!r} after {last}")
            else:
                self.ended[name] = last
        finally:
            self.listening.discard(name)


def run_websocket_load(url: str, clients: int = 8) -> AbstractContextManager[WebSocketLoad]:
    """Keep ``clients`` listening."""
    return keep_busy(WebSocketLoad(url), clients)
