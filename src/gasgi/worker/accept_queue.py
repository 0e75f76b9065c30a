"""How many connections wait to be accepted on listening sockets, as far as the system tells (Linux, TCP)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["accept_queues", "count_waiting"]

# Linux, struct tcp_info: of a listening socket these two are how many wait to be accepted, and how many may.
QUEUE_AT = 24
QUEUE = struct.Struct("=II")


def accept_queues(listeners: Iterable[Any]) -> list[tuple[str, int, int]]:
    """Return address, length and limit of the queue of each TCP listener; nothing where the system does not tell."""
    found = []
    for listener in _tcp(listeners):
        try:
            waiting, most = _queue(listener)
            host, port = listener.getsockname()[:2]
        except (OSError, struct.error):
            continue
        found.append((f"[{host}]:{port}" if ":" in host else f"{host}:{port}", waiting, most))
    return found


def count_waiting(listeners: Iterable[Any]) -> Callable[[], int]:
    """Return a function that counts who waits at ``listeners``; 0 where the system does not tell."""
    those = _tcp(listeners)

    def count() -> int:
        try:
            return sum(_queue(listener)[0] for listener in those)
        except (OSError, struct.error):
            return 0

    return count


def _tcp(listeners: Iterable[Any]) -> list[Any]:
    if not hasattr(socket, "TCP_INFO"):
        return []
    return [listener for listener in listeners if listener.family in (socket.AF_INET, socket.AF_INET6)]


def _queue(listener: Any) -> tuple[int, int]:
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, QUEUE_AT + QUEUE.size)
    waiting, most = QUEUE.unpack_from(info, QUEUE_AT)
    return waiting, most
