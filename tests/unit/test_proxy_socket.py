"""Taking the PROXY header off a real socket, leaving what comes behind it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from gasgi.errors import RequestError
from gasgi.proxy.socket import receive_proxy_header
from tests.support.tcp_server import LOOPS, on_loop

HEADER = b"PROXY TCP4 203.0.113.7 192.0.2.2 56324 443\r\n"
V2 = (
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"
    + socket.inet_aton("203.0.113.7")
    + socket.inet_aton("192.0.2.2")
    + (56324).to_bytes(2, "big")
    + (443).to_bytes(2, "big")
)
CLIENT = ("203.0.113.7", 56324)


@pytest.fixture(params=["tcp", "unix"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    if request.param == "unix":
        peer, accepted = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            peer = socket.create_connection(listener.getsockname())
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            accepted, _ = listener.accept()
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


@pytest.mark.parametrize("sent", [b"", b"P", HEADER[:10], V2[:5], V2[:14]])
def test_peer_that_does_not_finish_runs_into_the_deadline(pair, sent):
    peer, accepted = pair
    peer.sendall(sent)

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await receive_proxy_header(asyncio.get_running_loop(), accepted, "auto", 0.03)

    asyncio.run(main())
    assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1


@pytest.mark.parametrize("sent", [b"P", HEADER[:10], V2[:5], V2[:14]])
def test_peer_that_leaves_half_way_is_an_os_error(pair, sent):
    peer, accepted = pair
    peer.sendall(sent)
    peer.shutdown(socket.SHUT_WR)

    async def main() -> None:
        with pytest.raises(ConnectionResetError):
            await receive_proxy_header(asyncio.get_running_loop(), accepted, "auto", 5)

    asyncio.run(main())


@pytest.mark.parametrize("sent", [b"PROPFIND / HTTP/1.1\r\n", b"\r\n\r\nGET / HTTP/1.1\r\n"])
def test_what_begins_like_a_header_and_is_none_is_untouched(pair, sent):
    peer, accepted = pair

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(receive_proxy_header(loop, accepted, "auto", 5))
        for i in range(len(sent)):
            peer.sendall(sent[i : i + 1])
            await asyncio.sleep(0.001)
        assert (await task).protocol == ""

    asyncio.run(main())
    assert accepted.recv(100) == sent


class Counting:
    """A socket that counts how often it is read."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.reads = 0

    def recv(self, *args: Any) -> bytes:
        self.reads += 1
        return self._socket.recv(*args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


@pytest.mark.parametrize("loop_name", LOOPS)
@pytest.mark.parametrize("sent", [b"", b"P", HEADER[:10], V2[:5], V2[:14], V2[:20]])
def test_an_unfinished_header_is_waited_for_without_work(pair, loop_name, sent):
    peer, accepted = pair
    peer.sendall(sent)
    counting: Any = Counting(accepted)

    @on_loop
    async def main(loop_name: str) -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(receive_proxy_header(loop, counting, "auto", 20))
        for _ in range(50):
            await asyncio.sleep(0.01)
        # One look, what belongs to the header; where the kernel cannot tell, seldom.
        is_untold = accepted.family == socket.AF_UNIX and sent in (b"P", V2[:5])
        assert counting.reads <= (10 if is_untold else 2)
        whole = HEADER if sent == b"" or HEADER.startswith(sent) else V2
        peer.sendall(whole[len(sent) :])
        assert (await task).client == CLIENT

    main(loop_name=loop_name)


@pytest.mark.parametrize("whole", [HEADER, V2])
def test_a_header_byte_by_byte(pair, whole):
    peer, accepted = pair

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(receive_proxy_header(loop, accepted, "auto", 20))
        for i in range(len(whole)):
            peer.sendall(whole[i : i + 1])
            await asyncio.sleep(0)
        peer.sendall(b"rest")
        assert (await task).client == CLIENT

    asyncio.run(main())
    assert accepted.recv(100) == b"rest"
