"""Measure servers against each other: taken in turn, round by round, and never with errors."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from harness.distance import CoreDistance
from harness.front import nginx
from harness.load import HERE, LoadError, check_answer, put_load, wait_for_port
from harness.processes import ProcessTree, free_port
from harness.servers import Launch, Server
from harness.workloads import Workload

__all__ = ["Bench", "Round", "Running", "ratio", "summarise"]

TRIES = 5  # of a turn in which the two cores came to lie far apart


@dataclass(frozen=True)
class Round:
    """One run of one server: CPU time per answer, throughput, latency, and memory and the cores' distance after it."""

    cpu_us: float
    user_us: float
    system_us: float
    per_second: float
    p50_us: float
    p99_us: float
    pss_kib: int
    rss_kib: int
    distance_ns: float


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    tree: ProcessTree
    port: int
    output: IO[bytes]

    def last_output(self) -> str:
        """The end of what it printed."""
        self.output.seek(0)
        return self.output.read().decode(errors="replace").strip()[-2000:]


@dataclass
class Bench:
    """Where and how long to measure. ``cores``: the server's and the load's; None: not pinned."""

    cores: tuple[int | None, int | None]
    duration_s: float
    warm_up_s: float
    certificate: Path
    key: Path
    say: Callable[[str], None]
    distance: CoreDistance = field(init=False)

    def __post_init__(self) -> None:
        self.distance = CoreDistance(self.cores)
        self.distance.look_around()

    @contextlib.contextmanager
    def running(self, server: Server, workload: Workload) -> Iterator[Running]:
        """Start ``server``, wait until it answers rightly, and stop it in the end."""
        with contextlib.ExitStack() as stack:
            running = stack.enter_context(self.started(server, workload))
            try:
                wait_for_port(running.port, running.tree.is_alive)
                if workload.is_proxied:
                    # On the core of the load, of which it is a part: only the server's time counts.
                    front = stack.enter_context(nginx(running.port, self.cores[1]))
                    running = dataclasses.replace(running, port=front)
                check_answer(workload, running.port)
            except (LoadError, OSError, http.client.HTTPException) as exc:
                raise LoadError(f"{exc!r}\n{running.last_output()}") from exc
            yield running

    @contextlib.contextmanager
    def started(self, server: Server, workload: Workload, workers: int = 1) -> Iterator[Running]:
        """Start ``server`` and stop it in the end."""
        port = free_port()
        with tempfile.TemporaryFile() as output:
            command = server.command(Launch(workload, port, self.certificate, self.key, workers))
            path = [str(HERE)] if server.source is None else [str(server.source), str(HERE)]
            env = {"PYTHONPATH": os.pathsep.join(path), **server.env}
            running = Running(ProcessTree(command, self.cores[0], env, HERE, output), port, output)
            try:
                yield running
            finally:
                running.tree.stop()

    def compare(self, workload: Workload, servers: list[Server], rounds: int) -> dict[str, Any]:
        """Measure ``servers`` in turn, ``rounds`` times, the order reversed every other round.

        All of them run the whole time, idle but for their turn, so that a turn can be short and what the machine does
        meanwhile falls on neighbours alike. A turn in which the two cores came to lie far apart is repeated. Return
        ``{"rounds": {server: [...]}, "failed": {server: why}}``. A server with one bad run is out: none of its numbers
        is reported.
        """
        measured: dict[str, list[Round]] = {}
        failed: dict[str, str] = {}
        with contextlib.ExitStack() as stack:
            running: dict[str, Running] = {}
            rates: dict[str, float] = {}  # answers a second, as far as is known
            for server in servers:
                try:
                    running[server.name] = stack.enter_context(self.running(server, workload))
                    warm_up = put_load(workload, running[server.name].port, self.warm_up_s, self.cores[1])
                    rates[server.name] = warm_up.per_second
                    measured[server.name] = []
                except LoadError as exc:
                    failed[server.name] = str(exc)
            for number in range(rounds):
                for name in list(measured) if number % 2 == 0 else list(reversed(measured)):
                    try:
                        measured[name].append(self._measure(running[name], workload, rates[name]))
                        rates[name] = measured[name][-1].per_second
                    except LoadError as exc:
                        failed[name] = f"{exc}\n{running[name].last_output()}"
                        del measured[name]
        for name, why in failed.items():
            self.say(f"  {name:<24} REFUSED: {why}")
        return {
            "rounds": {name: [dataclasses.asdict(found) for found in each] for name, each in measured.items()},
            "failed": failed,
        }

    def _measure(self, running: Running, workload: Workload, rate: float) -> Round:
        for _ in range(TRIES):
            found = self._measure_once(running, workload, rate)
            if not self.distance.is_far(found.distance_ns):
                break
        return found

    def _measure_once(self, running: Running, workload: Workload, rate: float) -> Round:
        distance_ns = self.distance.wait_until_near()
        before = running.tree.cpu_time()
        duration_s = self.duration_s * workload.stretch
        load = put_load(workload, running.port, duration_s, self.cores[1], requests=round(rate * duration_s))
        cpu_ns, user_share = running.tree.cpu_time().since(before)
        cpu_us = cpu_ns / load.answers / 1000
        pss_kib, rss_kib = running.tree.memory_kib()
        return Round(
            cpu_us,
            cpu_us * user_share,
            cpu_us * (1 - user_share),
            load.per_second,
            load.p50_us,
            load.p99_us,
            pss_kib,
            rss_kib,
            max(distance_ns, self.distance.take_ns()),
        )


def summarise(rounds: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    """The median of each figure over the rounds, and the spread of the CPU time, for each server."""
    summary = {}
    for name, each in rounds.items():
        figures = {key: statistics.median(found[key] for found in each) for key in each[0]}
        figures["cpu_us_min"] = min(found["cpu_us"] for found in each)
        figures["cpu_us_max"] = max(found["cpu_us"] for found in each)
        summary[name] = figures
    return summary


def ratio(rounds: dict[str, list[dict[str, float]]], name: str, against: str) -> float:
    """CPU time per answer of ``name`` against ``against``: the median of what it was in each round.

    Within one round the two ran seconds apart, so a machine that is busy for a while spoils both alike.
    """
    return statistics.median(
        mine["cpu_us"] / theirs["cpu_us"] for mine, theirs in zip(rounds[name], rounds[against], strict=True)
    )
