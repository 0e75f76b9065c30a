"""Four workers on one listening socket share kept connections, and wait for none that cannot answer."""

from __future__ import annotations

import os
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.support.gunicorn import DEADLINE_S, Gunicorn, wait_until

APP = "tests.integration.apps:app"
REQUEST = b"GET /pid HTTP/1.1\r\nHost: test\r\n\r\n"
CLIENTS = 64
# 1.25 and one, where the machine is not busy with other tests.
MOST = 1.5 * CLIENTS / 4 + 2


def connect(server: Gunicorn, count: int, stack: ExitStack) -> list[socket.socket]:
    """Return connections that came all at once."""
    clients = []
    for _ in range(count):
        client = stack.enter_context(socket.create_connection(server.address, timeout=DEADLINE_S))
        clients.append(client)
    return clients


def ask(clients: list[socket.socket]) -> Counter[int]:
    """Ask on every connection, then read every answer; return how many each worker gave."""
    for client in clients:
        client.sendall(REQUEST)
    return Counter(read_pid(client) for client in clients)


def read_pid(client: socket.socket) -> int:
    received = b""
    while not (found := received.partition(b"\r\n\r\n"))[2]:
        data = client.recv(4096)
        assert data, received
        received += data
    return int(found[2])


@contextmanager
def stopped(pid: int) -> Iterator[int]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGCONT)


def test_kept_connections_that_come_at_once_are_shared(start, loop):
    server = start(APP, workers=4, loop=loop)
    with ExitStack() as stack:
        shares = ask(connect(server, CLIENTS, stack))
    assert sum(shares.values()) == CLIENTS
    assert max(shares.values()) <= MOST, shares


def test_a_stopped_worker_keeps_nobody_waiting(start, loop):
    server = start(APP, workers=4, loop=loop)
    with ExitStack() as stack, stopped(server.workers()[0]) as pid:
        shares = ask(connect(server, CLIENTS, stack))
    assert sum(shares.values()) == CLIENTS
    assert pid not in shares


def test_who_connects_after_a_crash_is_answered_and_the_next_worker_takes_part(start):
    server = start(APP, workers=2)
    os.kill(server.workers()[0], signal.SIGKILL)
    with ExitStack() as stack:
        assert sum(ask(connect(server, CLIENTS, stack)).values()) == CLIENTS
    server.wait_for_workers(3)
    with ExitStack() as stack:
        shares = ask(connect(server, CLIENTS, stack))
    assert len(shares) == 2
    assert min(shares.values()) >= CLIENTS / 5, shares


@pytest.mark.parametrize("signals", [{signal.SIGHUP: 4}, {signal.SIGTTIN: 3, signal.SIGTTOU: 3}], ids=["hup", "ttin"])
def test_workers_that_come_later_share_too(start, signals):
    server = start(APP, workers=2)
    for number, workers in signals.items():
        server.signal(number)
        server.wait_for_workers(workers)
    wait_until(lambda: len(server.workers()) == 2, "the others to leave")
    with ExitStack() as stack:
        shares = ask(connect(server, CLIENTS, stack))
    assert sorted(shares) == sorted(server.workers())
    assert min(shares.values()) >= CLIENTS / 5, shares
