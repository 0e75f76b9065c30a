"""A raw client of a server that listens: bytes out, bytes in, over TCP, TLS and unix sockets."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator, Sequence
from typing import Any

from tests.support.answers import Answer, read_answers
from tests.support.gunicorn import DEADLINE_S

__all__ = ["Endpoint", "read_all", "read_to_the_end", "read_until"]

RECV_BYTES = 1024 * 1024


class Endpoint:
    """Where a server listens: the path of a unix socket or a pair of host and port, with a context for TLS."""

    def __init__(self, address: Any, tls: ssl.SSLContext | None = None) -> None:
        self._address = address
        self._tls = tls

    @property
    def is_tls(self) -> bool:
        return self._tls is not None

    def open(self) -> socket.socket:
        """Connect. A TLS connection that ends without a close_notify is an error for it."""
        sock = socket.socket(socket.AF_UNIX if isinstance(self._address, str) else socket.AF_INET)
        sock.settimeout(DEADLINE_S)
        sock.connect(self._address)
        if not isinstance(self._address, str):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            sock = self._tls.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False)
        return sock

    @contextlib.contextmanager
    def connect(self) -> Iterator[socket.socket]:
        with self.open() as sock:
            yield sock

    def talk(self, raw: bytes, methods: Sequence[str] = ()) -> list[Answer]:
        """Send ``raw``, read until the server closes, return the answers."""
        with self.connect() as sock:
            sock.sendall(raw)
            return read_to_the_end(sock, methods)

    def ask(self, path: str) -> bytes:
        """Return the body of the answer to a GET."""
        (answer,) = self.talk(b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path.encode())
        return answer.body


def read_to_the_end(sock: socket.socket, methods: Sequence[str] = ()) -> list[Answer]:
    """Return all answers until the server closes.

    A server reads on for a while behind a refusal, and over TLS only the client can end that: it does so once it has
    an answer that is the last, and anything that still comes is an error.
    """
    data = b""
    while piece := sock.recv(RECV_BYTES):
        data += piece
        if isinstance(sock, ssl.SSLSocket) and _is_last(data, methods):
            with contextlib.suppress(ConnectionError):  # it has closed already
                sock.unwrap()
            break
    return read_answers(data, list(methods), True)


def _is_last(data: bytes, methods: Sequence[str]) -> bool:
    try:
        answers = read_answers(data, list(methods))
    except AssertionError:  # not whole yet
        return False
    return bool(answers) and answers[-1].is_whole and answers[-1]["connection"] == b"close"


def read_all(sock: socket.socket) -> bytes:
    """Read to the end; a reset raises ConnectionResetError."""
    pieces = []
    while piece := sock.recv(RECV_BYTES):
        pieces.append(piece)
    return b"".join(pieces)


def read_until(sock: socket.socket, end: bytes) -> bytes:
    """Read until what has come ends with ``end``."""
    data = b""
    while not data.endswith(end):
        piece = sock.recv(65536)
        assert piece, data
        data += piece
    return data
