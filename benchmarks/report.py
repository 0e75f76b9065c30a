"""Make a page of tables and charts from a results file of run.py: RESULTS.md, RESULTS-cpu.svg, RESULTS-ramp.svg."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.load import HERE
from harness.measure import ratio
from harness.svg import COLOURS, draw_bars, draw_lines
from harness.targets import AGAINST, TARGETS
from harness.workloads import WORKLOADS

RESULTS = HERE / "results"
SUBJECT = "gasgi"
FLAT = 1.3  # the dearest step of the ramp against the cheapest, up to which the cost counts as flat
COLOUR_OF = {
    "gasgi": COLOURS[0],
    "gasgi-pure": COLOURS[1],
    "gasgi-asyncio": COLOURS[2],
    "granian": COLOURS[3],
    "granian-experimental": COLOURS[4],
    "uvicorn": COLOURS[5],
    "uvicorn-worker": COLOURS[6],
    "gunicorn": COLOURS[7],
    "hypercorn": COLOURS[8],
}

Found = dict[str, Any]


def main() -> int:
    """Write the page and its charts beside the results file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="?", help="a results file (default: the newest)")
    chosen = parser.parse_args()
    path = Path(chosen.results) if chosen.results else _find_newest()
    results = json.loads(path.read_text())
    page = "\n\n".join(part for part in _make_parts(results, path.stem) if part) + "\n"
    path.with_suffix(".md").write_text(page)
    for name, chart in _draw_charts(results).items():
        path.with_name(f"{path.stem}-{name}.svg").write_text(chart)
    print(page)
    return 0


def _find_newest() -> Path:
    # By the date in the file, not in its name: two runs of a day differ in their commits, which have no order.
    files = {json.loads(path.read_text())["date"]: path for path in RESULTS.glob("*.json")}
    if not files:
        raise SystemExit("no results yet: python benchmarks/run.py")
    return files[max(files)]


def _make_parts(results: Found, stem: str) -> list[str]:
    workloads = {name: results["workloads"][name] for name in WORKLOADS if name in results["workloads"]}
    return [
        f"# Results of {results['date'][:10]}, commit {results['commit']}",
        _describe(results),
        *(_workload_parts(workloads, stem) if workloads else []),
        *_extra_parts(results.get("extra"), stem, workloads),
        _list_refusals(results),
    ]


def _workload_parts(workloads: dict[str, Found], stem: str) -> list[str]:
    return [
        "## CPU time per answer of gasgi against …",
        "gasgi's cost divided by the other's, and the target in brackets. Below 1 gasgi is cheaper.",
        _ratio_table(workloads),
        _count_targets(workloads),
        "## CPU time per answer, µs",
        f"![CPU time per answer]({stem}-cpu.svg)",
        _figure_table(workloads, "cpu_us", lambda value: f"{value:.1f}"),
        "## Answers a second, all of one core",
        _figure_table(workloads, "per_second", lambda value: f"{value:,.0f}"),
        "## Latency p50 / p99 under full load, ms",
        _latency_table(workloads),
        "## Memory after the load, MiB (PSS of the tree)",
        _figure_table(workloads, "pss_kib", lambda value: f"{value / 1024:.1f}"),
    ]


def _describe(results: Found) -> str:
    machine, settings = results["machine"], results["settings"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    load = machine["load_before"][0]
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['kernel']}; load average before {load:.1f}."
        f" {settings['rounds']} rounds of {settings['seconds']} s, server and load on cores {settings['cores']}"
        f"{_describe_distance(results['workloads'])}.\n\n"
        f"{versions}."
    )


def _describe_distance(workloads: Found) -> str:
    """Say how long a cache line took from one core to the other and back, in the turns that count."""
    turns = [turn for found in workloads.values() for each in found["rounds"].values() for turn in each]
    found = sorted(turn["distance_ns"] for turn in turns if turn.get("distance_ns"))
    if not found:
        return ""
    return f", a cache line {found[0]:.0f} to {found[-1]:.0f} ns there and back (median {found[len(found) // 2]:.0f})"


def _ratio_table(workloads: dict[str, Found]) -> str:
    rows = [
        [found["title"], *(_judge_ratio(name, found, peer) for peer in AGAINST)]
        for name, found in workloads.items()
        if SUBJECT in found["rounds"]
    ]
    return _table(["workload", *AGAINST], rows)


def _judge_ratio(name: str, found: Found, peer: str) -> str:
    target = TARGETS[name][AGAINST.index(peer)]
    if peer not in found["rounds"]:
        return "refused" if peer in found["failed"] else "–"
    value = ratio(found["rounds"], SUBJECT, peer)
    if target is None:
        return f"{value:.2f}"
    return f"{value:.2f} (≤ {target:g}) " + ("met" if value <= target else "**missed**")


def _count_targets(workloads: dict[str, Found]) -> str:
    met = missed = 0
    for name, found in workloads.items():
        for peer in AGAINST if SUBJECT in found["rounds"] else ():
            target = TARGETS[name][AGAINST.index(peer)]
            if target is not None and peer in found["rounds"]:
                met, missed = (met + 1, missed) if _is_met(found, peer, target) else (met, missed + 1)
    return f"{met} of {met + missed} targets met." if met + missed else ""


def _is_met(found: Found, peer: str, target: float) -> bool:
    return ratio(found["rounds"], SUBJECT, peer) <= target


def _figure_table(workloads: dict[str, Found], key: str, show: Callable[[float], str]) -> str:
    servers = _list_servers(workloads)
    rows = [
        [found["title"], *(show(found["summary"][name][key]) if name in found["summary"] else "–" for name in servers)]
        for found in workloads.values()
    ]
    return _table(["workload", *servers], rows)


def _latency_table(workloads: dict[str, Found]) -> str:
    servers = [name for name in _list_servers(workloads) if not name.startswith("floor")]
    rows = []
    for found in workloads.values():
        cells = [found["title"]]
        for name in servers:
            figures = found["summary"].get(name)
            # wrk takes no latencies of pipelined answers.
            is_known = figures and figures["p99_us"]
            cells.append(f"{figures['p50_us'] / 1000:.2f} / {figures['p99_us'] / 1000:.2f}" if is_known else "–")
        rows.append(cells)
    return _table(["workload", *servers], rows)


def _extra_parts(extra: Found | None, stem: str, workloads: dict[str, Found]) -> list[str]:
    parts = []
    promises = _judge_promises(extra or {"ramp": {}, "paced": {}, "idle": {}}, workloads)
    if promises:
        parts += ["## The other promises", _table(["promise", "measured", ""], promises)]
    if not extra:
        return parts
    steps = sorted(next(iter(extra["ramp"].values()), {}), key=int)
    rates = sorted(next(iter(extra["paced"].values()), {}), key=int, reverse=True)
    return [
        *parts,
        "## CPU µs per answer by number of connections (hello; opening them left out)",
        f"![cost by connections]({stem}-ramp.svg)",
        _table(
            ["server", *(f"{int(step):,}" for step in steps)],
            [[name, *(_show_cost(found[step]) for step in steps)] for name, found in extra["ramp"].items()],
        ),
        "## Latency at equal load: hello, 64 connections, a pause before each request; p50 / p99, ms",
        _table(
            ["server", *(f"pause {rate} ms" for rate in rates)],
            [[name, *(_show_paced(found[rate]) for rate in rates)] for name, found in extra["paced"].items()],
        ),
        "## Memory of idle connections",
        _table(
            ["server", "without them, MiB (PSS)", "for 1,000 more, MiB"],
            [
                [name, f"{found['pss_kib_before'] / 1024:.1f}", f"{found['kib_per_connection'] * 1000 / 1024:.1f}"]
                for name, found in extra["idle"].items()
            ],
        ),
    ]


def _show_cost(cost: float | None) -> str:
    return "–" if cost is None else f"{cost:.1f}"


def _show_paced(found: Found) -> str:
    return f"{found['p50_us'] / 1000:.2f} / {found['p99_us'] / 1000:.2f} at {found['per_second']:,}/s"


def _judge_promises(extra: Found, workloads: dict[str, Found]) -> list[list[str]]:
    rows = []

    def add(promise: str, measured: str, is_met: bool) -> None:
        rows.append([promise, measured, "met" if is_met else "**missed**"])

    for name in ("hello", "headers"):
        rounds = workloads.get(name, {}).get("rounds", {})
        if "gasgi-pure" in rounds and "uvicorn" in rounds:
            value = ratio(rounds, "gasgi-pure", "uvicorn")
            add(f"pure Python no dearer than uvicorn: {WORKLOADS[name].title}", f"{value:.2f}", value <= 1)
    ramp = extra["ramp"].get(SUBJECT)
    if ramp and None not in ramp.values():
        spread = max(ramp.values()) / min(ramp.values())
        steps = f"{min(map(int, ramp)):,} to {max(map(int, ramp)):,} connections"
        add(f"cost flat from {steps} (dearest / cheapest ≤ {FLAT})", f"{spread:.2f}", spread <= FLAT)
    paced = extra["paced"]
    if SUBJECT in paced and "granian" in paced:
        for pause, found in paced[SUBJECT].items():
            mine, theirs = found["p99_us"] / 1000, paced["granian"][pause]["p99_us"] / 1000
            add(f"p99 no worse than granian's, pause {pause} ms", f"{mine:.2f} ms, {theirs:.2f} ms", mine <= theirs)
    idle = extra["idle"]
    # Both are a gunicorn master and one worker; uvicorn alone has no master to count.
    if SUBJECT in idle and "uvicorn-worker" in idle:
        for key, text, scale in (
            ("pss_kib_before", "memory", 1024),
            ("kib_per_connection", "1,000 idle connections", 1.024),
        ):
            mine, theirs = idle[SUBJECT][key] / scale, idle["uvicorn-worker"][key] / scale
            add(f"{text} no more than uvicorn-worker's", f"{mine:.1f} MiB, {theirs:.1f} MiB", mine <= theirs)
    return rows


def _list_refusals(results: Found) -> str:
    lines = [
        f"- {server}, {found['title']}: {why.splitlines()[0]}"
        for found in results["workloads"].values()
        for server, why in found["failed"].items()
    ]
    lines += [f"- {what}: {why.splitlines()[0]}" for what, why in results.get("extra", {}).get("failed", {}).items()]
    return "## Refused: errors in the run, so no numbers\n\n" + "\n".join(lines) if lines else ""


def _draw_charts(results: Found) -> dict[str, str]:
    groups = []
    for name in WORKLOADS:
        summary = results["workloads"].get(name, {}).get("summary")
        if summary:
            bars = [(server, found["cpu_us"], COLOUR_OF.get(server, COLOURS[9])) for server, found in summary.items()]
            groups.append((WORKLOADS[name].title, sorted(bars, key=lambda bar: bar[1])))
    charts = {}
    if groups:
        charts["cpu"] = draw_bars("CPU time per answer (shorter is better)", groups, "µs")
    ramp = results.get("extra", {}).get("ramp")
    if ramp:
        # hypercorn's cost would squeeze all others into one line at the bottom; the table has it.
        series = [
            (
                name,
                sorted((float(step), value) for step, value in found.items() if value is not None),
                COLOUR_OF.get(name, COLOURS[9]),
            )
            for name, found in ramp.items()
            if name != "hypercorn" and any(found.values())
        ]
        charts["ramp"] = draw_lines("CPU µs per answer by connections", series, "connections", "µs per answer")
    return charts


def _list_servers(workloads: dict[str, Found]) -> list[str]:
    return list(dict.fromkeys(name for found in workloads.values() for name in found["summary"]))


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
