"""A blocked event loop is found by its missed heartbeat and shown in the error log."""

from __future__ import annotations

import signal
import socket
import time

import pytest

from tests.support.gunicorn import free_port, wait_until

APP = "tests.integration.apps:app"
HOOKS = "def worker_abort(worker): worker.log.info('worker_abort called')\n"


def ask(address: tuple[str, int], path: str) -> socket.socket:
    client = socket.create_connection(address)
    client.settimeout(60)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
    return client


def test_the_stack_of_a_blocked_loop_is_logged_and_the_worker_replaced(start, loop):
    server = start(APP, "--timeout", "2", config=HOOKS, loop=loop)
    with ask(server.address, "/block"):
        server.wait_for_workers(2)
    log = server.log
    assert "WORKER TIMEOUT" in log
    assert "in block_in_python" in log
    assert "worker_abort called" in log
    assert "exited with code 1" in log
    assert b"200 OK" in ask(server.address, "/").recv(65536)
    server.stop()


def test_a_short_timeout_leaves_a_healthy_worker_alone(start, loop):
    server = start(APP, "--timeout", "1", loop=loop)
    (worker,) = server.workers()
    # Longer than the arbiter, which looks once a second, needs to miss a beat.
    with ask(server.address, "/") as client:
        client.recv(65536)
        until = time.monotonic() + 4
        wait_until(lambda: time.monotonic() > until or "WORKER TIMEOUT" in server.log, "four seconds")
    assert "WORKER TIMEOUT" not in server.log
    assert server.workers() == [worker]
    server.stop()


def test_handlers_that_block_for_less_than_the_timeout_lose_no_request(start, journal, loop):
    """Together they block for 13 s; a quota and a stop come meanwhile."""
    server = start(APP, "--timeout", "5", "--graceful-timeout", "60", "--max-requests", "20", loop=loop)
    clients = [ask(server.address, "/") for _ in range(16)]
    for client in clients:
        assert b"connection: close" not in client.recv(65536)
    for client in clients:
        client.sendall(b"GET /nap/0.8 HTTP/1.1\r\nHost: here\r\n\r\n")
    server.wait_for("Autorestarting worker")
    wait_until(lambda: journal().count("nap begins") >= 8, "more of the naps")
    server.signal(signal.SIGTERM)
    for client in clients:
        assert client.recv(65536).endswith(b"napped")
        client.close()
    assert server.wait() == 0
    assert "WORKER TIMEOUT" not in server.log
    assert "[ERROR]" not in server.log


def test_the_stack_is_logged_when_c_code_blocks_the_interpreter(start):
    server = start(APP, "--timeout", "2")
    with ask(server.address, "/block-c"):
        server.wait_for_workers(2)
    assert "in block_in_c" in server.log
    server.stop()


def test_every_thread_is_shown(start):
    server = start(APP, "--timeout", "2")
    assert b"started" in ask(server.address, "/thread").recv(65536)
    with ask(server.address, "/block"):
        server.wait_for_workers(2)
    assert "threading.py" in server.log
    assert "in block_in_python" in server.log


def test_the_stack_follows_the_log_that_usr1_opened(start, tmp_path):
    error_log = tmp_path / "error.log"
    server = start(APP, "--timeout", "3", "--error-logfile", str(error_log), workers=0)
    wait_until(lambda: error_log.exists() and "gasgi " in error_log.read_text(), "the worker")
    port = int(error_log.read_text().partition("http://127.0.0.1:")[2].split()[0])
    error_log.rename(tmp_path / "error.old")
    server.signal(signal.SIGUSR1)
    wait_until(error_log.exists, "the new log")
    # Reopened in the worker too: it says goodbye into the new file.
    with ask(("127.0.0.1", port), "/block"):
        wait_until(lambda: "exited with code 1" in error_log.read_text(), "the end of the worker")
    assert "in block_in_python" in error_log.read_text()


def test_what_the_loop_reports_is_logged_once(start, loop):
    server = start(loop=loop)
    assert b"scheduled" in ask(server.address, "/unretrieved").recv(65536)
    server.wait_for("ZeroDivisionError: ")
    log = server.stop()
    assert log.count("ZeroDivisionError: ") == 1
    assert log.count("[ERROR]") == 1


CLOSES_THE_LOG = """\
import logging.config, os
logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "handlers": {}})
mine = [os.open(os.environ["MINE"], os.O_WRONLY | os.O_CREAT | os.O_APPEND) for _ in range(20)]
from tests.integration.apps import app
"""


@pytest.mark.parametrize("level", ["info", "error"])
@pytest.mark.parametrize(("path", "function"), [("/block", "block_in_python"), ("/block-c", "block_in_c")])
def test_the_stack_finds_the_log_that_the_application_has_closed(start, tmp_path, level, path, function):
    """dictConfig closes all handlers: their descriptors' numbers belong to what is opened next."""
    (tmp_path / "django_like.py").write_text(CLOSES_THE_LOG)
    error_log, mine, pid_file = tmp_path / "error.log", tmp_path / "mine", tmp_path / "served"
    port = free_port()
    options = ("--timeout", "2", "--error-logfile", str(error_log), "--log-level", level)
    server = start(
        "django_like:app",
        *options,
        "--pythonpath",
        str(tmp_path),
        workers=0,
        bind=f"127.0.0.1:{port}",
        environ={"MINE": str(mine), "JOURNAL": str(pid_file)},
    )
    wait_until(lambda: pid_file.exists() and "startup" in pid_file.read_text(), "the worker")
    with ask(("127.0.0.1", port), path):
        wait_until(lambda: pid_file.read_text().count("startup") == 2, "the next worker")
    log = error_log.read_text()
    assert f"in {function}" in log
    assert "the stacks above show where" in log
    assert mine.read_text() == ""
    server.stop()


def test_stacks_that_cannot_be_written_are_logged_instead(start, tmp_path):
    """The application closed every descriptor it does not know: nothing is above the line then."""
    (tmp_path / "daemon_like.py").write_text(
        "import os\nfrom tests.integration import apps\n"
        "async def app(scope, receive, send):\n"
        "    if scope['type'] == 'http' and scope['path'] == '/close':\n"
        "        for number in map(int, os.listdir('/proc/self/fd')):\n"
        "            if number > 2 and os.path.realpath(f'/proc/self/fd/{number}').endswith('gunicorn.log'):\n"
        "                os.close(number)\n"
        "    await apps.app(scope, receive, send)\n"
    )
    server = start("daemon_like:app", "--timeout", "2", "--pythonpath", str(tmp_path))
    assert b"200 OK" in ask(server.address, "/close").recv(65536)
    with ask(server.address, "/block"):
        server.wait_for_workers(2)
    assert "--timeout (pid: " in server.log
    assert "): here:\nThread " in server.log
    assert "in block_in_python" in server.log
    server.stop()
