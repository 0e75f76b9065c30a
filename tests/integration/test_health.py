"""What a real worker says of its own health: blocks of its loop in the log, gauges to statsd."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.support.gunicorn import DEADLINE_S, wait_until

SLOW = ("main:app", "--chdir", str(Path(__file__).resolve().parents[2] / "examples" / "slow"))


def ask(address: tuple[str, int], path: str) -> bytes:
    with socket.create_connection(address) as client:
        client.settimeout(DEADLINE_S)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        return client.recv(65536)


def test_a_block_is_logged_with_the_line_that_blocks(start, loop):
    server = start(*SLOW, config="gasgi_slow_loop_ms = 50\n", loop=loop)

    def is_reported() -> bool:
        # Once may be left out: on a busy machine the loop is late by itself, and one report a second is made.
        assert b"200 OK" in ask(server.address, "/blocking?ms=400")
        return "in blocking" in server.log

    wait_until(is_reported, "a report")
    server.wait_for(r"Event loop blocked for \d+ ms \(gasgi_slow_loop_ms = 50\)")
    server.wait_for(r"Event loop unblocked after \d+ ms")
    assert "time.sleep(ms / 1000)" in server.log
    assert "gunicorn/arbiter.py" not in server.log  # the way to the loop is left out
    assert "Traceback" not in server.stop()


def test_gauges_reach_statsd_without_an_access_log(start):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd:
        statsd.bind(("127.0.0.1", 0))
        statsd.settimeout(DEADLINE_S)
        host = f"127.0.0.1:{statsd.getsockname()[1]}"
        server = start(*SLOW, "--statsd-host", host, "--statsd-prefix", "shop", "--keep-alive", "75")
        with socket.create_connection(server.address) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            assert b"200 OK" in client.recv(65536)
            seen: set[str] = set()

            def arrived() -> bool:
                seen.add(statsd.recv(1024).decode())
                return {
                    "shop.gasgi.connections:1|g",
                    "shop.gasgi.requests_in_progress:0|g",
                    "shop.gasgi.websockets:0|g",
                } <= seen

            wait_until(arrived, "the gauges")
            assert any(datagram.startswith("shop.gasgi.loop_lag_ms:") for datagram in seen)
        server.stop()
