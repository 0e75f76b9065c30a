"""A crowd of new connections, each with one request and then kept: which process answers, and after how long.

One thread and no event loop, so that the client's own delays are small beside the server's.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.load import LoadError

__all__ = ["Crowd", "ask", "gather"]

DEADLINE_S = 15.0


@dataclass
class Crowd:
    """``shares``: connections that each process answered; ``took_ms``: from connect to the end of the answer."""

    shares: Counter[int] = field(default_factory=Counter)
    took_ms: list[float] = field(default_factory=list)


@dataclass
class _Client:
    """One connection."""

    socket: socket.socket
    began: float
    received: bytes = b""


def ask(port: int, path: str, timeout_s: float = DEADLINE_S) -> int:
    """Ask on a connection of its own, and return the id of the process that answered."""
    with socket.create_connection(("127.0.0.1", port), timeout_s) as client:
        client.sendall(_request(path, "Connection: close\r\n"))
        received = b""
        while data := client.recv(4096):
            received += data
    return _pid(received)


@contextlib.contextmanager
def gather(port: int, count: int, over_s: float, deadline_s: float = DEADLINE_S) -> Iterator[Crowd]:
    """Open ``count`` connections, at once or evenly over a time, wait for an answer on each, and keep them all.

    Those that have no answer in time have no share. Raises LoadError when one is refused or closed.
    """
    crowd = Crowd()
    request = _request("/")
    with contextlib.ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        began = time.perf_counter()
        opened = answered = 0
        while answered < count:
            now = time.perf_counter()
            if now - began > over_s + deadline_s:
                break
            if opened < count and now >= began + over_s * opened / count:
                client = stack.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", port))
                selector.register(client, selectors.EVENT_WRITE, _Client(client, now))
                opened += 1
                # At once means before anything is read; over a time, what is due.
                if over_s == 0 and opened < count:
                    continue
            pause_s = max(0.0, began + over_s * opened / count - now) if opened < count else 1.0
            for key, _ in selector.select(pause_s):
                if key.events == selectors.EVENT_WRITE:
                    _send(key.data, request)
                    selector.modify(key.fileobj, selectors.EVENT_READ, key.data)
                elif _receive(key.data):
                    crowd.took_ms.append((time.perf_counter() - key.data.began) * 1000)
                    crowd.shares[_pid(key.data.received)] += 1
                    selector.unregister(key.fileobj)
                    answered += 1
        yield crowd


def _request(path: str, fields: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode()


def _send(client: _Client, request: bytes) -> None:
    error = client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise LoadError(f"a connection was refused: error {error}")
    client.socket.send(request)


def _receive(client: _Client) -> bool:
    """Take what has come; return whether the answer is whole. Its body is a number, in one piece."""
    data = client.socket.recv(65536)
    if not data:
        raise LoadError(f"a connection was closed after {client.received!r}")
    client.received += data
    head, _, body = client.received.partition(b"\r\n\r\n")
    length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(body and length and len(body) >= int(length[0][15:]))


def _pid(received: bytes) -> int:
    head, _, body = received.partition(b"\r\n\r\n")
    if b" 200 " not in head[:20]:
        raise LoadError(f"answered {received[:200]!r}")
    return int(body)
