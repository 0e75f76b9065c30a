"""Draw the panels of examples/monitoring/grafana.json from a real run: docs/monitoring.svg.

Four workers of examples/slow under a load that rises, with endpoints that block and are refused, a worker that is
killed and a reload. A real Prometheus scrapes them every second and answers the dashboard's own expressions. The
drawing is this script's, not Grafana's. Needs prometheus and wrk.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from harness.load import HERE  # noqa: E402
from harness.panels import Panel, draw_panels  # noqa: E402

from tests.support.gunicorn import Gunicorn, free_port, start_gunicorn  # noqa: E402
from tests.support.prometheus import Prometheus, run_prometheus  # noqa: E402

MONITORING = ROOT / "examples" / "monitoring"
PICTURE = ROOT / "docs" / "monitoring.svg"
SECONDS = 180.0
STEP_S = 2
OPTIONS = ("--workers", "4", "--worker-connections", "40", "--backlog", "64")
# What Grafana puts in for its variables.
VARIABLES = {"$job": "app", "$__rate_interval": "10s"}


def wrk(server: Gunicorn, path: str, connections: int, pause_ms: int, seconds: int) -> subprocess.Popen[bytes]:
    """Begin a load with a pause before each request of a connection."""
    host, port = server.address
    command = ["wrk", "-t1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "20s", "--script"]
    command += ["wrk/paced.lua", f"http://{host}:{port}{path}", "--", str(pause_ms)]
    return subprocess.Popen(command, cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def load(server: Gunicorn) -> None:
    """Keep the server busy for SECONDS; each line says when it begins."""
    began = time.monotonic()
    loads = [wrk(server, "/rows", 20, 100, 175)]
    plan: list[tuple[int, Any]] = [
        (30, lambda: wrk(server, "/query?ms=50", 24, 50, 110)),
        (60, lambda: wrk(server, "/blocking?ms=150", 1, 800, 30)),
        (100, lambda: os.kill(server.workers()[0], signal.SIGKILL)),
        (120, lambda: server.signal(signal.SIGHUP)),
        (140, lambda: wrk(server, "/waiting?ms=200", 220, 50, 20)),
        (165, lambda: wrk(server, "/missing", 4, 100, 10)),
    ]
    for at, act in plan:
        time.sleep(max(0.0, began + at - time.monotonic()))
        begun = act()
        if begun is not None:
            loads.append(begun)
    time.sleep(max(0.0, began + SECONDS - time.monotonic()))
    for each in loads:
        each.wait()


def ask(prometheus: Prometheus, expression: str, end: float) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
    """Return labels and points of every series over the run that ends at ``end`` (seconds since the epoch)."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    begin = end - SECONDS
    found = prometheus.call(
        "/api/v1/query_range", query=expression, start=f"{begin:.0f}", end=f"{end:.0f}", step=f"{STEP_S}s"
    )
    return [
        (each["metric"], [(at - begin, float(value)) for at, value in each["values"] if value != "NaN"])
        for each in found["result"]
    ]


def write_value(unit: str) -> Any:
    """Return what writes a value of one of Grafana's units."""
    if unit == "s":
        return lambda value: f"{value * 1000:g} ms" if value < 1 else f"{value:g} s"
    if unit in ("Bps", "binBps"):
        return lambda value: f"{value / 1000:g} kB"
    return lambda value: f"{value:g}"


def make_panel(panel: Any, prometheus: Prometheus, end: float) -> Panel:
    """Ask for every line of a panel of the dashboard."""
    made = Panel(panel["title"], write_value(panel["fieldConfig"]["defaults"].get("unit", "")))
    for target in panel["targets"]:
        for labels, points in ask(prometheus, target["expr"], end):
            if points:
                made.lines[write_legend(target["legendFormat"], labels)] = points
    return made


def write_legend(text: str, labels: dict[str, str]) -> str:
    """Put labels in for what stands between double braces."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), text)


def main() -> None:
    """Run, ask, draw."""
    dashboard = json.loads((MONITORING / "grafana.json").read_text())
    port = free_port()
    config = f"gasgi_metrics_bind = '127.0.0.1:{port}'\ngasgi_limit_concurrency = 30\n"
    config += f"chdir = {str(ROOT / 'examples' / 'slow')!r}\n"
    scrape = "global: {scrape_interval: 1s}\n" + (MONITORING / "prometheus.yml").read_text().replace("9100", str(port))
    with (
        tempfile.TemporaryDirectory() as scratch,
        start_gunicorn(Path(scratch), "main:app", *OPTIONS, config=config) as server,
        run_prometheus(scrape) as prometheus,
    ):
        server.wait_for_workers(4)
        load(server)
        end = time.time()
        panels = [make_panel(panel, prometheus, end) for panel in dashboard["panels"]]
        server.stop()
    PICTURE.write_text(
        draw_panels("The dashboard's panels, three minutes of four workers", panels, SECONDS, 2 * STEP_S)
    )


if __name__ == "__main__":
    main()
