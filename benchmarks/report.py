"""Make tables and charts of a results file of run.py: RESULTS.md, RESULTS.csv, RESULTS-cpu.svg, RESULTS-ramp.svg."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.load import HERE
from harness.measure import ratio
from harness.promises import SUBJECT, count_targets, find_cheapest, judge_promises, judge_ratio
from harness.svg import COLOURS, draw_bars, draw_lines
from harness.targets import AGAINST, AGAINST_HTTP2
from harness.workloads import WORKLOADS

RESULTS = HERE / "results"
COLOUR_OF = {
    "gasgi": COLOURS[0],
    "gasgi-pure": COLOURS[1],
    "gasgi-asyncio": COLOURS[2],
    "granian": COLOURS[3],
    "peregrine": COLOURS[10],
    "h2corn": COLOURS[11],
    "uvicorn-zttp": COLOURS[12],
    "granian-experimental": COLOURS[4],
    "uvicorn": COLOURS[5],
    "uvicorn-worker": COLOURS[6],
    "gunicorn": COLOURS[7],
    "hypercorn": COLOURS[8],
}

FIGURES = ["cpu_us", "user_us", "system_us", "per_second", "p50_us", "p99_us", "pss_kib", "rss_kib"]

Found = dict[str, Any]


def main() -> int:
    """Write the page and its charts beside the results file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="?", help="a results file (default: the newest)")
    chosen = parser.parse_args()
    path = Path(chosen.results) if chosen.results else _find_newest()
    results = json.loads(path.read_text())
    page = "\n\n".join(part for part in make_parts(results, path.stem) if part) + "\n"
    path.with_suffix(".md").write_text(page)
    with path.with_suffix(".csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(list_figures(results["workloads"]))
    for name, chart in draw_charts(results).items():
        path.with_name(f"{path.stem}-{name}.svg").write_text(chart)
    print(page)
    return 0


def list_figures(workloads: Found) -> list[list[str]]:
    """A line for each server and workload under a line of names; "refused" where there are no figures for errors."""
    lines = [["workload", "server", *FIGURES, "gasgi against it"]]
    for name, found in workloads.items():
        for server, figures in found["summary"].items():
            compared = f"{ratio(found['rounds'], SUBJECT, server):.3f}" if SUBJECT in found["rounds"] else ""
            lines.append(
                [name, server, *(f"{figures[key]:.2f}" if key in figures else "" for key in FIGURES), compared]
            )
        lines += [[name, server, "refused", *[""] * len(FIGURES)] for server in found["failed"]]
    return lines


def _find_newest() -> Path:
    # By the date in the file, not in its name: two runs of a day differ in their commits, which have no order.
    files = {json.loads(path.read_text())["date"]: path for path in RESULTS.glob("*.json")}
    if not files:
        raise SystemExit("no results yet: python benchmarks/run.py")
    return files[max(files)]


def make_parts(results: Found, stem: str) -> list[str]:
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
        *_ratio_tables(workloads),
        count_targets(workloads),
        "## CPU time per answer, µs",
        f"![CPU time per answer]({stem}-cpu.svg)",
        _figure_table(workloads, "cpu_us", lambda value: f"{value:.1f}"),
        *_mode_parts(workloads),
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


def _ratio_tables(workloads: dict[str, Found]) -> list[str]:
    """One table for HTTP/2, whose peers are others, and one for the rest."""
    tables = []
    for is_http2, peers in ((False, AGAINST), (True, AGAINST_HTTP2)):
        chosen = {
            name: found
            for name, found in workloads.items()
            if WORKLOADS[name].is_http2 == is_http2 and SUBJECT in found["rounds"]
        }
        measured = [
            peer for peer in peers if any(peer in {**one["rounds"], **one["failed"]} for one in chosen.values())
        ]
        rows = [
            [found["title"], *(judge_ratio(name, found, peer) for peer in measured), _against_cheapest(found)]
            for name, found in chosen.items()
        ]
        tables += [_table(["workload", *measured, "the cheapest peer"], rows)] if rows else []
    return tables


def _against_cheapest(found: Found) -> str:
    cheapest = find_cheapest(found)
    return "–" if cheapest is None else f"{ratio(found['rounds'], SUBJECT, cheapest):.2f} ({cheapest})"


def _figure_table(workloads: dict[str, Found], key: str, show: Callable[[float], str]) -> str:
    servers = _list_servers(workloads)
    rows = [
        [found["title"], *(show(found["summary"][name][key]) if name in found["summary"] else "–" for name in servers)]
        for found in workloads.values()
    ]
    return _table(["workload", *servers], rows)


def _mode_parts(workloads: dict[str, Found]) -> list[str]:
    if not any("user_us" in figures for found in workloads.values() for figures in found["summary"].values()):
        return []  # results of before this was measured
    servers = _list_servers(workloads)
    rows = [
        [found["title"], *(_show_modes(found["summary"].get(name, {})) for name in servers)]
        for found in workloads.values()
    ]
    return ["## User + system time per answer, µs", _table(["workload", *servers], rows)]


def _show_modes(figures: Found) -> str:
    return f"{figures['user_us']:.1f} + {figures['system_us']:.1f}" if "user_us" in figures else "–"


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
    promises = judge_promises(extra or {}, workloads)
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
        *_boot_parts(extra.get("boot")),
    ]


def _boot_parts(boot: Found | None) -> list[str]:
    if not boot:
        return []
    rows = [
        [
            name,
            f"{found['first_answer_ms']:.0f}",
            f"{found['worker_ms']:.0f}",
            f"{found['cpu_ms']:.0f}",
            f"{found['kib_per_worker'] / 1024:.1f}",
        ]
        for name, found in boot.items()
    ]
    head = ["server", "command to answer, ms", "worker's birth to answer, ms", "CPU time till then, ms"]
    return ["## Boot, and memory of a worker", _table([*head, "each worker more, MiB (PSS)"], rows)]


def _show_cost(cost: float | None) -> str:
    return "–" if cost is None else f"{cost:.1f}"


def _show_paced(found: Found) -> str:
    return f"{found['p50_us'] / 1000:.2f} / {found['p99_us'] / 1000:.2f} at {found['per_second']:,}/s"


def _list_refusals(results: Found) -> str:
    lines = [
        f"- {server}, {found['title']}: {why.splitlines()[0]}"
        for found in results["workloads"].values()
        for server, why in found["failed"].items()
    ]
    lines += [f"- {what}: {why.splitlines()[0]}" for what, why in results.get("extra", {}).get("failed", {}).items()]
    return "## Refused: errors in the run, so no numbers\n\n" + "\n".join(lines) if lines else ""


def draw_charts(results: Found) -> dict[str, str]:
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
