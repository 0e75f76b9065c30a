"""gunicorn's control interface, ``gunicornc``: gasgi's workers answer to it as gunicorn's own asgi worker does."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from tests.integration.test_restart import check, wait_for_answers
from tests.support.gunicorn import Gunicorn, wait_until
from tests.support.load import run_load

APP = "tests.integration.apps:app"


def command(server: Gunicorn, text: str) -> dict[str, Any]:
    """Send one command as a user would; return what came back."""
    path = server.wait_for(r"Control socket listening at (\S+)")[0]
    arguments = [sys.executable, "-m", "gunicorn.ctl.cli", "-s", path, "-j", "-c", text]

    def send() -> str:
        # The arbiter closes its control socket for the moment of a fork.
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout if done.returncode == 0 else ""

    return json.loads(wait_until(send, text))


def pids(server: Gunicorn, count: int) -> list[int]:
    """Wait until ``count`` workers are shown, heartbeats and all; return their ids."""

    def look() -> list[int] | None:
        shown = command(server, "show workers")
        assert shown["count"] == len(shown["workers"])
        beats = [worker["last_heartbeat"] for worker in shown["workers"]]
        return [worker["pid"] for worker in shown["workers"]] if len(beats) == count and max(beats) < 5 else None

    return wait_until(look, f"{count} workers")


# gunicorn has it since version 25.1.
if importlib.util.find_spec("gunicorn.ctl"):

    @pytest.mark.parametrize("worker_class", ["gasgi.Worker", "asgi"])
    def test_shows_and_changes_what_runs(start, worker_class):
        server = start(APP, "--worker-class", worker_class, workers=0)
        (first,) = pids(server, 1)
        assert "Worker" in command(server, "show config")["worker_class"]
        assert command(server, "show listeners")["listeners"][0]["type"] == "tcp"
        assert command(server, "worker add 2")["total"] == 3
        assert first in pids(server, 3)
        assert command(server, "worker remove 2")["total"] == 1
        (left,) = pids(server, 1)
        assert command(server, f"worker kill {left}")["success"]
        wait_until(lambda: left not in pids(server, 1), "the next worker")
        assert command(server, "worker kill 1")["success"] is False
        (before,) = pids(server, 1)
        assert command(server, "reload")["status"] == "reloading"
        wait_until(lambda: before not in pids(server, 1), "the worker of the reload")
        stats = command(server, "show stats")
        assert stats["workers_current"] == stats["workers_target"] == 1
        assert stats["reloads"] == 1
        everything = command(server, "show all")
        assert [worker["pid"] for worker in everything["web_workers"]] == pids(server, 1)
        assert command(server, "shutdown")["status"] == "shutting_down"
        assert server.wait() == 0

    def test_commands_lose_nothing(start, journal):
        server = start(APP, workers=2)
        with run_load(server.address) as load:
            wait_for_answers(load, 100)
            command(server, "worker add 1")
            server.wait_for_workers(3)
            command(server, f"worker kill {pids(server, 3)[0]}")
            server.wait_for_workers(4)
            wait_for_answers(load, 100)
            command(server, "worker remove 1")
            pids(server, 2)
            command(server, "reload")
            server.wait_for_workers(6)
            wait_for_answers(load, 100)
        check(load, journal)
        server.stop()

    def test_reopen_reopens_the_logs(start, tmp_path):
        access_log = tmp_path / "access.log"
        server = start(APP, "--access-logfile", str(access_log))
        access_log.rename(tmp_path / "old")
        assert command(server, "reopen")["status"] == "reopening"
        wait_until(access_log.exists, "the new log")

    def test_a_worker_that_is_killed_is_gone_and_the_next_one_shown(start):
        server = start(APP)
        (killed,) = pids(server, 1)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: killed not in pids(server, 1), "the next worker")
        assert command(server, "shutdown quick")["status"] == "shutting_down"
        assert server.wait() == 0
