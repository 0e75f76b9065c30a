"""Measure gasgi and its peers: CPU time per answer, throughput, latency and memory.

Each server has one worker on one core, the load runs on the other core, and the servers take turns. The result is a
JSON file in ``benchmarks/results``; report.py makes tables and charts of it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from harness import extra, machine
from harness.load import HERE, LoadError, needed_programs, prepare
from harness.measure import Bench, ratio, summarise
from harness.servers import DEFAULT, SERVERS, Server
from harness.servers import QUICK as QUICK_SERVERS
from harness.workloads import GROUPS, WORKLOADS, Workload
from harness.workloads import QUICK as QUICK_WORKLOADS


def main() -> int:
    """Run what the command line asks for and write one results file."""
    chosen = _read_arguments()
    # The servers are in sessions of their own: somebody has to end them when this is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    cores = choose_cores(chosen.cores)
    workloads = choose_workloads(chosen.only or (QUICK_WORKLOADS if chosen.quick else list(GROUPS)))
    workloads = workloads if not chosen.extra_only else []
    servers = choose_servers(chosen.servers, QUICK_SERVERS if chosen.quick else DEFAULT)
    rounds = chosen.rounds or (3 if chosen.quick else 5)
    duration_s = chosen.seconds or 1
    try:
        needs_websocket = any(workload.is_websocket for workload in workloads)
        certificate, key = prepare(needs_websocket, needed_programs(workloads))
    except LoadError as exc:
        print(exc, file=sys.stderr)
        return 2
    bench = Bench(cores, duration_s, 1.0, certificate, key, lambda text: print(text, flush=True))
    results = {
        **machine.describe(),
        "settings": {"rounds": rounds, "seconds": duration_s, "cores": cores, "quick": chosen.quick},
        "workloads": {},
    }
    path = Path(chosen.output) if chosen.output else _name_results(results["date"], results["commit"])
    started = time.monotonic()
    for workload in workloads:
        print(f"{workload.title} ({workload.name}), {rounds} rounds of {duration_s:g} s", flush=True)
        found = bench.compare(workload, [server for server in servers if server.serves(workload)], rounds)
        found["summary"] = summarise(found["rounds"])
        found["title"] = workload.title
        results["workloads"][workload.name] = found
        _print_summary(found)
        _write(path, results)
    if chosen.extra or chosen.extra_only:
        results["extra"] = extra.measure(bench, servers)
        _write(path, results)
    print(f"{time.monotonic() - started:.0f} s; written to {path}")
    failed = [f"{name}: {why}" for name, found in results["workloads"].items() for why in found["failed"]]
    if failed:
        print("refused (errors in the run): " + ", ".join(failed), file=sys.stderr)
    return 1 if failed else 0


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="five workloads, seven servers, about three minutes")
    names = [*GROUPS, *WORKLOADS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="WORKLOAD", help=", ".join(names))
    parser.add_argument("--servers", nargs="+", choices=list(SERVERS), metavar="SERVER", help=", ".join(SERVERS))
    parser.add_argument("--rounds", type=int, help="turns of each server (5; quick: 3)")
    parser.add_argument("--seconds", type=int, help="length of one turn, whole seconds (1)")
    parser.add_argument("--cores", help="SERVER,LOAD core numbers, or 'none' (default: the first two allowed)")
    parser.add_argument("--extra", action="store_true", help="also cost per request from 1 to 10,000 connections, ...")
    parser.add_argument("--extra-only", action="store_true", help="nothing but the extra measurements")
    parser.add_argument("--output", help="the results file (default: benchmarks/results/DATE-COMMIT.json)")
    return parser.parse_args()


def choose_workloads(names: list[str]) -> list[Workload]:
    """The workloads of ``names``, each once; a name may be that of a group."""
    each = dict.fromkeys(one for name in names for one in GROUPS.get(name, [name]))
    return [WORKLOADS[name] for name in each]


def choose_servers(named: list[str] | None, usual: list[str]) -> list[Server]:
    """The servers that were named, or the usual ones as far as they are installed."""
    if named:
        return [SERVERS[name] for name in named]
    servers = [SERVERS[name] for name in usual]
    lacking = [server for server in servers if server.distribution and not machine.version(server.distribution)]
    for server in lacking:
        print(f"without {server.name}: {server.distribution} is not installed", flush=True)
    return [server for server in servers if server not in lacking]


def choose_cores(words: str | None) -> tuple[int | None, int | None]:
    """The server's and the load's core; None where there is nothing to choose."""
    if words == "none" or not hasattr(os, "sched_getaffinity"):
        return (None, None)
    if words:
        server, load = (int(word) for word in words.split(","))
        return (server, load)
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else (None, None)


def _name_results(date: str, commit: str) -> Path:
    return HERE / "results" / f"{date[:10]}-{commit}.json"


def _write(path: Path, results: dict[str, object]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


def _print_summary(found: dict[str, Any]) -> None:
    """One line per server, cheapest first, with the first server of the list as the measure of the others."""
    first = next(iter(found["summary"]), "")
    for name, figures in sorted(found["summary"].items(), key=lambda item: item[1]["cpu_us"]):
        spread = f"({figures['cpu_us_min']:.1f} to {figures['cpu_us_max']:.1f})"
        print(
            f"  {name:<24} {figures['cpu_us']:8.1f} µs/answer {spread:<18} {ratio(found['rounds'], first, name):6.2f}"
            f"  {figures['user_us']:.1f} user + {figures['system_us']:.1f} system"
            f" {figures['per_second']:9.0f}/s  p99 {figures['p99_us'] / 1000:7.2f} ms"
            f"  {figures['pss_kib'] / 1024:6.1f} MiB",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
