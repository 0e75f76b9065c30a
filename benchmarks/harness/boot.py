"""How long a server takes to its first answer, and what another worker that waits for requests holds.

A tree of processes has its worker last: the youngest process that is there when the first answer comes.
"""

from __future__ import annotations

import http.client
import os
import statistics
import time
from pathlib import Path
from typing import Any

from harness.load import LoadError
from harness.measure import Bench, Running
from harness.servers import Server
from harness.workloads import WORKLOADS

__all__ = ["measure_boot", "read_start_tick", "settle"]

HELLO = WORKLOADS["hello"]
ROUNDS = 7
DEADLINE_S = 30.0
ASK_AGAIN_S = 0.002
WORKERS = (2, 5)  # a server may have another process as soon as it has more than one worker
LOOK_AGAIN_S = 0.25
LOOKS_ALIKE = 4
ALIKE = 0.005


def measure_boot(bench: Bench, server: Server) -> dict[str, float]:
    """Milliseconds from the command and from the birth of the worker to an answer, CPU ms of that, KiB per worker."""
    boots = [_boot(bench, server) for _ in range(ROUNDS)]
    few, many = (_hold(bench, server, workers) for workers in WORKERS)
    return {
        **{key: round(statistics.median(boot[key] for boot in boots), 1) for key in boots[0]},
        "kib_per_worker": round((many - few) / (WORKERS[1] - WORKERS[0])),
    }


def _boot(bench: Bench, server: Server) -> dict[str, float]:
    began = time.monotonic()
    with bench.started(server, HELLO) as running:
        _wait_for_answer(running)
        answered = time.monotonic()
        now_tick = time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")
        born = max(read_start_tick(Path(f"/proc/{pid}/stat").read_text()) for pid in running.tree.pids())
        return {
            "first_answer_ms": (answered - began) * 1000,
            # The kernel gives the birth of a process in hundredths of a second.
            "worker_ms": (now_tick - born) / os.sysconf("SC_CLK_TCK") * 1000,
            "cpu_ms": running.tree.cpu_ns() / 1e6,
        }


def _wait_for_answer(running: Running) -> None:
    """Ask until a request is answered: a master may listen before its worker is there."""
    give_up_at = time.monotonic() + DEADLINE_S
    while time.monotonic() < give_up_at:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=DEADLINE_S)
        try:
            connection.request("GET", HELLO.path)
            if connection.getresponse().read() == HELLO.body:
                return
        except (OSError, http.client.HTTPException):
            if not running.tree.is_alive():
                raise LoadError(f"the server ended before it answered: {running.last_output()}") from None
        finally:
            connection.close()
        time.sleep(ASK_AGAIN_S)
    raise LoadError(f"no answer within {DEADLINE_S:.0f} s: {running.last_output()}")


def _hold(bench: Bench, server: Server, workers: int) -> int:
    """KiB (PSS) of a server with ``workers`` workers when that no longer changes."""
    with bench.started(server, HELLO, workers) as running:
        _wait_for_answer(running)
        looks: list[int] = []
        give_up_at = time.monotonic() + DEADLINE_S
        while not settle(looks):
            if time.monotonic() > give_up_at:
                raise LoadError(f"memory with {workers} workers does not settle: {looks[-LOOKS_ALIKE:]} KiB")
            time.sleep(LOOK_AGAIN_S)
            looks.append(running.tree.memory_kib()[0])
        return looks[-1]


def settle(looks: list[int]) -> bool:
    """Whether the last looks saw the same, give or take half a percent."""
    last: Any = looks[-LOOKS_ALIKE:]
    return len(last) == LOOKS_ALIKE and max(last) - min(last) <= ALIKE * max(last)


def read_start_tick(stat: str) -> int:
    """When a process began, in ticks since the machine did, out of the text of /proc/PID/stat (field 22)."""
    return int(stat.rpartition(")")[2].split()[19])
