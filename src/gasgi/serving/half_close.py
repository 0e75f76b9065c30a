"""What the kernel knows of a client that shut its side of the connection: did it leave, or does it wait for its answer?

A FIN says only that nothing more comes, and a client that leaves sends the same one. Linux knows more: over a unix
socket whether the peer has closed, over TCP how long after the last byte the FIN came. Elsewhere every FIN is taken
for a client that leaves. The functions take a transport's socket, or None.
"""

from __future__ import annotations

import select
import socket
import struct
import sys
from typing import Any

from gasgi.serving.raw_socket import borrow_socket

__all__ = ["GONE", "HERE", "SHUT", "look_at_peer", "may_still_read", "shut_on_purpose"]

# Whoever shuts its side on purpose does so directly after the request; nobody loses patience that fast.
WITH_REQUEST_MS = 50
# How the kernel asks a client that has closed by now whether it is there: its kernel answers with a reset, once it has
# forgotten the connection (Linux: a minute).
PROBE_AFTER_S = 10
PROBES = 3

# What look_at_peer() sees of the client.
HERE = 0
SHUT = 1  # it has shut its side, after bytes that have not been read
GONE = 2  # it has reset the connection, or nobody is left who would
_POLLRDHUP = getattr(select, "POLLRDHUP", 0)  # Linux

_STATE = struct.Struct("=B")
_LAST_RECEIVED_AT = 52  # struct tcp_info: tcpi_last_data_recv and, after it, tcpi_last_ack_recv, both in ms
_LAST_RECEIVED = struct.Struct("=II")
_CLOSE_WAIT = 8  # the client's FIN has come, ours has not gone out


def shut_on_purpose(sock: Any) -> bool:
    """Whether the FIN that has just come leaves a client behind that waits for its answer; have the kernel watch it."""
    if not _is_known(sock):
        return False
    with borrow_socket(sock) as borrowed:
        if borrowed.family == socket.AF_UNIX:
            return look_at_peer(borrowed) != GONE
        info = borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_RECEIVED_AT + _LAST_RECEIVED.size)
        since_data_ms, since_fin_ms = _LAST_RECEIVED.unpack_from(info, _LAST_RECEIVED_AT)
        if since_data_ms - since_fin_ms > WITH_REQUEST_MS:
            return False
        borrowed.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        borrowed.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, PROBE_AFTER_S)
        borrowed.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_AFTER_S)
        borrowed.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
        return True


def look_at_peer(sock: Any) -> int:
    """Say whether the client of a connection is still there: a loop does not watch one whose reading is paused."""
    if sock is None or sock.fileno() < 0:
        return HERE
    poll = select.poll()
    poll.register(sock.fileno(), _POLLRDHUP)
    for _, event in poll.poll(0):
        if event & (select.POLLERR | select.POLLHUP):
            return GONE
        if event & _POLLRDHUP:
            return SHUT
    return HERE


def may_still_read(sock: Any) -> bool:
    """Whether a client that shut its side on purpose is still there; loops do not watch its connection any more."""
    if not _is_known(sock):
        return False
    with borrow_socket(sock) as borrowed:
        if borrowed.family == socket.AF_UNIX:
            return look_at_peer(borrowed) != GONE
        (state,) = _STATE.unpack(borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _STATE.size))
        return bool(state == _CLOSE_WAIT)


def _is_known(sock: Any) -> bool:
    """Whether the kernel knows more of the peer of ``sock``."""
    return sys.platform == "linux" and sock is not None and sock.fileno() >= 0
