"""The experiment "sharing": how four workers on one listening socket share connections, and who waits for that.

Every server of a round is asked in turn for every scenario; the load is a crowd of kept connections, or wrk with a
connection for each request. Measures only; ``sharing_page`` draws.
"""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.front import nginx
from harness.load import HERE, LoadError, run_load, wait_for_port, wrk
from harness.processes import ProcessTree, free_port, prefer

from tuning.crowd import Crowd, ask, gather

__all__ = ["NAME", "SCENARIOS", "SERVERS", "measure"]

NAME = "sharing"

WORKERS = 4
APP = "tuning.pid_app:app"
CROWDS = (16, 64, 256, 1000)
ALONE = Path(__file__).with_name("alone.py").read_text()
BLOCKED_S = 1.0
PATIENCE_S = 3.0  # for an answer of a worker that cannot give it
SHORT_S = 2

Figures = dict[str, float]


@dataclass(frozen=True)
class Server:
    """How to start it on a port; ``config`` is a file of settings for gunicorn."""

    name: str
    command: Callable[[int, Path], list[str]]
    config: str = ""
    reloads: bool = False


@dataclass
class Running:
    """A server that answers."""

    server: Server
    tree: ProcessTree
    port: int


def _gunicorn(worker_class: str, *more: str) -> Callable[[int, Path], list[str]]:
    def command(port: int, directory: Path) -> list[str]:
        words = [sys.executable, "-m", "gunicorn", APP, "--worker-class", worker_class, "--workers", str(WORKERS)]
        words += ["--bind", f"127.0.0.1:{port}", "--backlog", "4096", "--worker-connections", "20000"]
        words += ["--keep-alive", "75", "--log-level", "warning", "--no-control-socket"]
        return [*words, "--config", str(directory / "gunicorn.conf.py"), "--asgi-loop", "uvloop", *more]

    return command


def _uvicorn(port: int, directory: Path) -> list[str]:
    words = [sys.executable, "-m", "uvicorn", APP, "--loop", "uvloop", "--http", "httptools", "--workers", str(WORKERS)]
    words += ["--no-proxy-headers", "--no-access-log", "--log-level", "warning", "--backlog", "4096"]
    return [*words, "--timeout-keep-alive", "75", "--host", "127.0.0.1", "--port", str(port)]


def _granian(port: int, directory: Path) -> list[str]:
    words = [sys.executable, "-m", "granian", APP, "--interface", "asgi", "--loop", "uvloop", "--workers", str(WORKERS)]
    words += ["--runtime-threads", "1", "--runtime-mode", "st", "--http", "1", "--backlog", "4096", "--no-ws"]
    words += ["--backpressure", "20000", "--no-access-log", "--log-level", "warning"]
    return [*words, "--host", "127.0.0.1", "--port", str(port)]


SERVERS = (
    Server("gasgi", _gunicorn("gasgi.Worker"), reloads=True),
    Server("gasgi, sharing off", _gunicorn("gasgi.Worker"), ALONE, reloads=True),
    Server("gunicorn", _gunicorn("asgi", "--http-parser", "fast"), reloads=True),
    Server("uvicorn", _uvicorn),
    Server("granian", _granian),
)


# Scenarios: each returns figures of one server, one time.


def _share(crowd: Crowd, count: int, workers: int = WORKERS) -> Figures:
    took = sorted(crowd.took_ms)
    return {
        "most": max(crowd.shares.values()),
        "mean": count / workers,
        "unanswered": count - len(took),
        "p50_ms": statistics.median(took),
        "p99_ms": took[min(len(took) - 1, int(len(took) * 0.99))],
    }


def _crowd(count: int, over_s: float) -> Callable[[Running], Figures]:
    def scenario(running: Running) -> Figures:
        with gather(running.port, count, over_s) as crowd:
            return _share(crowd, count)

    return scenario


def _pool(running: Running) -> Figures:
    """64 clients of nginx, whose connections to the workers are kept; who holds them, the kernel says."""
    held: list[Counter[int]] = []
    # nginx ends after this, or the connections that it keeps would count in the next turn.
    with nginx(running.port, None, is_preferred=True) as front:
        # While the load runs: with the clients nginx ends what they had asked for.
        look = threading.Timer(SHORT_S / 2, lambda: held.append(_held(running)))
        look.start()
        url = f"http://127.0.0.1:{front}/"
        load = run_load([*wrk(64, SHORT_S, timeout_s=10), "--script", "wrk/plain.lua", url], None, SHORT_S)
        look.join()
    if any(load["errors"].values()):
        raise LoadError(f"{running.server.name}: {load}")
    return {
        "most": max(held[0].values()),
        "mean": sum(held[0].values()) / WORKERS,
        "p50_ms": load["p50_us"] / 1000,
        "p99_ms": load["p99_us"] / 1000,
    }


def _held(running: Running) -> Counter[int]:
    """Established connections of every process of the server's at its port."""
    mine: set[str] = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, _, _, _, _, _, inode = line.split()[:10]
        if int(local.rpartition(":")[2], 16) == running.port and state == "01":
            mine.add(f"socket:[{inode}]")
    held: Counter[int] = Counter()
    for pid in running.tree.pids():
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    held[pid] += os.readlink(f"/proc/{pid}/fd/{name}") in mine
    return held


def _short(running: Running) -> Figures:
    """One request for each connection, from 64 clients."""
    url = f"http://127.0.0.1:{running.port}/"
    before = running.tree.cpu_ns()
    load = run_load([*wrk(64, SHORT_S, timeout_s=10), "--script", "wrk/pids.lua", url], None, SHORT_S)
    cpu_ns = running.tree.cpu_ns() - before
    if any(load["errors"].values()):
        raise LoadError(f"{running.server.name}: {load}")
    return {
        "most": max(load["shares"].values()),
        "mean": sum(load["shares"].values()) / WORKERS,
        "p50_ms": load["p50_us"] / 1000,
        "p99_ms": load["p99_us"] / 1000,
        "cpu_us": cpu_ns / load["answers"] / 1000,
    }


def _blocked(running: Running) -> Figures:
    """64 at once, while one worker is blocked."""
    blocked = threading.Thread(target=ask, args=(running.port, f"/block/{BLOCKED_S}"))
    blocked.start()
    time.sleep(0.05)
    with gather(running.port, 64, 0.0, PATIENCE_S) as crowd:
        figures = _share(crowd, 64, WORKERS - 1)
        blocked.join()
    return figures


def _stopped(running: Running) -> Figures:
    """64 at once, while one worker is stopped."""
    pid = ask(running.port, "/")
    os.kill(pid, signal.SIGSTOP)
    try:
        with gather(running.port, 64, 0.0, PATIENCE_S) as crowd:
            return _share(crowd, 64, WORKERS - 1)
    finally:
        os.kill(pid, signal.SIGCONT)


def _reloaded(running: Running) -> Figures:
    """64 at once, when all workers have just been replaced."""
    before = set(running.tree.pids()[1:])
    os.kill(running.tree.pids()[0], signal.SIGHUP)
    give_up_at = time.monotonic() + 30
    while before & set(running.tree.pids()) or len(running.tree.pids()) < WORKERS + 1:
        if time.monotonic() > give_up_at:
            raise LoadError(f"{running.server.name}: the workers were not replaced")
        time.sleep(0.05)
    # Until all of them serve: nothing says so from outside.
    time.sleep(1.0)
    with gather(running.port, 64, 0.0) as crowd:
        return _share(crowd, 64)


SCENARIOS: dict[str, Callable[[Running], Figures]] = {
    **{f"{count:,} at once": _crowd(count, 0.0) for count in CROWDS},
    **{f"{count:,} over a second": _crowd(count, 1.0) for count in CROWDS},
    "64 at once, one worker blocked": _blocked,
    "64 at once, one worker stopped": _stopped,
    "64 at once, after a reload": _reloaded,
    "a pool of nginx": _pool,
    "one request for each": _short,
}


def _is_for(name: str, server: Server) -> bool:
    if SCENARIOS[name] is _reloaded:
        return server.reloads
    return True


@contextlib.contextmanager
def _start(server: Server) -> Iterator[Running]:
    with tempfile.TemporaryDirectory(prefix="sharing") as name, contextlib.ExitStack() as stack:
        directory = Path(name)
        (directory / "gunicorn.conf.py").write_text(server.config)
        port = free_port()
        output = stack.enter_context((directory / "output").open("wb"))
        tree = ProcessTree(server.command(port, directory), None, {"PYTHONPATH": str(HERE)}, HERE, output)
        stack.callback(tree.stop)
        prefer(tree.pids()[0])
        try:
            wait_for_port(port, tree.is_alive)
            seen: set[int] = set()
            give_up_at = time.monotonic() + 30
            while len(seen) < WORKERS and time.monotonic() < give_up_at:
                with gather(port, 32, 0.0) as crowd:
                    seen.update(crowd.shares)
        except LoadError as exc:
            raise LoadError(f"{server.name}: {exc}: {(directory / 'output').read_text()}") from exc
        yield Running(server, tree, port)


def measure(rounds: int) -> dict[str, dict[str, list[Figures]]]:
    """Return the figures of every round, by scenario and server. Servers take turns, the order reversed each round."""
    found: dict[str, dict[str, list[Figures]]] = {name: {} for name in SCENARIOS}
    with contextlib.ExitStack() as stack:
        prefer(os.getpid())
        running = [stack.enter_context(_start(server)) for server in SERVERS]
        for number in range(rounds):
            for name, scenario in SCENARIOS.items():
                for each in running if number % 2 else reversed(running):
                    if _is_for(name, each.server):
                        figures = scenario(each)
                        found[name].setdefault(each.server.name, []).append(figures)
                        # The connections that have just ended are to be gone before the next turn.
                        time.sleep(0.2)
            print(f"  round {number + 1} of {rounds}", flush=True)
    return found
