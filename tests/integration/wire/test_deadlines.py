"""What a client may take its time for. Each deadline of these servers is a second, and at most two ticks longer."""

from __future__ import annotations

import contextlib
import json
import socket

from tests.support.endpoint import Endpoint, read_to_the_end, read_until
from tests.support.gunicorn import wait_until

GET = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"


def trickle(sock: socket.socket) -> bytes:
    """Send a head without an end, a byte whenever nothing has been answered for a moment; return the answer."""
    sock.settimeout(0.05)
    for byte in GET[:-4] + b"\r\nx: " + b"x" * 5000:
        sock.sendall(bytes([byte]))
        with contextlib.suppress(TimeoutError):
            return sock.recv(65536)
    raise AssertionError("not answered")


def test_clients_that_keep_the_server_waiting_are_told_so_and_closed(impatient: Endpoint) -> None:
    # All at a time, because each of them takes its seconds.
    with (
        impatient.connect() as silent,
        impatient.connect() as slow_head,
        impatient.connect() as slow_body,
        impatient.connect() as idle,
        impatient.connect() as second_head,
        impatient.connect() as trickling,
    ):
        slow_head.sendall(GET[:9])
        slow_body.sendall(POST + b"he")
        idle.sendall(GET)
        second_head.sendall(GET + GET[:9])
        assert trickle(trickling).startswith(b"HTTP/1.1 408 ")
        assert [(answer.status, answer["connection"]) for answer in read_to_the_end(slow_head)] == [(408, b"close")]
        assert [(answer.status, answer["connection"]) for answer in read_to_the_end(slow_body)] == [(408, b"close")]
        assert [answer.status for answer in read_to_the_end(idle)] == [200]
        assert [answer.status for answer in read_to_the_end(second_head)] == [200, 408]
        assert read_to_the_end(silent) == []


def test_a_client_that_does_not_read_is_cut_off_and_the_app_hears_of_it(impatient: Endpoint) -> None:
    with impatient.connect() as sock:
        sock.sendall(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: "send raised OSError" in json.loads(impatient.ask("/release")), "the end of the app")


def test_over_tls_too_a_refused_client_that_waits_is_told_of_the_end(impatient: Endpoint) -> None:
    # A connection that ends without close_notify may have been cut off by anybody (RFC 8446, 6.1).
    with impatient.connect() as sock:
        sock.sendall(b"GET / HTTP/9.9\r\n\r\n")
        read_until(sock, b"HTTP Version Not Supported\n")
        assert sock.recv(1) == b""
