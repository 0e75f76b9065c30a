"""Accepting: the backlog is kept, worker_connections is enforced, and a lack of descriptors is survived."""

from __future__ import annotations

import re
import socket
import sys
import time
from pathlib import Path

import pytest

from tests.support.gunicorn import free_port, wait_until
from tests.support.listeners import backlogs

APP = "tests.integration.apps:app"
REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


def connect(address: tuple[str, int]) -> socket.socket:
    client = socket.create_connection(address)
    client.settimeout(60)
    client.sendall(REQUEST)
    return client


def is_answered_within(client: socket.socket, seconds: float) -> bool:
    client.settimeout(seconds)
    try:
        return b"200 OK" in client.recv(65536)
    except TimeoutError:
        return False


def test_no_more_than_worker_connections_are_served_at_once(start, loop):
    server = start(APP, "--worker-connections", "3", "--keep-alive", "60", loop=loop)
    served = [connect(server.address) for _ in range(3)]
    assert all(is_answered_within(client, 60) for client in served)
    waiting = [connect(server.address) for _ in range(3)]
    assert not any(is_answered_within(client, 0.3) for client in waiting)
    for client in served:
        client.close()
    assert all(is_answered_within(client, 60) for client in waiting)
    server.stop()


def test_websockets_and_tls_handshakes_take_room_too(start, certificates):
    options = ("--certfile", certificates.cert, "--keyfile", certificates.key, "--worker-connections", "2")
    server = start(APP, *options)
    silent = [socket.create_connection(server.address) for _ in range(2)]
    plain = socket.create_connection(server.address)
    plain.settimeout(0.5)
    with pytest.raises(TimeoutError):
        certificates.client_context().wrap_socket(plain, server_hostname="localhost")
    for client in silent:
        client.close()
    fresh = socket.create_connection(server.address)
    fresh.settimeout(60)
    with certificates.client_context().wrap_socket(fresh, server_hostname="localhost") as client:
        client.sendall(REQUEST)
        assert b"200 OK" in client.recv(65536)


if sys.platform == "linux":

    @pytest.mark.parametrize("reuse_port", [False, True], ids=["shared", "reuse-port"])
    def test_the_backlog_is_what_the_setting_says(start, loop, reuse_port):
        port = free_port()
        options = ["--backlog", "321"] + ["--reuse-port"] * reuse_port
        server = start(APP, *options, bind=f"127.0.0.1:{port}", loop=loop)
        assert is_answered_within(connect(("127.0.0.1", port)), 60)
        assert set(backlogs(port)) == {321}
        server.stop()

    def test_a_lack_of_descriptors_pauses_accepting_with_one_warning(start, loop):
        config = (
            "import resource\n"
            "def post_worker_init(worker):\n"
            "    resource.setrlimit(resource.RLIMIT_NOFILE, (40, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
        )
        server = start(APP, "--keep-alive", "60", config=config, loop=loop)
        (pid,) = server.workers()
        clients = [connect(server.address) for _ in range(60)]
        server.wait_for("Cannot accept connections")
        spent_before, began = processor_time(pid), time.monotonic()
        # The worker has ticked twice, and tried again each time, when a deadline of its own has passed.
        beats = heartbeats(pid)
        wait_until(lambda: heartbeats(pid) >= beats + 2.0, "two heartbeats")
        spent = processor_time(pid) - spent_before
        assert spent < 0.5 * (time.monotonic() - began), "accepting goes round in circles"
        assert server.log.count("Cannot accept connections") == 1
        assert "ulimit -n" in server.log
        assert "Traceback" not in server.log
        waiting = [client for client in clients if not is_answered_within(client, 0.05)]
        assert waiting
        for client in clients:
            if client not in waiting:
                client.close()
        for client in waiting:
            assert is_answered_within(client, 60)
            client.close()
        assert server.log.count("Cannot accept connections") == 1
        server.stop()

    def processor_time(pid: int) -> float:
        """Seconds that a process has run, in user space and in the kernel."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def heartbeats(pid: int) -> float:
        """Time of the last heartbeat: the worker sets it on a file that it alone still holds open."""
        for link in Path(f"/proc/{pid}/fd").iterdir():
            if re.search(r"wgunicorn-.* \(deleted\)", str(link.readlink())):
                return link.stat().st_mtime
        raise AssertionError("the worker has no heartbeat file")
