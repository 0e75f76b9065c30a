"""Take the PROXY header off an accepted socket, and not one byte more: TLS may start right behind it."""

from __future__ import annotations

import asyncio
import socket

from gasgi.proxy.protocol import LONGEST_V2, ProxyInfo, ProxyProtocolDecoder

__all__ = ["receive_proxy_header"]

# Proxies send the header in one piece; one that comes in two is looked at again after this time.
RETRY_S = 0.01


async def receive_proxy_header(
    loop: asyncio.AbstractEventLoop, accepted: socket.socket, mode: str, timeout_s: float
) -> ProxyInfo:
    """Return the header at the start of ``accepted`` (non-blocking), an empty one when there is none.

    Raises RequestError for a bad header, asyncio.TimeoutError after ``timeout_s``, ConnectionResetError when the peer
    leaves.
    """
    return await asyncio.wait_for(_receive(loop, accepted, mode), timeout_s)


async def _receive(loop: asyncio.AbstractEventLoop, accepted: socket.socket, mode: str) -> ProxyInfo:
    while True:
        try:
            # Peeked at, so that whatever comes behind the header stays in the kernel for the transport.
            data = accepted.recv(16 + LONGEST_V2, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            await _readable(loop, accepted)
            continue
        if not data:
            raise ConnectionResetError("the peer left before its PROXY header")
        decoder = ProxyProtocolDecoder(mode)
        info = decoder.feed(data)
        if info is not None:
            header_bytes = len(data) - len(decoder.take_leftover())
            if header_bytes:
                accepted.recv(header_bytes)
            return info
        await asyncio.sleep(RETRY_S)


async def _readable(loop: asyncio.AbstractEventLoop, accepted: socket.socket) -> None:
    readable = asyncio.Event()
    descriptor = accepted.fileno()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
