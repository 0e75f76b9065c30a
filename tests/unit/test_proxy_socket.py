"""Taking the PROXY header off a real socket, leaving what comes behind it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from gasgi.errors import RequestError
from gasgi.proxy.socket import receive_proxy_header

HEADER = b"PROXY TCP4 203.0.113.7 192.0.2.2 56324 443\r\n"
CLIENT = ("203.0.113.7", 56324)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    peer, accepted = socket.socketpair()
    accepted.setblocking(False)
    with peer, accepted:
        yield peer, accepted


def test_header_is_taken_and_the_rest_stays(pair):
    peer, accepted = pair
    peer.sendall(HEADER + b"\x16\x03\x01")

    async def main() -> None:
        info = await receive_proxy_header(asyncio.get_running_loop(), accepted, "auto", 5)
        assert info.client == CLIENT

    asyncio.run(main())
    assert accepted.recv(100) == b"\x16\x03\x01"


def test_header_in_pieces_is_waited_for(pair):
    peer, accepted = pair

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(receive_proxy_header(loop, accepted, "auto", 5))
        await asyncio.sleep(0)
        for piece in (HEADER[:3], HEADER[3:20], HEADER[20:] + b"GET"):
            peer.sendall(piece)
            await asyncio.sleep(0)
        assert (await task).client == CLIENT

    asyncio.run(main())
    assert accepted.recv(100) == b"GET"


def test_connection_without_a_header_is_untouched(pair):
    peer, accepted = pair
    peer.sendall(b"GET / HTTP/1.1\r\n")

    async def main() -> None:
        info = await receive_proxy_header(asyncio.get_running_loop(), accepted, "auto", 5)
        assert info.protocol == ""

    asyncio.run(main())
    assert accepted.recv(100) == b"GET / HTTP/1.1\r\n"


def test_bad_header_is_refused(pair):
    peer, accepted = pair
    peer.sendall(b"PROXY TCP4 nonsense\r\n")

    async def main() -> None:
        with pytest.raises(RequestError):
            await receive_proxy_header(asyncio.get_running_loop(), accepted, "auto", 5)

    asyncio.run(main())


def test_peer_that_leaves_at_once_is_an_os_error(pair):
    peer, accepted = pair
    peer.close()

    async def main() -> None:
        with pytest.raises(ConnectionResetError):
            await receive_proxy_header(asyncio.get_running_loop(), accepted, "auto", 5)

    asyncio.run(main())


@pytest.mark.parametrize("sent", [b"", HEADER[:10]])
def test_peer_that_does_not_finish_runs_into_the_deadline(pair, sent):
    peer, accepted = pair
    peer.sendall(sent)

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await receive_proxy_header(asyncio.get_running_loop(), accepted, "auto", 0.03)

    asyncio.run(main())
