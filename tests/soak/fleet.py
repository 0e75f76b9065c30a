"""Keep four workers busy while they are killed and reloaded, and fail when anything is lost that need not be.

    python -m tests.soak.fleet [--seconds 600] [--loop uvloop]

A worker is killed every five seconds, all are reloaded every twenty, and the metrics are read every second. No counter
may go down, no slot of the scoreboard, descriptor of the master or connection may be left over, and no request may be
lost but those that were in progress on the worker that was killed.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import os
import random
import signal
import sys
import tempfile
import time
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from gasgi.compiled import IS_COMPILED
from tests.soak.fleet_clients import NOTICE_S, Clients
from tests.support.gunicorn import Gunicorn, free_port, start_gunicorn, wait_until

WORKERS = 4
KILL_EVERY_S = 5.0
RELOAD_EVERY_S = 20.0
SCRAPE_EVERY_S = 1.0
# A reload has four more for a moment, and one that was killed meanwhile is replaced at once.
MOST_SLOTS = 3 * WORKERS
OPTIONS = ("--workers", str(WORKERS), "--graceful-timeout", "15", "--timeout", "120", "--keep-alive", "60")
Sample = tuple[str, tuple[tuple[str, str], ...]]


class Metrics:
    """What was scraped last; ``failures`` says which counter went down, and when nobody answered."""

    def __init__(self, port: int, killed: dict[int, float]) -> None:
        self._url = f"http://127.0.0.1:{port}/metrics"
        self._killed = killed
        self._counters: dict[Sample, float] = {}
        self._seen: dict[str, float] = {}
        self.slots = 0
        self.scrapes = 0
        self.cut_off = 0  # scrapes that were answered by the worker that was killed
        self.failures: list[str] = []

    def scrape(self) -> dict[str, float]:
        """Read them, compare the counters with those before; return the sum of every metric over its labels."""
        began = time.monotonic()
        try:
            with urlopen(Request(self._url, headers={"Accept": "application/openmetrics-text"}), timeout=20) as answer:
                text = answer.read().decode()
            families = list(text_string_to_metric_families(text))
        except (OSError, HTTPException, ValueError) as exc:
            now = time.monotonic()
            if any(began - NOTICE_S <= at <= now for at in self._killed.values()):
                self.cut_off += 1
            else:
                self.failures.append(f"a scrape: {exc!r}")
            return self._seen
        self.scrapes += 1
        self._seen = {}
        for family in families:
            for sample in family.samples:
                self._seen[sample.name] = self._seen.get(sample.name, 0.0) + sample.value
                if family.type in ("counter", "histogram"):
                    self._compare((sample.name, tuple(sorted(sample.labels.items()))), sample.value)
        accepted = (name for name, labels in self._counters if name == "gasgi_connections_accepted_total")
        self.slots = len(list(accepted))
        return self._seen

    def _compare(self, sample: Sample, value: float) -> None:
        before = self._counters.get(sample, 0.0)
        if value < before:
            self.failures.append(f"{sample} went down from {before} to {value}")
        self._counters[sample] = value


class Fleet:
    """The server, and who kills and reloads its workers."""

    def __init__(self, server: Gunicorn, metrics_port: int, seed: int) -> None:
        self._server = server
        self._random = random.Random(seed)
        self.killed: dict[int, float] = {}
        self.reloads = 0
        self.metrics = Metrics(metrics_port, self.killed)
        self.clients = Clients(server.address, seed, self.killed)

    async def run(self, seconds: float) -> None:
        """Let clients ask for so long, and disturb them until a little before the end."""
        disturbing = [
            asyncio.create_task(self._every(KILL_EVERY_S, self._kill)),
            asyncio.create_task(self._every(RELOAD_EVERY_S, self._reload)),
        ]
        scraping = asyncio.create_task(self._every(SCRAPE_EVERY_S, self._scrape))
        asking = asyncio.create_task(self.clients.run(seconds))
        await asyncio.sleep(max(1.0, seconds - KILL_EVERY_S))
        for task in disturbing:
            task.cancel()
        await asyncio.wait(disturbing)
        await asking
        scraping.cancel()
        await asyncio.wait([scraping])
        for task in (*disturbing, scraping):
            if not task.cancelled():
                task.result()

    async def _every(self, seconds: float, act: Any) -> None:
        while True:
            await asyncio.sleep(seconds)
            await act()

    async def _kill(self) -> None:
        workers = self._server.workers()
        if workers:
            pid = self._random.choice(workers)
            self.killed[pid] = time.monotonic()
            os.kill(pid, signal.SIGKILL)

    async def _reload(self) -> None:
        self.reloads += 1
        self._server.signal(signal.SIGHUP)

    async def _scrape(self) -> None:
        await asyncio.to_thread(self.metrics.scrape)


def descriptors(pid: int) -> int:
    """How many files and sockets a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def soak(server: Gunicorn, port: int, seconds: float, seed: int) -> list[str]:
    """Run it, tell what happened and return what ought not to have."""
    wait_until(lambda: len(server.workers()) == WORKERS, "the workers")
    fleet = Fleet(server, port, seed)
    before = descriptors(server.pid)
    asyncio.run(fleet.run(seconds))
    metrics, clients = fleet.metrics, fleet.clients
    failures = clients.failures + metrics.failures

    def is_quiet() -> bool:
        seen = metrics.scrape()
        left = seen["gasgi_connections"] + seen["gasgi_requests_in_progress"]
        return seen["gasgi_workers"] == WORKERS == len(server.workers()) and not left

    try:
        wait_until(is_quiet, "four workers without a connection")
    except AssertionError as exc:
        failures.append(f"{exc}: {metrics.scrape()}")
    counted = metrics.scrape()["gasgi_requests_total"]
    answered, lost = clients.counts["answered"], clients.counts["lost with their worker"]
    print(f"requests: {dict(sorted(clients.counts.items()))}; counted {counted:.0f}")
    print(f"answered by {len(clients.workers)} workers; {len(fleet.killed)} killed, {fleet.reloads} reloads")
    print(f"{metrics.scrapes} scrapes, {metrics.cut_off} cut off by a kill; {metrics.slots} slots")
    if not answered <= counted <= answered + lost:
        failures.append(f"{answered} answers and {lost} losses, and {counted:.0f} were counted")
    if metrics.slots > MOST_SLOTS:
        failures.append(f"{metrics.slots} slots of the scoreboard for {WORKERS} workers")
    if descriptors(server.pid) > before:
        failures.append(f"the master had {before} descriptors and has {descriptors(server.pid)}")
    if lost > 64 * len(fleet.killed):
        failures.append("more losses than the killed could have had")
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--loop", default="auto")
    parser.add_argument("--seed", type=int, default=7692)
    options = parser.parse_args()
    print("compiled" if IS_COMPILED else "pure", flush=True)
    port = free_port()
    config = f"gasgi_metrics_bind = '127.0.0.1:{port}'\n"
    with (
        tempfile.TemporaryDirectory() as scratch,
        start_gunicorn(Path(scratch), "tests.soak.app:app", *OPTIONS, loop=options.loop, config=config) as server,
    ):
        server.wait_for_workers(WORKERS)
        failures = soak(server, port, options.seconds, options.seed)
        errors = [line for line in server.log.splitlines() if "Traceback" in line or "Error" in line]
        for line, count in collections.Counter(failures + errors).most_common(20):
            print(f"{count} × {line}")
        if failures:
            print(server.log[-10_000:])
        server.stop()
    return int(bool(failures or errors))


if __name__ == "__main__":
    sys.exit(main())
