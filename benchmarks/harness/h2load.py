"""Command lines of h2load and nghttp (Debian's nghttp2-client), and what h2load reports. Runs nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from harness.workloads import Workload

__all__ = ["ask_command", "load_command", "read_report"]

PATIENCE_S = 10

_REQUESTS = re.compile(r"^requests: .*, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout$", re.MULTILINE)
_DATA = re.compile(r"^traffic: .*\((\d+)\) data$", re.MULTILINE)
_RATE = re.compile(r"^finished in \S+, ([\d.]+) req/s", re.MULTILINE)
_PROTOCOL = re.compile(r"^Application protocol: (\S+)$", re.MULTILINE)


def ask_command(workload: Workload, port: int, payload: Path | None) -> list[str]:
    """One request over HTTP/2, whose answer's body goes to standard output."""
    return ["nghttp", *_posting(workload, payload), _url(workload, port)]


def load_command(
    workload: Workload, port: int, connections: int, requests: int, log: Path, payload: Path | None
) -> list[str]:
    """So many requests, or one for each that may be under way, as a line of ``log`` each when they are answered.

    Not h2load's ``--duration``: its end does not count what is under way, and a connection that is made too late for
    it keeps h2load running for ever.
    """
    requests = max(requests, connections * workload.streams)
    words = ["h2load", "--threads=1", f"--clients={connections}", f"--max-concurrent-streams={workload.streams}"]
    words += [f"--requests={requests}", f"--connection-inactivity-timeout={PATIENCE_S}", f"--log-file={log}"]
    return [*words, *_posting(workload, payload), _url(workload, port)]


def read_report(report: str, log: str, is_tls: bool) -> dict[str, Any] | None:
    """The figures as the other loads give them; None when there are none.

    ``report`` has the sums, ``log`` the time of every answer: microseconds in its third column.
    """
    requests, data, rate = _REQUESTS.search(report), _DATA.search(report), _RATE.search(report)
    if not requests or not data or not rate:
        return None
    answers, failed, errored, timeout = map(int, requests.groups())
    protocols = set(_PROTOCOL.findall(report))
    times_us = sorted(int(line.split("\t")[2]) for line in log.splitlines())
    return {
        "answers": answers,
        "bytes": int(data[1]),
        "duration_us": answers / float(rate[1]) * 1e6 if answers else 0.0,
        "p50_us": float(times_us[len(times_us) // 2]) if times_us else 0.0,
        "p99_us": float(times_us[len(times_us) * 99 // 100]) if times_us else 0.0,
        "errors": {
            "failed": failed,
            "errored": errored,
            "timeout": timeout,
            "protocol": int(bool(protocols - {"h2" if is_tls else "h2c"})),
        },
    }


def _posting(workload: Workload, payload: Path | None) -> list[str]:
    return [f"--data={payload}", "--header", f"content-type: {workload.payload_type}"] if payload else []


def _url(workload: Workload, port: int) -> str:
    return f"{'https' if workload.is_tls else 'http'}://127.0.0.1:{port}{workload.path}"
