"""Restarts under load: not one request is refused, cut or answered twice."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections import Counter

import pytest
from websockets.sync.client import connect

from tests.support.gunicorn import free_port, wait_until
from tests.support.load import Load, run_load

BOOTED = r"\[INFO\] gasgi \d"
EXITED = r"Worker exiting"


def check(load: Load, journal, at_least: int = 1) -> None:
    assert load.failures == []
    assert load.answered
    assert len(load.answered) >= at_least
    served = Counter(line for line in journal() if line.startswith("/count/"))
    assert served == Counter(load.asked), "a request was lost or served twice"
    assert Counter(load.answered) == Counter(load.asked)


def wait_for_answers(load: Load, count: int) -> None:
    before = len(load.answered)
    wait_until(lambda: load.failures or len(load.answered) >= before + count, f"{count} more answers")


@pytest.mark.parametrize("keep_alive", [True, False], ids=["keep-alive", "one-by-one"])
def test_hup_loses_nothing(start, journal, loop, keep_alive):
    server = start(workers=2, loop=loop)
    with run_load(server.address, keep_alive=keep_alive) as load:
        for round_number in (2, 3):
            wait_for_answers(load, 100)
            server.signal(signal.SIGHUP)
            server.wait_for(BOOTED, 2 * round_number)
            server.wait_for(EXITED, 2 * (round_number - 1))
        wait_for_answers(load, 100)
    check(load, journal)
    server.stop()


def test_ttin_and_ttou_lose_nothing(start, journal):
    server = start(workers=1)
    with run_load(server.address) as load:
        server.signal(signal.SIGTTIN)
        server.wait_for_workers(2)
        wait_for_answers(load, 200)
        server.signal(signal.SIGTTOU)
        server.wait_for(EXITED)
        wait_for_answers(load, 100)
    check(load, journal)
    wait_until(lambda: len(server.workers()) == 1, "the end of one worker")


def test_usr2_hands_over_to_a_new_master(start, journal):
    server = start(workers=1)
    with run_load(server.address) as load:
        wait_for_answers(load, 50)
        server.signal(signal.SIGUSR2)
        server.wait_for_workers(2)
        new_master = int(re.findall(r"Listening at: \S+ \((\d+)\)", server.log)[1])
        wait_for_answers(load, 50)
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        wait_for_answers(load, 100)
    check(load, journal)
    os.kill(new_master, signal.SIGTERM)
    wait_until(lambda: server.log.count("Shutting down: Master") == 2, "the end of the new master")


@pytest.mark.parametrize("keep_alive", [True, False], ids=["keep-alive", "one-by-one"])
def test_max_requests_loses_nothing(start, journal, keep_alive):
    server = start("tests.integration.apps:app", "--max-requests", "200", "--max-requests-jitter", "50", workers=2)
    with run_load(server.address, keep_alive=keep_alive) as load:
        server.wait_for("Autorestarting worker", 4)
        server.wait_for_workers(6)
    check(load, journal, 800)
    server.stop()


def test_max_requests_has_its_jitter(start):
    config = "def post_worker_init(worker): worker.log.info('ends at %d', worker.max_requests)\n"
    server = start("tests.integration.apps:app", "--max-requests", "5", "--max-requests-jitter", "200", config=config)
    (end,) = server.wait_for(r"ends at (\d+)")
    with run_load(server.address, clients=1) as load:
        server.wait_for("Autorestarting worker")
    assert len(load.answered) >= int(end)


def test_term_answers_what_was_asked_and_then_refuses(start, journal):
    server = start(workers=2)
    with run_load(server.address, clients=4) as load:
        wait_for_answers(load, 100)
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    refused = [failure for failure in load.failures if failure.startswith("refused")]
    # The last connections may have waited in the master's backlog, which the kernel resets with the listener.
    assert [failure for failure in load.failures if failure not in refused and "Reset" not in failure] == []
    served = Counter(line for line in journal() if line.startswith("/count/"))
    assert Counter(load.answered) == served
    assert journal().count("shutdown") == 2


def test_reuse_port_loses_nothing_while_another_worker_listens(start, journal):
    port = free_port()
    server = start("tests.integration.apps:app", "--reuse-port", workers=2, bind=f"127.0.0.1:{port}")
    with run_load(("127.0.0.1", port)) as load:
        wait_for_answers(load, 100)
        server.signal(signal.SIGTTOU)
        server.wait_for(EXITED)
        wait_for_answers(load, 100)
    check(load, journal)


def test_a_websocket_is_told_of_the_restart_and_the_next_one_is_served(start):
    server = start(workers=1)
    host, port = server.address
    with connect(f"ws://{host}:{port}/") as old:
        old.send("before")
        assert old.recv() == "before"
        server.signal(signal.SIGHUP)
        server.wait_for_workers(2)
        with pytest.raises(Exception, match="1012"):
            old.recv(timeout=30)
    with connect(f"ws://{host}:{port}/") as new:
        new.send("after")
        assert new.recv() == "after"
    server.stop()


def ask(address: tuple[str, int], path: str) -> socket.socket:
    client = socket.create_connection(address)
    client.settimeout(60)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
    return client


def read_all(client: socket.socket) -> bytes:
    data = b""
    while piece := client.recv(65536):
        data += piece
    return data


def test_a_long_request_is_finished_and_its_connection_closed(start, journal):
    server = start()
    client = ask(server.address, "/sleep/2")
    wait_until(lambda: any(line.startswith("sleep begins") for line in journal()), "the request")
    server.signal(signal.SIGTERM)
    answer = read_all(client)
    assert answer.endswith(b"slept")
    assert b"connection: close" in answer.lower()
    assert server.wait() == 0
    assert journal()[-1] == "shutdown"


def test_idle_connections_do_not_hold_up_the_stop(start):
    server = start("tests.integration.apps:app", "--keep-alive", "60", "--graceful-timeout", "30")
    clients = [socket.create_connection(server.address) for _ in range(5)]
    used = ask(server.address, "/")
    assert b"200" in used.recv(65536)
    server.signal(signal.SIGTERM)
    for client in [*clients, used]:
        client.settimeout(20)
        assert client.recv(65536) == b""
    assert server.wait(20) == 0
    assert "did not finish in time" not in server.log


def test_what_waits_in_the_backlog_of_a_full_worker_is_served_by_the_next(start, journal):
    server = start("tests.integration.apps:app", "--worker-connections", "1")
    busy = ask(server.address, "/sleep/1")
    wait_until(lambda: any(line.startswith("sleep begins") for line in journal()), "the request")
    waiting = [ask(server.address, "/count/waited") for _ in range(3)]
    server.signal(signal.SIGHUP)
    for client in [busy, *waiting]:
        assert b"200 OK" in client.recv(65536)
        client.close()
    server.stop()
