"""What readers of the documentation want of the benchmarks: results without our own targets, and what options cost."""

from __future__ import annotations

import re
from statistics import median
from typing import Any

__all__ = ["for_readers", "option_costs"]

TARGET = re.compile(r" \(≤ [^)]*\) (?:met|\*\*missed\*\*)")
# About the targets alone.
SECTION = re.compile(r"^## The other promises\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
COUNT = re.compile(r"^\d+ of \d+ targets met\.\n\n?", re.MULTILINE)
# Variants that are measured to decide something about gasgi.
VARIANT = re.compile(r"floor-.+|gasgi-asyncio|granian-experimental")
EMPTY = frozenset({"–", ""})
# What is switched on; the experiment, its variant without, its variant with; the section of the tuning guide.
OPTIONS = (
    ("TLS, connections kept", "tls", "plain", "TLS, kept", "is-it-tls"),
    ("TLS, a handshake for each request", "tls", "plain", "TLS, --keep-alive 0", "is-it-tls"),
    ("a new connection for each request", "keepalive", "--keep-alive 75", "--keep-alive 0", "are-connections-kept"),
    ("`--access-logfile`, a file", "log", "no log", "access log to a file", "is-it-the-log"),
    ("`gasgi_slow_loop_ms = 100`", "watch", "off", "gasgi_slow_loop_ms = 100", "is-the-loop-blocked"),
    ("`--asgi-loop asyncio`", "loop", "uvloop", "asyncio", "is-the-loop-the-fast-one"),
)


def for_readers(report: str) -> str:
    """Return the report without targets and without variants of a server."""
    report = COUNT.sub("", SECTION.sub("", TARGET.sub("", report)))
    report = report.replace(", and the target in brackets. Below", ". Below")
    return re.sub(r"(?:^\|.*\n)+", _narrow, report, flags=re.MULTILINE)


def _narrow(match: re.Match[str]) -> str:
    """Leave out variants, and give HTTP/2, which other servers speak, a table of its own."""
    head, rule, *rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in match[0].splitlines()]
    rows = [row for row in rows if not VARIANT.fullmatch(row[0])]
    tables = []
    for part in ([row for row in rows if row[0][:6] != "HTTP/2"], [row for row in rows if row[0][:6] == "HTTP/2"]):
        kept = [
            number
            for number, title in enumerate(head)
            if not VARIANT.fullmatch(title) and not (number and all(row[number] in EMPTY for row in part))
        ]
        lines = [[row[number] for number in kept] for row in (head, rule, *part)]
        if part:
            tables.append("".join("| " + " | ".join(line) + " |\n" for line in lines))
    return "\n".join(tables)


def option_costs(results: dict[str, Any]) -> str:
    """Return the table of what options cost, from the results of the tuning guide's experiments."""
    lines = ["| | CPU time per answer without, µs | with, µs | |", "| --- | ---: | ---: | --- |"]
    for title, name, without, switched_on, section in OPTIONS:
        found = results[name]["rounds"]
        before, after = (median(turn["cpu_us"] for turn in found[variant]) for variant in (without, switched_on))
        lines.append(f"| {title} | {before:.1f} | {after:.1f} | [more](tuning.md#{section}) |")
    machine, date = results["tls"]["machine"], results["tls"]["date"][:10]
    source = f"<small>{machine['processor']}, {machine['cores']} cores, {date}; the median of the rounds.</small>"
    return "\n".join(lines) + "\n\n" + source
