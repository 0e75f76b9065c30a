"""How the transport of a connection is closed so that the client sees what it ought to see."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

from gasgi.serving.raw_socket import borrow_socket

__all__ = ["reset", "shut_side"]


def shut_side(transport: asyncio.Transport) -> None:
    """Say that nothing more comes, and go on reading (RFC 9112, 9.6)."""
    if transport.can_write_eof():
        try:
            transport.write_eof()
        except OSError:
            # The client has reset the connection, and the loop has yet to say so.
            transport.abort()


def reset(transport: asyncio.Transport) -> None:
    """End the connection with a reset: a plain close would look like the end of a body that has no other."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        with contextlib.suppress(OSError), borrow_socket(sock) as borrowed:
            borrowed.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
