"""What is no workload of the table: many connections, latency at equal load, memory when idle, the time to boot."""

from __future__ import annotations

import contextlib
import resource
import socket
import statistics
from collections.abc import Callable
from typing import Any

from harness.boot import measure_boot
from harness.load import LoadError, put_load
from harness.measure import Bench, Running
from harness.servers import Server
from harness.workloads import WORKLOADS

__all__ = ["measure"]

HELLO = WORKLOADS["hello"]
RAMP = [1, 10, 100, 1000, 4000, 10_000]
RAMP_ROUNDS = 3
PAUSES_MS = [32, 8]  # before each request of 64 connections: 2,000 and somewhat below 8,000 requests a second
PACED_SECONDS = 4
PACED_ROUNDS = 3
IDLE_CONNECTIONS = 2000


def measure(bench: Bench, servers: list[Server]) -> dict[str, Any]:
    """Run all of it on every server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    largest = max(count for count in RAMP if count + 500 < hard)
    parts = {
        "ramp": _under_load(_ramp(largest)),
        "paced": _under_load(_paced),
        "idle": _under_load(_idle),
        "boot": measure_boot,
    }
    results: dict[str, Any] = {name: {} for name in [*parts, "failed"]}
    for server in servers:
        for name, part in parts.items():
            if name == "boot" and server.name.startswith("floor"):
                continue  # one process whatever it is told
            try:
                results[name][server.name] = part(bench, server)
            except LoadError as exc:
                results["failed"][f"{server.name}, {name}"] = str(exc)
                bench.say(f"  {server.name:<24} {name} REFUSED: {exc}")
                continue
            bench.say(f"  {server.name:<24} {name} {results[name][server.name]}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return results


def _under_load(part: Callable[[Bench, Running], dict[str, Any]]) -> Callable[[Bench, Server], dict[str, Any]]:
    def measure_part(bench: Bench, server: Server) -> dict[str, Any]:
        # A fresh server for each: what one part left behind must not count for the next.
        with bench.running(server, HELLO) as running:
            put_load(HELLO, running.port, bench.warm_up_s, bench.cores[1])
            return part(bench, running)

    return measure_part


def _ramp(largest: int) -> Callable[[Bench, Running], dict[str, float | None]]:
    def ramp(bench: Bench, running: Running) -> dict[str, float | None]:
        """CPU µs per answer for each number of connections, what opening them costs left out."""
        return {str(count): _cost_of_more(bench, running, count) for count in RAMP if count <= largest}

    return ramp


def _cost_of_more(bench: Bench, running: Running, count: int) -> float | None:
    """The cost of the answers that a longer run has more than a short one: both open ``count`` connections.

    None when a busy machine took so long to open them that the runs do not tell.
    """
    costs: list[float] = []
    for _ in range(RAMP_ROUNDS):
        measured = []
        for seconds in (1, 4) if count <= 1000 else (4, 10):  # opening thousands takes longer than a second
            bench.distance.wait_until_near()
            before = running.tree.cpu_ns()
            load = put_load(HELLO, running.port, seconds, bench.cores[1], connections=count)
            measured.append((running.tree.cpu_ns() - before, load.answers))
        (short_ns, short_answers), (long_ns, long_answers) = measured
        if long_answers < 2 * short_answers:
            return None
        costs.append((long_ns - short_ns) / (long_answers - short_answers) / 1000)
    return round(statistics.median(costs), 2)


def _paced(bench: Bench, running: Running) -> dict[str, dict[str, float]]:
    """p50 and p99 in µs when every server gets the same number of requests a second."""
    found = {}
    for pause_ms in PAUSES_MS:
        loads = [
            put_load(HELLO, running.port, PACED_SECONDS, bench.cores[1], pause_ms=pause_ms) for _ in range(PACED_ROUNDS)
        ]
        found[str(pause_ms)] = {
            "per_second": round(statistics.median(load.per_second for load in loads)),
            "p50_us": statistics.median(load.p50_us for load in loads),
            "p99_us": statistics.median(load.p99_us for load in loads),
        }
    return found


def _idle(bench: Bench, running: Running) -> dict[str, float]:
    """KiB for each connection that had one answer and now keeps quiet, and what the tree holds without them."""
    pss_before, rss_before = running.tree.memory_kib()
    with contextlib.ExitStack() as stack:
        for _ in range(IDLE_CONNECTIONS):
            stack.enter_context(_ask_once(running.port))
        pss_after, _ = running.tree.memory_kib()
    return {
        "pss_kib_before": pss_before,
        "rss_kib_before": rss_before,
        "kib_per_connection": round((pss_after - pss_before) / IDLE_CONNECTIONS, 2),
    }


def _ask_once(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), 10)
    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = b""
    while HELLO.body is not None and not answer.endswith(HELLO.body):
        piece = connection.recv(4096)
        if not piece:
            raise LoadError(f"the server closed instead of answering: {answer[:80]!r}")
        answer += piece
    return connection
