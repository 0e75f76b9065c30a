"""Write the chart and the table of README.md from the newest committed results of the benchmarks.

    python scripts/readme_results.py

Numbers come from benchmarks/results/ only; without results the part says so.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "benchmarks")]

from harness.measure import ratio  # noqa: E402
from harness.svg import COLOURS, draw_bars  # noqa: E402

README = ROOT / "README.md"
CHART = ROOT / "docs" / "readme.svg"
RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- begin: scripts/readme_results.py -->", "<!-- end: scripts/readme_results.py -->"
# Those where gasgi is dearer than a peer belong in it.
SHOWN = ("hello", "headers", "fastapi", "post-64kib", "ws-1kib", "tls", "connect", "h2-10x10")
SERVERS = ("gasgi", "granian", "peregrine", "h2corn", "uvicorn", "uvicorn-worker", "hypercorn", "gunicorn")
VERSIONS = ("python", "gunicorn", "granian", "peregrine-server", "h2corn", "uvicorn", "hypercorn")
NAMES = {"gunicorn": "gunicorn's own worker"}


def newest() -> dict[str, Any] | None:
    """Return the newest results that measured gasgi."""
    files = [json.loads(path.read_text()) for path in RESULTS.glob("*.json")]
    whole = [found for found in files if "gasgi" in found.get("workloads", {}).get("hello", {}).get("summary", {})]
    return max(whole, key=lambda found: found["date"], default=None)


def chosen(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the workloads that the table shows."""
    return [results["workloads"][name] for name in SHOWN if name in results["workloads"]]


def part() -> str:
    """Return what stands between the marks."""
    results = newest()
    if results is None:
        return "No results are committed yet; `make bench` measures."
    servers = [name for name in SERVERS if any(name in found["summary"] for found in chosen(results))]
    lines = [["CPU time per answer, µs", *(NAMES.get(name, name) for name in servers)]]
    lines.append(["---", *["---:"] * len(servers)])
    lines += [[found["title"], *(cell(found, name) for name in servers)] for found in chosen(results)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    machine, versions = results["machine"], results["versions"]
    named = [name for name in VERSIONS if name in versions]
    source = (
        f"One worker on one core, {machine['processor']}, {results['date'][:10]}, commit {results['commit']}; "
        + ", ".join(f"{name} {versions[name]}" for name in named)
        + ". The least in bold; in brackets gasgi's cost against it, the median over the rounds."
    )
    return f"![CPU time per answer](docs/readme.svg)\n\n{table}\n\n{source}"


def cell(found: dict[str, Any], name: str) -> str:
    """The figure of one server, and how gasgi compares with it."""
    if name not in found["summary"]:
        return "errors" if name in found["failed"] else "–"
    costs = {shown: found["summary"][shown]["cpu_us"] for shown in SERVERS if shown in found["summary"]}
    figure = f"{costs[name]:.1f}"
    if costs[name] == min(costs.values()):
        figure = f"**{figure}**"
    if name == "gasgi" or "gasgi" not in found["rounds"]:
        return figure
    return f"{figure} ({ratio(found['rounds'], 'gasgi', name):.2f})"


def chart() -> str | None:
    """Return the chart, None without results."""
    results = newest()
    if results is None:
        return None
    groups = []
    for found in chosen(results)[:3]:
        bars = [
            (NAMES.get(name, name), found["summary"][name]["cpu_us"], COLOURS[0] if name == "gasgi" else COLOURS[8])
            for name in SERVERS
            if name in found["summary"]
        ]
        groups.append((found["title"], sorted(bars, key=lambda bar: bar[1])))
    return draw_bars("CPU time per answer, shorter is better", groups, "µs")


def written() -> str:
    """Return what the README has between the marks."""
    return README.read_text().split(BEGIN)[1].split(END)[0].strip()


def main() -> None:
    """Write both."""
    before, _, rest = README.read_text().partition(BEGIN)
    README.write_text(f"{before}{BEGIN}\n{part()}\n{END}{rest.partition(END)[2]}")
    drawn = chart()
    if drawn is not None:
        CHART.write_text(drawn)


if __name__ == "__main__":
    main()
