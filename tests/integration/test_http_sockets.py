"""HTTP over real sockets under a real gunicorn: what a client sees of the end of connections, and memory under load."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.answers import read_answers
from tests.support.certificates import Certificates
from tests.support.endpoint import Endpoint, read_all, read_until
from tests.support.gunicorn import start_gunicorn

GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"
MIB = 1024 * 1024


def on(*kinds: str) -> Any:
    """Run a test on these kinds of sockets, on both loops."""
    servers = [(kind, loop) for kind in kinds for loop in ("uvloop", "asyncio")]
    return pytest.mark.parametrize("server", servers, indirect=True, ids="-".join)


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Endpoint]:
    kind, loop = request.param
    directory = tmp_path_factory.mktemp("server")
    bind = f"unix:{directory}/socket" if kind == "unix" else "127.0.0.1:0"
    options = ["--keep-alive", "20"]
    if kind == "tls":
        options += ["--certfile", certificates.cert, "--keyfile", certificates.key]
    app = "tests.integration.http_app:app"
    with start_gunicorn(directory, app, *options, bind=bind, loop=loop) as gunicorn:
        gunicorn.wait_for_workers()
        address = bind.removeprefix("unix:") if kind == "unix" else gunicorn.address
        yield Endpoint(address, certificates.client_context() if kind == "tls" else None)
        log = gunicorn.stop()
    assert log.count("Traceback") == log.count("ValueError: meant"), log


@on("tcp", "unix", "tls")
def test_a_burst_is_answered_in_order_and_the_connection_kept(server: Endpoint) -> None:
    with server.connect() as sock:
        for _ in range(2):
            sock.sendall(GET % b"/" * 500)
            data = b""
            while data.count(b"hello") < 500:
                data += sock.recv(65536)
            assert [answer.body for answer in read_answers(data, [])] == [b"hello"] * 500


@on("tcp", "unix")
def test_a_refusal_reaches_a_client_that_goes_on_sending(server: Endpoint) -> None:
    # A plain close with unread bytes would reset the connection, and the answer with it.
    with server.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n" + b"x" * 100_000)
        answers = read_until(sock, b"Bad Request\n")
        assert [answer.status for answer in read_answers(answers, [])] == [400]
        sock.sendall(GET % b"/smuggled" * 10)
        assert sock.recv(1) == b""


@on("tcp", "unix")
def test_a_half_closed_client_gets_its_answers(server: Endpoint) -> None:
    with server.connect() as sock:
        sock.sendall(GET % b"/" * 3)
        sock.shutdown(socket.SHUT_WR)
        assert len(read_answers(read_all(sock), [], True)) == 3


@on("tcp", "unix", "tls")
def test_a_client_can_tell_that_a_chunked_answer_was_cut_off(server: Endpoint) -> None:
    with server.connect() as sock:
        sock.sendall(GET % b"/fail")
        (answer,) = read_answers(read_all(sock), [], True)
        assert (answer.framing, answer.is_whole) == ("chunked", False)


@on("tcp", "tls")
def test_a_client_can_tell_that_an_answer_until_close_was_cut_off(server: Endpoint) -> None:
    # A unix socket knows no reset.
    with server.connect() as sock:
        sock.sendall(b"GET /fail HTTP/1.0\r\n\r\n")
        with pytest.raises((ConnectionResetError, ssl.SSLError)):
            read_all(sock)


@on("tcp")
def test_a_client_that_resets_its_connection_troubles_nobody(server: Endpoint) -> None:
    with server.connect() as sock:
        sock.sendall(GET % b"/download")
        sock.recv(1000)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert server.ask("/") == b"hello"


# Memory: the highest the worker's resident size gets, above what it was at rest.


def resident_mib(pid: str, name: str) -> int:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():  # no Linux: the size now has to do for the highest
        return int(subprocess.check_output(["ps", "-o", "rss=", "-p", pid])) // 1024
    match = re.search(rf"{name}:\s+(\d+) kB", status.read_text())
    assert match is not None
    return int(match[1]) // 1024


def growth_mib(server: Endpoint, load: Callable[[socket.socket], None]) -> int:
    with server.connect() as sock:  # what is bought once is not growth
        sock.sendall(GET % b"/" * 1000)
        sock.recv(65536)
    pid = server.ask("/pid").decode()
    rest = resident_mib(pid, "VmRSS")
    clear = Path(f"/proc/{pid}/clear_refs")
    if clear.exists():
        clear.write_text("5")  # the highest begins anew
    with server.connect() as sock:
        load(sock)
    return resident_mib(pid, "VmHWM") - rest


def upload(sock: socket.socket) -> None:
    block = b"x" * MIB
    sock.sendall(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % 2**30)
    for _ in range(1024):
        sock.sendall(block)
    assert read_until(sock, b"%d" % 2**30)


def download(sock: socket.socket) -> None:
    sock.sendall(GET % b"/download")
    size = 0
    buffer = memoryview(bytearray(MIB))
    rounds = 0
    while size < 2**30:
        size += sock.recv_into(buffer)
        rounds += 1
        if rounds % 64 == 0:
            time.sleep(0.002)  # the slow client this is about


def burst(sock: socket.socket) -> None:
    sock.sendall(GET % b"/" * 10_000)
    size = 0
    while size < 10_000 * len(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"):
        size += len(sock.recv(MIB))


@on("tcp", "unix")
@pytest.mark.parametrize("load", [upload, download, burst])
def test_memory_stays_near_rest(server: Endpoint, load: Callable[[socket.socket], None]) -> None:
    assert growth_mib(server, load) <= 8


@on("tcp", "unix", "tls")
def test_memory_stays_near_rest_for_uploads_over_many_connections(server: Endpoint) -> None:
    size = 64 * 1024
    request = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size

    def uploads(first: socket.socket) -> None:
        with contextlib.ExitStack() as stack:
            socks = [first, *(stack.enter_context(server.connect()) for _ in range(15))]
            for _ in range(20):
                for sock in socks:
                    sock.sendall(request)
                for sock in socks:
                    read_until(sock, b"\r\n\r\n%d" % size)

    assert growth_mib(server, uploads) <= 16


@on("tls")
def test_memory_stays_near_rest_for_a_burst_over_tls(server: Endpoint) -> None:
    assert growth_mib(server, burst) <= 8
