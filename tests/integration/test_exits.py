"""SystemExit and KeyboardInterrupt of the application's tasks and callbacks: the worker leaves in order."""

from __future__ import annotations

import socket

import pytest

from tests.support.gunicorn import wait_until

APP = "tests.integration.apps:app"


def ask(address: tuple[str, int], path: str) -> socket.socket:
    client = socket.create_connection(address)
    client.settimeout(60)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
    return client


# 3 and 4 would stop gunicorn if they became the worker's own exit code.
@pytest.mark.parametrize(
    "path", ["/exit/task/3", "/exit/task/interrupt", "/exit/callback/0", "/exit/callback/interrupt"]
)
def test_the_worker_finishes_its_requests_and_is_replaced(start, journal, loop, path):
    server = start(APP, loop=loop)
    (old,) = server.workers()
    with ask(server.address, "/sleep/1.5") as slow:
        wait_until(lambda: any(line.startswith("sleep begins") for line in journal()), "the request")
        with ask(server.address, path) as client:
            assert client.recv(65536).endswith(b"scheduled")
        assert slow.recv(65536).endswith(b"slept")
    server.wait_for_workers(2)
    assert old not in server.workers()
    with ask(server.address, "/") as client:
        assert b"200 OK" in client.recv(65536)
    # The old one has ended in order.
    assert journal().count("shutdown") == 1
    log = server.stop()
    assert log.count("[ERROR]") == 1
    assert "stopping the worker" in log
    assert "in leave\n" in log


def test_at_another_exit_while_it_stops_the_worker_goes_on_stopping(start, journal, loop):
    server = start(APP, loop=loop)
    with ask(server.address, "/sleep/1.5") as slow:
        wait_until(lambda: any(line.startswith("sleep begins") for line in journal()), "the request")
        for path in ("/exit/task/1", "/exit/callback/2", "/exit/task/interrupt"):
            with ask(server.address, path) as client:
                assert client.recv(65536).endswith(b"scheduled")
        assert slow.recv(65536).endswith(b"slept")
    server.wait_for_workers(2)
    assert journal().count("shutdown") == 1
    server.stop()


@pytest.mark.parametrize("path", ["/exit/task/0", "/exit/callback/interrupt"])
def test_an_exit_before_the_worker_serves_stops_the_boot(start, loop, path):
    server = start(APP, workers=0, loop=loop, environ={"STARTUP_EXITS": path})
    assert server.wait() == 3
    assert server.log.count("Booting worker") == 1
    assert "stopping the worker" in server.log
