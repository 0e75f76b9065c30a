"""Clients that leave while the server has stopped to read from them, over real sockets."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from tests.support.certificates import Certificates
from tests.support.endpoint import Endpoint
from tests.support.frames import BINARY, FIN, client_frame
from tests.support.gunicorn import start_gunicorn, wait_until

CLIENTS = 5
# More than is read before reading pauses, and no more than the sockets hold: the kernel tells of no close that stands
# behind bytes for which it had no room.
MUCH = 100 * 1024
PIPELINED = b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n" + bytes(MUCH)
UPLOAD = b"POST /sit HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % MUCH + bytes(MUCH)
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SERVERS = [(kind, loop) for kind in ("tcp", "unix", "tls") for loop in ("uvloop", "asyncio")]


@pytest.fixture(params=SERVERS, ids="-".join)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Endpoint]:
    kind, loop = request.param
    directory = tmp_path_factory.mktemp("server")
    bind = f"unix:{directory}/socket" if kind == "unix" else "127.0.0.1:0"
    options = ["--certfile", certificates.cert, "--keyfile", certificates.key] if kind == "tls" else []
    config = f"asgi_disconnect_grace_period = 1\nworker_connections = {CLIENTS}\nkeepalive = 0\n"
    app = "tests.integration.http_app:app"
    with start_gunicorn(directory, app, *options, bind=bind, loop=loop, config=config) as gunicorn:
        gunicorn.wait_for_workers()
        address = bind.removeprefix("unix:") if kind == "unix" else gunicorn.address
        yield Endpoint(address, certificates.client_context() if kind == "tls" else None)
        assert "Traceback" not in gunicorn.stop()


def send_until_it_stops(sock: socket.socket, data: bytes) -> None:
    """Send until the server takes no more."""
    sock.settimeout(0.5)
    with contextlib.suppress(TimeoutError):
        sock.sendall(data)


def leave(sock: socket.socket, has_reset: bool) -> None:
    if has_reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("has_reset", [True, False], ids=["reset", "close"])
@pytest.mark.parametrize("request_bytes", [PIPELINED, UPLOAD], ids=["pipelined", "upload"])
def test_the_app_hears_of_a_client_that_left_behind_bytes_that_nobody_reads(
    server: Endpoint, request_bytes: bytes, has_reset: bool
) -> None:
    # One fewer than there is room for: the last place is for those who ask.
    clients = [server.open() for _ in range(CLIENTS - 1)]
    for client in clients:
        send_until_it_stops(client, request_bytes)
    wait_until(lambda: server.ask("/waiting") == b"%d" % len(clients), "the requests")
    time.sleep(0.2)  # whoever shuts its side directly behind the request is taken for one that waits for the answer
    for client in clients:
        leave(client, has_reset)
    began = time.monotonic()
    wait_until(lambda: server.ask("/waiting") == b"0", "the end of all requests")
    assert time.monotonic() - began < 15


def test_a_websocket_that_left_behind_messages_that_nobody_reads_makes_room(server: Endpoint) -> None:
    clients = [server.open() for _ in range(CLIENTS)]
    for client in clients:
        client.sendall(UPGRADE)
        assert client.recv(65536).startswith(b"HTTP/1.1 101 ")
        send_until_it_stops(client, client_frame(FIN | BINARY, bytes(65536)) * 100)
    for client in clients:
        leave(client, True)
    assert server.ask("/") == b"hello"
