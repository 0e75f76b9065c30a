"""The socket under a transport with all its methods, which the transport lacks, and without another descriptor."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

__all__ = ["borrow_socket"]


@contextlib.contextmanager
def borrow_socket(sock: Any) -> Iterator[socket.socket]:
    """Give ``sock``, the open one of a transport, for as long as the block runs; closes nothing. Raises OSError."""
    borrowed = socket.socket(fileno=sock.fileno())
    try:
        yield borrowed
    finally:
        borrowed.detach()
