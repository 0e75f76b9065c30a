"""Restarts under the load of WebSockets: each is told 1012 and has all that was sent, and the next one is served."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from collections.abc import Callable

import pytest

from tests.support.gunicorn import Gunicorn, wait_until
from tests.support.load import run_load
from tests.support.ws_load import WebSocketLoad, run_websocket_load

APP = "tests.integration.ws_app:app"
EXITED = r"Worker exiting"
CLIENTS = 8


def wait_for_numbers(load: WebSocketLoad, count: int = 200, ended: int = 0) -> None:
    """Wait until ``ended`` connections were told to come again, all are back and some more numbers were heard."""
    before = load.heard

    def is_enough() -> bool:
        return load.heard >= before + count and len(load.listening) == CLIENTS and len(load.ended) >= ended

    wait_until(lambda: load.failures or is_enough(), f"{count} more numbers of {CLIENTS} clients, {ended} ends")


def check(load: WebSocketLoad, journal: Callable[[], list[str]], at_least: int = CLIENTS) -> None:
    """Nothing went wrong, and what the app sent before its disconnect is what the client has."""
    assert load.failures == []
    assert len(load.ended) >= at_least

    def counted() -> dict[str, int]:
        lines = (line.split() for line in journal() if line.startswith("counted "))
        return {name: int(number) for _, name, number in lines}

    wait_until(lambda: load.ended.keys() <= counted().keys(), "the ends of the app's tasks")
    sent = counted()
    assert {name: sent[name] for name in load.ended} == load.ended


def url(server: Gunicorn) -> str:
    return "ws://{}:{}".format(*server.address)


def test_hup_tells_everyone_and_serves_everyone_again(start, journal, loop):
    server = start(APP, workers=2, loop=loop)
    with run_websocket_load(url(server), CLIENTS) as load:
        for number in (2, 3, 4):
            wait_for_numbers(load)
            server.signal(signal.SIGHUP)
            server.wait_for_workers(2 * number)
            server.wait_for(EXITED, 2 * (number - 1))
        wait_for_numbers(load, ended=3 * CLIENTS)
    check(load, journal, 3 * CLIENTS)
    server.stop()


def test_ttin_and_ttou_tell_those_of_the_worker_that_leaves(start, journal):
    server = start(APP)
    with run_websocket_load(url(server), CLIENTS) as load:
        wait_for_numbers(load)
        server.signal(signal.SIGTTIN)
        server.wait_for_workers(2)
        wait_for_numbers(load)
        server.signal(signal.SIGTTOU)
        server.wait_for(EXITED)
        wait_for_numbers(load, ended=CLIENTS)
    check(load, journal)
    assert len(server.workers()) == 1


def test_usr2_hands_the_websockets_over(start, journal):
    server = start(APP)
    with run_websocket_load(url(server), CLIENTS) as load:
        wait_for_numbers(load)
        server.signal(signal.SIGUSR2)
        server.wait_for_workers(2)
        new_master = int(re.findall(r"Listening at: \S+ \((\d+)\)", server.log)[1])
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        wait_for_numbers(load, ended=CLIENTS)
    check(load, journal)
    os.kill(new_master, signal.SIGTERM)
    wait_until(lambda: server.log.count("Shutting down: Master") == 2, "the end of the new master")


def test_max_requests_tells_them_and_loses_no_request_either(start, journal):
    server = start(APP, "--max-requests", "200", "--max-requests-jitter", "50", workers=2)
    with run_websocket_load(url(server), CLIENTS) as load, run_load(server.address, clients=4) as requests:
        server.wait_for("Autorestarting worker", 4)
        server.wait_for_workers(6)
        wait_for_numbers(load, ended=CLIENTS)
    check(load, journal)
    assert requests.failures == []
    assert Counter(requests.answered) == Counter(line for line in journal() if line.startswith("/count/"))
    server.stop()


def test_a_changed_file_tells_them(start, journal, tmp_path):
    source = tmp_path / "edited.py"
    source.write_text("from tests.integration.ws_app import app\n")
    server = start("edited:app", "--reload", "--reload-engine", "poll", "--pythonpath", str(tmp_path))
    with run_websocket_load(url(server), CLIENTS) as load:
        wait_for_numbers(load)
        server.reload_by_edit(source, "from tests.integration.ws_app import app\n# changed\n")
        wait_for_numbers(load, ended=CLIENTS)
    check(load, journal)
    server.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_a_stop_tells_everyone(start, journal, loop, certificates, number):
    server = start(APP, workers=2, loop=loop)
    with run_websocket_load(url(server), CLIENTS) as load:
        wait_for_numbers(load)
        server.signal(number)
        assert server.wait() == 0
        wait_until(lambda: not load.listening, "the ends of all that listened")
        load.is_over = True
    # Those that came again found nobody.
    load.failures = [failure for failure in load.failures if "Refused" not in failure]
    check(load, journal)
    assert journal().count("shutdown") == 2
