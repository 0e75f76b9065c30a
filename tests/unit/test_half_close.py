"""Telling a client that waits for its answer from one that left, on real sockets."""

from __future__ import annotations

import os
import resource
import socket
import struct
import sys
from collections.abc import Iterator

import pytest

from gasgi.serving.half_close import may_still_read, shut_on_purpose
from tests.support.gunicorn import wait_until

Pair = tuple[socket.socket, socket.socket]


def hears(sock: socket.socket) -> bytes:
    sock.settimeout(60)
    return sock.recv(100)


@pytest.fixture(params=["tcp", "unix"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A client and what the server accepted."""
    if request.param == "unix":
        client, accepted = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            client = socket.create_connection(listening.getsockname())
            accepted, _ = listening.accept()
    with client, accepted:
        yield client, accepted


def test_without_a_socket_every_client_that_shut_its_side_has_left() -> None:
    assert not shut_on_purpose(None)
    assert not may_still_read(None)


def test_a_socket_closed_already_is_no_error(pair: Pair) -> None:
    pair[1].close()
    assert not shut_on_purpose(pair[1])
    assert not may_still_read(pair[1])


if sys.platform == "linux":

    def test_a_client_that_shuts_its_side_behind_the_request_waits(pair: Pair) -> None:
        client, accepted = pair
        client.sendall(b"request")
        client.shutdown(socket.SHUT_WR)
        assert (hears(accepted), hears(accepted)) == (b"request", b"")
        assert shut_on_purpose(accepted)
        assert may_still_read(accepted)

    def test_asking_takes_no_descriptor(pair: Pair) -> None:
        client, accepted = pair
        client.sendall(b"request")
        client.shutdown(socket.SHUT_WR)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (1, limits[1]))
        try:
            with pytest.raises(OSError, match="Errno"):
                os.dup(accepted.fileno())
            assert shut_on_purpose(accepted)
            assert may_still_read(accepted)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert (hears(accepted), hears(accepted)) == (b"request", b"")

    def test_one_that_goes_away_later_is_found_out(pair: Pair) -> None:
        client, accepted = pair
        client.sendall(b"request")
        client.shutdown(socket.SHUT_WR)
        assert (hears(accepted), hears(accepted)) == (b"request", b"")
        assert shut_on_purpose(accepted)
        if client.family == socket.AF_INET:  # as its kernel does when it is asked
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        wait_until(lambda: not may_still_read(accepted), "the reset")

    @pytest.mark.parametrize("pair", ["unix"], indirect=True)
    def test_a_unix_socket_that_is_closed_at_once_has_left(pair: Pair) -> None:
        client, accepted = pair
        client.sendall(b"request")
        client.close()
        assert (hears(accepted), hears(accepted)) == (b"request", b"")
        assert not shut_on_purpose(accepted)

    @pytest.mark.parametrize("pair", ["tcp"], indirect=True)
    def test_one_that_shuts_its_side_later_than_it_asked_has_left(pair: Pair) -> None:
        client, accepted = pair
        client.sendall(b"request")
        assert hears(accepted) == b"request"

        def silent_ms() -> int:
            info = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 60)
            return int(struct.unpack_from("=I", info, 52)[0])

        wait_until(lambda: silent_ms() > 200, "impatience")
        client.shutdown(socket.SHUT_WR)
        assert hears(accepted) == b""
        assert not shut_on_purpose(accepted)

    @pytest.mark.parametrize("pair", ["tcp"], indirect=True)
    def test_the_kernel_asks_whether_it_is_still_there(pair: Pair) -> None:
        client, accepted = pair
        client.sendall(b"request")
        client.shutdown(socket.SHUT_WR)
        assert (hears(accepted), hears(accepted)) == (b"request", b"")
        assert shut_on_purpose(accepted)
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) <= 60
