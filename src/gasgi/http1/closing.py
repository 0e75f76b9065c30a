"""How the transport of a connection is closed so that the client sees what it ought to see."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

from gasgi.http1.inbox import Inbox
from gasgi.serving.deadlines import Deadlines
from gasgi.serving.outbox import Outbox
from gasgi.serving.raw_socket import borrow_socket
from gasgi.serving.sizes import LINGER_S

__all__ = ["close", "linger", "reset"]


def close(transport: asyncio.Transport, inbox: Inbox, outbox: Outbox, deadlines: Deadlines) -> None:
    """End the connection when the client has taken what is on its way."""
    inbox.clear()
    deadlines.read_at = 0.0
    outbox.flush()
    transport.close()
    # A client that does not read keeps a closing transport open.
    deadlines.set_write()


def linger(transport: asyncio.Transport, inbox: Inbox, deadlines: Deadlines, is_tls: bool) -> None:
    """Close once the client has seen the answer: a close with unread bytes would reset the connection."""
    inbox.clear()
    inbox.resume()
    deadlines.set_read(LINGER_S)
    if not is_tls:
        _shut_side(transport)


def _shut_side(transport: asyncio.Transport) -> None:
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
