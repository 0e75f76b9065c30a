"""Take the PROXY header off an accepted socket, and not one byte more: TLS may start right after it."""

from __future__ import annotations

import asyncio
import select
import socket

from gasgi.proxy.protocol import LONGEST_V2, ProxyInfo, ProxyProtocolDecoder

__all__ = ["receive_proxy_header"]

# Between looks at a socket that cannot tell when more than the first few bytes has come; doubled each time, seconds.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 0.5
_POLLRDHUP = getattr(select, "POLLRDHUP", 0)  # Linux


async def receive_proxy_header(
    loop: asyncio.AbstractEventLoop, accepted: socket.socket, mode: str, timeout_s: float
) -> ProxyInfo:
    """Return the header at the start of ``accepted`` (non-blocking), an empty one when there is none.

    Raises RequestError for a bad header, asyncio.TimeoutError after ``timeout_s``, ConnectionResetError when the peer
    leaves.
    """
    return await asyncio.wait_for(_receive(loop, accepted, mode), timeout_s)


async def _receive(loop: asyncio.AbstractEventLoop, accepted: socket.socket, mode: str) -> ProxyInfo:
    decoder = ProxyProtocolDecoder(mode)
    seen_bytes = 0  # of what may be a signature, which stay in the kernel: TLS or HTTP may begin as one does
    pause_s = FIRST_PAUSE_S
    while True:
        await _readable(loop, accepted, seen_bytes + 1)
        try:
            # Peeked at, so that whatever comes after the header stays in the kernel for the transport.
            data = accepted.recv(16 + LONGEST_V2, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            continue
        if not data or (len(data) == seen_bytes and _has_left(accepted)):
            raise ConnectionResetError("the client disconnected before its PROXY header was complete")
        if len(data) == seen_bytes:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            continue
        info = decoder.feed(data)
        if info is not None:
            header_bytes = len(data) - len(decoder.take_leftover())
            if header_bytes:
                accepted.recv(header_bytes)
            return info
        if decoder.has_signature():
            # All that has come belongs to the header.
            accepted.recv(len(data))
            seen_bytes = 0
        else:
            decoder.take_leftover()
            seen_bytes = len(data)


def _has_left(accepted: socket.socket) -> bool:
    poll = select.poll()
    poll.register(accepted.fileno(), _POLLRDHUP)
    return bool(poll.poll(0))


async def _readable(loop: asyncio.AbstractEventLoop, accepted: socket.socket, least_bytes: int) -> None:
    """Return when there are ``least_bytes`` or the end; over unix sockets, of which Linux asks no number, at once."""
    readable = asyncio.Event()
    descriptor = accepted.fileno()
    if least_bytes > 1:
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least_bytes)
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
        if least_bytes > 1:
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
