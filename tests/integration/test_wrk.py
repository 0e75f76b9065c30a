"""Restarts under wrk: it counts not one socket error and not one answer that is no 200."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.gunicorn import DEADLINE_S, Gunicorn, wait_until
from tests.support.programs import find_program

pytestmark = pytest.mark.needs_program("wrk")

APP = "tests.integration.apps:app"
EXITED = "Worker exiting"


@contextmanager
def wrk(server: Gunicorn, *options: str) -> Iterator[None]:
    """Keep wrk asking until the block ends; check what it says then."""
    host, port = server.address
    settings = ("-t", "1", "-c", "16", "-d", "300s", "--timeout", "30s", *options)
    command = [find_program("wrk"), *settings, f"http://{host}:{port}/"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield
        # Asked to end early, it ends in order and tells what it saw.
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
        process.wait()
    requests = int(re.findall(r"(\d+) requests in", said)[0])
    assert requests > 100, said
    assert "Socket errors" not in said, said
    assert "Non-2xx" not in said, said


@pytest.mark.parametrize("headers", [(), ("-H", "Connection: close")], ids=["keep-alive", "one-by-one"])
def test_hup_ttin_and_ttou_cost_no_request(start, loop, headers):
    server = start(APP, workers=2, loop=loop)
    with wrk(server, *headers):
        for workers in (4, 6):
            server.signal(signal.SIGHUP)
            server.wait_for_workers(workers)
            server.wait_for(EXITED, workers - 2)
        server.signal(signal.SIGTTIN)
        server.wait_for_workers(7)
        server.signal(signal.SIGTTOU)
        server.wait_for(EXITED, 5)
    server.stop()


def test_usr2_costs_no_request(start):
    server = start(APP, workers=2)
    with wrk(server):
        server.signal(signal.SIGUSR2)
        server.wait_for_workers(4)
        new_master = int(re.findall(r"Listening at: \S+ \((\d+)\)", server.log)[1])
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    os.kill(new_master, signal.SIGTERM)
    wait_until(lambda: server.log.count("Shutting down: Master") == 2, "the end of the new master")


@pytest.mark.parametrize("headers", [(), ("-H", "Connection: close")], ids=["keep-alive", "one-by-one"])
def test_max_requests_costs_no_request(start, headers):
    options = ("--max-requests", "2000", "--max-requests-jitter", "500")
    server = start(APP, *options, workers=2)
    with wrk(server, *headers):
        server.wait_for("Autorestarting worker", 4)
        server.wait_for_workers(6)
    server.stop()


def test_reload_costs_no_request(start, tmp_path):
    source = tmp_path / "edited.py"
    text = "from tests.integration.apps import app\n"
    source.write_text(text)
    server = start("edited:app", "--reload", "--reload-engine", "poll", "--pythonpath", str(tmp_path))
    with wrk(server):
        for edit in (1, 2):
            server.reload_by_edit(source, f"{text}# {edit}\n")
    server.stop()
