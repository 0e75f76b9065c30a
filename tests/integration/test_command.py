"""``python -m gasgi`` serves as ``gunicorn --worker-class gasgi.Worker`` does."""

from __future__ import annotations

import os
import re
import signal

import httpx

from tests.support.gunicorn import wait_until

APP = "tests.integration.apps:app"


def status(address: tuple[str, int]) -> int:
    return httpx.get(f"http://{address[0]}:{address[1]}/").status_code


def test_module_serves_reloads_and_stops(start):
    server = start(APP, "--gasgi-header-timeout-s", "7", module="gasgi")
    assert status(server.address) == 200
    server.signal(signal.SIGHUP)
    server.wait_for_workers(2)
    assert status(server.address) == 200
    server.stop()


def test_module_hands_over_to_a_new_master(start):
    server = start(APP, module="gasgi")
    server.signal(signal.SIGUSR2)
    server.wait_for_workers(2)
    new_master = int(re.findall(r"Listening at: \S+ \((\d+)\)", server.log)[1])
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert status(server.address) == 200
    os.kill(new_master, signal.SIGTERM)
    wait_until(lambda: server.log.count("Shutting down: Master") == 2, "the end of the new master")
