"""The end of a worker: lifespan.shutdown always runs and completes, whatever is open, before the arbiter's SIGKILL."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import time

import pytest
from websockets.sync.client import connect

from tests.support.gunicorn import wait_until

APP = "tests.integration.apps:app"
REQUEST = "GET {} HTTP/1.1\r\nHost: here\r\n\r\n"


def ask(address: tuple[str, int], path: str) -> socket.socket:
    client = socket.create_connection(address)
    client.settimeout(60)
    client.sendall(REQUEST.format(path).encode())
    return client


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT], ids=["TERM", "INT", "QUIT"])
def test_shutdown_completes_with_streams_and_websockets_open(start, journal, loop, number):
    server = start(APP, "--graceful-timeout", "5", loop=loop, environ={"SHUTDOWN_S": "0.3"})
    host, port = server.address
    with connect(f"ws://{host}:{port}/"), ask(server.address, "/stream") as stream:
        stream.recv(65536)
        server.signal(number)
        assert server.wait() == 0
    # The websocket's and the stream's ends come before the shutdown, in either order.
    assert sorted(journal()[-4:-2]) == ["stream ends", "websocket ends 1012"]
    assert journal()[-2:] == ["shutdown begins", "shutdown"]
    assert "SIGKILL" not in server.log


def test_ctrl_c_reaches_the_whole_group_and_calls_worker_int_once(start, journal):
    config = "def worker_int(worker): worker.log.info('worker_int called')\n"
    server = start(APP, "--graceful-timeout", "10", config=config, environ={"SHUTDOWN_S": "0.5"})
    with ask(server.address, "/stream") as stream:
        stream.recv(65536)
        os.killpg(server.pid, signal.SIGINT)
        assert server.wait() == 0
    assert journal()[-3:] == ["stream ends", "shutdown begins", "shutdown"]
    assert server.log.count("worker_int called") == 1


def test_ctrl_c_after_term_makes_it_hurry(start, journal):
    server = start(APP, "--graceful-timeout", "100")
    with ask(server.address, "/stream") as stream:
        stream.recv(65536)
        server.signal(signal.SIGTERM)
        server.wait_for("Handling signal: term")
        os.killpg(server.pid, signal.SIGINT)
        assert server.wait(30) == 0
    assert journal()[-1] == "shutdown"


def test_a_shutdown_without_end_is_cut_off_before_the_arbiter_kills(start, journal):
    server = start(APP, "--graceful-timeout", "3", environ={"SHUTDOWN_S": "1000"})
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert journal()[-1] == "shutdown begins"
    assert "lifespan shutdown took longer" in server.log
    assert "SIGKILL" not in server.log


def test_a_thread_without_end_does_not_keep_the_worker(start, journal):
    server = start(APP, "--graceful-timeout", "3")
    assert b"started" in ask(server.address, "/thread").recv(65536)
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert journal()[-1] == "shutdown"
    assert "Application threads did not finish in time" in server.log
    assert "SIGKILL" not in server.log


def test_a_thread_without_end_is_no_worker_that_hangs(start):
    server = start(APP, "--timeout", "3", "--graceful-timeout", "60")
    (old,) = server.workers()
    assert b"started" in ask(server.address, "/thread").recv(65536)
    server.signal(signal.SIGHUP)
    wait_until(lambda: old not in server.workers(), "the old worker's end")
    assert "Application threads did not finish in time" in server.log
    assert "WORKER TIMEOUT" not in server.log
    server.stop()


def test_a_generator_without_end_does_not_keep_the_worker(start, journal):
    server = start(APP, "--graceful-timeout", "3")
    assert ask(server.address, "/generator").recv(65536).endswith(b"begun")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert journal()[-1] == "shutdown"
    assert "SIGKILL" not in server.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
@pytest.mark.parametrize("graceful_s", [2, 4])
def test_what_resists_its_cancellation_does_not_keep_the_worker(start, journal, graceful_s, number):
    """A task of the application's, a generator and the shutdown itself."""
    server = start(APP, "--graceful-timeout", str(graceful_s), environ={"SHUTDOWN_RESISTS": "1"})
    for path in ("/resist", "/generator"):
        assert ask(server.address, path).recv(65536).endswith(b"begun")
    server.signal(number)
    assert server.wait() == 0
    assert journal()[-1] == "shutdown begins"
    assert "Worker exiting" in server.log
    assert "SIGKILL" not in server.log


def test_the_heart_beats_until_the_loop_is_closed(start):
    server = start(APP, "--timeout", "1", "--graceful-timeout", "100")
    (old,) = server.workers()
    for path in ("/resist", "/generator"):
        assert ask(server.address, path).recv(65536).endswith(b"begun")
    server.signal(signal.SIGHUP)
    wait_until(lambda: old not in server.workers(), "the old worker's end")
    assert "WORKER TIMEOUT" not in server.log
    server.stop()


@pytest.mark.parametrize("graceful_s", [1, 2])
def test_idle_clients_do_not_outlast_a_short_graceful_timeout(start, journal, graceful_s):
    server = start(APP, "--graceful-timeout", str(graceful_s), "--keep-alive", "60")
    with ask(server.address, "/") as client:
        client.recv(65536)
        server.signal(signal.SIGTERM)
        assert client.recv(65536) == b""
        assert server.wait() == 0
    assert journal()[-1] == "shutdown"
    assert "did not finish in time" not in server.log


def test_a_grace_period_longer_than_graceful_timeout_does_not_keep_the_worker(start, journal):
    config = "asgi_disconnect_grace_period = 600\n"
    server = start(APP, "--graceful-timeout", "3", config=config)
    with ask(server.address, "/sleep/500"):
        wait_until(lambda: any(line.startswith("sleep begins") for line in journal()), "the request")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert journal()[-1] == "shutdown"
    assert "SIGKILL" not in server.log


def test_a_shutdown_that_cancels_all_other_tasks_completes(start, journal, loop):
    server = start(APP, loop=loop, environ={"SHUTDOWN_CANCELS": "1", "SHUTDOWN_S": "0.3"})
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert journal()[-1] == "shutdown"
    assert "exited with code" not in server.log
    assert "Traceback" not in server.log


def test_the_heart_beats_while_draining(start, journal):
    """The drain outlasts --timeout by far; without heartbeats the arbiter would abort the worker."""
    server = start(APP, "--timeout", "2", "--graceful-timeout", "60")
    client = ask(server.address, "/sleep/5")
    wait_until(lambda: any(line.startswith("sleep begins") for line in journal()), "the request")
    (old,) = server.workers()
    server.signal(signal.SIGHUP)
    assert client.recv(65536).endswith(b"slept")
    wait_until(lambda: old not in server.workers(), "the old worker's end")
    assert "WORKER TIMEOUT" not in server.log
    server.stop()


def test_worker_exit_and_child_exit_are_called(start):
    config = (
        "def worker_exit(server, worker): worker.log.info('worker_exit %s', worker.pid)\n"
        "def child_exit(server, worker): server.log.info('child_exit %s', worker.pid)\n"
    )
    server = start(config=config)
    (pid,) = server.workers()
    log = server.stop()
    assert f"worker_exit {pid}" in log
    assert f"child_exit {pid}" in log


def test_an_app_that_cancels_all_tasks_stops_the_worker_in_order(start, loop):
    server = start(APP, loop=loop)
    with ask(server.address, "/stream") as stream:
        stream.recv(65536)
        with ask(server.address, "/cancel-all") as client:
            assert client.recv(65536).endswith(b"cancelled")
        while stream.recv(65536):
            pass
    server.wait_for_workers(2)
    with ask(server.address, "/") as client:
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    log = server.stop()
    assert log.count("Application cancelled the worker's own task") == 1
    assert log.count("ASGI app cancelled its own task during GET /stream") == 1
    assert "exited with code" not in log


def test_a_killed_worker_is_replaced(start):
    server = start()
    (pid,) = server.workers()
    os.kill(pid, signal.SIGKILL)
    server.wait_for_workers(2)
    (next_pid,) = server.workers()
    assert ask(server.address, "/").recv(65536).endswith(str(next_pid).encode())
    assert re.search(rf"Worker \(pid:{pid}\) was sent SIGKILL", server.log)
    server.stop()


def test_workers_leave_when_the_master_is_killed(start, journal):
    server = start()
    (pid,) = server.workers()
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    wait_until(lambda: pid not in server.workers(), "the worker's end")
    assert "Parent changed" in server.log
    assert journal()[-1] == "shutdown"


def test_term_during_a_long_startup_ends_it(start):
    server = start(workers=0, environ={"STARTUP_S": "1000"})
    server.wait_for("Booting worker")
    server.signal(signal.SIGTERM)
    began = time.monotonic()
    assert server.wait() == 0
    assert time.monotonic() - began < 25, "the arbiter had to kill it"
    assert "SIGKILL" not in server.log


def test_term_during_a_long_startup_serves_nobody_by_an_app_that_has_not_started(start):
    server = start(workers=0, environ={"STARTUP_S": "1000"})
    server.wait_for("Booting worker")
    with ask(server.address, "/") as client:
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(65536) == b""


def test_a_signal_that_the_import_swallows_still_counts(start, tmp_path):
    (tmp_path / "deaf_app.py").write_text(
        "import time\nprint('importing', flush=True)\ntry:\n    time.sleep(1000)\nexcept BaseException:\n    pass\n"
        "from tests.integration.apps import app\n"
    )
    server = start("deaf_app:app", "--pythonpath", str(tmp_path), workers=0)
    server.wait_for("importing")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert "SIGKILL" not in server.log


def test_int_during_a_long_import_ends_it(start, tmp_path):
    (tmp_path / "slow_app.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(1000)\n")
    server = start("slow_app:app", "--pythonpath", str(tmp_path), workers=0)
    server.wait_for("importing")
    server.signal(signal.SIGINT)
    assert server.wait() == 0
    assert "SIGKILL" not in server.log


def test_usr1_reopens_the_logs(start, tmp_path):
    error_log, access_log = tmp_path / "error.log", tmp_path / "access.log"
    options = ("--error-logfile", str(error_log), "--access-logfile", str(access_log))
    server = start(APP, *options, workers=0)
    wait_until(lambda: error_log.exists() and "gasgi " in error_log.read_text(), "the worker")
    address = re.search(r"http://([\d.]+):(\d+)", error_log.read_text())
    host, port = address.groups()
    ask((host, int(port)), "/one").recv(65536)
    wait_until(lambda: "/one" in access_log.read_text(), "the first line")
    error_log.rename(tmp_path / "error.old")
    access_log.rename(tmp_path / "access.old")
    server.signal(signal.SIGUSR1)
    wait_until(access_log.exists, "the new access log")
    wait_until(error_log.exists, "the new error log")

    def is_answered_into_the_new_log() -> bool:
        ask((host, int(port)), "/two").recv(65536)
        return "/two" in access_log.read_text()

    wait_until(is_answered_into_the_new_log, "a line in the new access log")
    assert "/one" not in access_log.read_text()
