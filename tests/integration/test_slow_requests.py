"""A real worker says where the application of a slow request waits, through FastAPI and its middleware."""

from __future__ import annotations

import socket

import pytest

from tests.support.gunicorn import DEADLINE_S

APP = "tests.integration.slow_app:app"
CONFIG = "gasgi_slow_request_ms = 200\n"


@pytest.mark.parametrize(
    ("path", "function"),
    [
        ("/sleep", "sleep_long"),
        ("/nested", "query_database"),
        ("/thread", "in_a_thread"),
        ("/stream", "query_database"),
        ("/pool", "query_pool"),
        ("/lock", "behind_a_lock"),
        ("/queue", "at_a_queue"),
        ("/task", "query_database"),
        ("/gather", "query_database"),
        ("/to-thread", "compute"),
        ("/upload", "upload"),
    ],
)
def test_a_running_request_is_reported_with_the_line_of_the_application(start, loop, path, function):
    server = start(APP, config="gasgi_slow_request_ms = 500\n", loop=loop)
    with socket.create_connection(server.address, timeout=DEADLINE_S) as client:
        client.sendall(b"GET /quick HTTP/1.1\r\nHost: test\r\n\r\n")
        client.recv(100)
    method, length = ("POST", "Content-Length: 5\r\n") if path == "/upload" else ("GET", "")
    with socket.create_connection(server.address, timeout=DEADLINE_S) as client:
        client.sendall(f"{method} {path}?secret=1 HTTP/1.1\r\nHost: test\r\n{length}\r\n".encode())
        (line,) = server.wait_for(rf"\[WARNING\] ({method} {path} has been running for .*)")
        assert f" {function}" in line, line
        assert "slow_app.py" in line
        assert "secret" not in line
    with socket.create_connection(server.address, timeout=DEADLINE_S) as client:
        client.sendall(b"GET /leave HTTP/1.1\r\nHost: test\r\n\r\n")
        client.recv(100)
    assert "Traceback" not in server.stop()


def test_a_request_that_has_ended_is_reported_with_its_times(start, loop):
    server = start("tests.integration.apps:app", config=CONFIG, loop=loop)
    with socket.create_connection(server.address, timeout=DEADLINE_S) as client:
        client.sendall(b"GET /sleep/0.3 HTTP/1.1\r\nHost: test\r\n\r\n")
        client.recv(100)
        server.wait_for(
            r"GET /sleep/0\.3 took \d+ ms \(gasgi_slow_request_ms = 200\), status 200: \d+ ms waiting for its"
        )
    server.stop()
