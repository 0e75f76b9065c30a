"""Draws the results of the experiment "sharing": a picture and two tables for docs/deployment.md."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from harness.svg import COLOURS, draw_bars

from tuning.sharing import NAME, SCENARIOS, SERVERS

__all__ = ["TITLE", "draw"]

TITLE = "Four workers: connections of the busiest one, against the mean"
SHOWN = ("64 at once", "64 over a second", "64 at once, one worker blocked", "a pool of nginx", "one request for each")

Rounds = list[dict[str, float]]


def draw(results: dict[str, Any], folder: Path) -> None:
    """Write the picture and the page."""
    found: dict[str, dict[str, Rounds]] = results["rounds"]
    groups = []
    for scenario in SHOWN:
        bars = [
            (server.name, statistics.median(_ratios(found[scenario][server.name])), COLOURS[number])
            for number, server in enumerate(SERVERS)
        ]
        groups.append((scenario, bars))
    (folder / f"{NAME}.svg").write_text(draw_bars(TITLE, groups, "of the mean", digits=2))
    shares = _table(found, "connections of the busiest worker of the mean: median (worst)", _share_cell)
    times = _table(found, "first answer, ms: half of them within / 99 % within", _time_cell)
    (folder / f"{NAME}.md").write_text(f"![{TITLE}](tuning/{NAME}.svg)\n\n{shares}\n{times}\n{_source(results)}")


def _ratios(rounds: Rounds) -> list[float]:
    return [each["most"] / each["mean"] for each in rounds]


def _share_cell(rounds: Rounds) -> str:
    ratios = _ratios(rounds)
    return f"{statistics.median(ratios):.2f} ({max(ratios):.2f})"


def _time_cell(rounds: Rounds) -> str:
    p50, p99 = (statistics.median(each[name] for each in rounds) for name in ("p50_ms", "p99_ms"))
    text = f"{p50:,.1f} / {p99:,.1f}"
    unanswered = statistics.median(each.get("unanswered", 0) for each in rounds)
    return f"{text}; {unanswered:.0f} none in 3 s" if unanswered else text


def _table(found: dict[str, dict[str, Rounds]], title: str, cell: Any) -> str:
    lines = [[title, *(server.name for server in SERVERS)], ["---"] * (len(SERVERS) + 1)]
    for scenario in SCENARIOS:
        each = found[scenario]
        lines.append([scenario, *(cell(each[server.name]) if server.name in each else "" for server in SERVERS)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _source(results: dict[str, Any]) -> str:
    short = results["rounds"]["one request for each"]
    cpu = {name: statistics.median(each["cpu_us"] for each in rounds) for name, rounds in short.items()}
    pairs = zip(short["gasgi"], short["gasgi, sharing off"], strict=True)
    more = statistics.median(mine["cpu_us"] / theirs["cpu_us"] for mine, theirs in pairs)
    versions = results["versions"]
    peers = ", ".join(f"{name} {versions[name]}" for name in ("gunicorn", "uvicorn", "granian"))
    return (
        "One request for each, CPU time per answer, µs: "
        + ", ".join(f"{name} {value:.0f}" for name, value in cpu.items())
        + f"; with sharing {more:.2f} of what it is without, by round.\n\n"
        f"<small>{results['machine']['processor']}, {results['machine']['cores']} cores that the load runs on too, "
        f"load average before: {results['machine']['load_before'][0]:.0f}, these processes preferred; {peers}; commit "
        f"{results['commit']}, {results['date'][:10]}; {len(short['gasgi'])} rounds, servers in turn.</small>\n"
    )
