"""Waiting for a slow peer, a gate that the transport shuts and opens; and reading on after a pause."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gasgi.errors import ClientDisconnected
from gasgi.reporting.timing import Timing

__all__ = ["WriteGate", "resume_reading"]


def resume_reading(loop: asyncio.AbstractEventLoop, channel: asyncio.ReadTransport) -> None:
    """Read on from a transport after ``pause_reading``; no byte is left behind.

    aiofastnet's TLS transport (1.2.0) may hold bytes that it took off the socket before the pause, and looks at them
    only when more arrive: an upload would never end.
    """
    read_held = getattr(channel, "_do_read", None)
    if read_held is not None and not channel.is_closing():
        loop.call_soon(_read_held, channel, read_held)
    channel.resume_reading()


def _read_held(channel: asyncio.ReadTransport, read_held: Callable[[], object]) -> None:
    if not channel.is_closing():
        read_held()


class WriteGate:
    """Shut between ``pause_writing`` and ``resume_writing``; gone for good once the connection is lost."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiters: list[asyncio.Future[None]] | None = None
        self.is_open = True
        self.is_lost = False
        self.timing: Timing | None = None  # None: nobody asked

    def pause(self) -> None:
        """Shut the gate: the transport is above its high-water mark."""
        self.is_open = False

    def resume(self) -> None:
        """Open the gate and wake every waiter."""
        self.is_open = True
        self._wake()

    def lost(self) -> None:
        """Wake every waiter with ClientDisconnected: nobody will ever resume a lost transport."""
        self.is_lost = True
        self.is_open = True
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, None
        if waiters is not None:
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def check(self) -> None:
        """Raise ClientDisconnected when the connection is lost."""
        if self.is_lost:
            raise ClientDisconnected("the client disconnected before the response was sent")

    async def wait(self) -> None:
        """Return when the gate is open; raise ClientDisconnected when the connection is lost."""
        while not self.is_open:
            waiter = self._loop.create_future()
            if self._waiters is None:
                self._waiters = []
            self._waiters.append(waiter)
            if self.timing is not None:
                self.timing.begin_client_wait()
            try:
                await waiter
            except BaseException:
                # An app that gives up on one send after the other must not fill the list.
                if self._waiters is not None and waiter in self._waiters:
                    self._waiters.remove(waiter)
                raise
            finally:
                if self.timing is not None:
                    self.timing.end_client_wait()
        self.check()

    async def next_turn(self) -> None:
        """Let the loop serve everybody else first: what a sender awaits that would never wait otherwise."""
        await asyncio.sleep(0)
        await self.wait()
