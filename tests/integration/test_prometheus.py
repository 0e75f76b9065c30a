"""A real Prometheus scrapes real workers with the examples' configuration, and answers what the dashboard asks for."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.support.gunicorn import DEADLINE_S, Gunicorn, free_port, wait_until
from tests.support.prometheus import Prometheus, run_prometheus

pytestmark = pytest.mark.needs_program("prometheus")

APP = "tests.integration.apps:app"
ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "examples" / "monitoring"
PORT = "9100"  # of the examples
SCRAPE_EVERY = "200ms"
# What Grafana puts in for its variables.
VARIABLES = {"$job": "app", "$__rate_interval": "1m"}
# Nothing to draw while nothing is refused.
MAY_BE_EMPTY = "gasgi_refusals_total"


@pytest.fixture
def metrics_port() -> int:
    return free_port()


@pytest.fixture
def server(start, metrics_port) -> Gunicorn:
    server: Gunicorn = start(APP, config=f"gasgi_metrics_bind = '127.0.0.1:{metrics_port}'\n", workers=3)
    return server


@pytest.fixture
def prometheus(server, metrics_port):
    """A Prometheus with the configuration of the examples, but for the port and how often it asks."""
    config = (MONITORING / "prometheus.yml").read_text()
    assert config.count(PORT) == 2
    often = f"global: {{scrape_interval: {SCRAPE_EVERY}, scrape_timeout: {SCRAPE_EVERY}}}\n"
    with run_prometheus(often + config.replace(PORT, str(metrics_port))) as running:
        yield running


def ask(server: Gunicorn, count: int) -> None:
    for _ in range(count):
        with socket.create_connection(server.address, timeout=DEADLINE_S) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
            while client.recv(65536):
                pass


def wait_for(prometheus: Prometheus, expression: str, value: float) -> None:
    wait_until(lambda: prometheus.value(expression) == value, f"{expression} to be {value}")


def test_its_numbers_are_those_of_all_workers(server, prometheus):
    ask(server, 30)
    wait_for(prometheus, 'gasgi_requests_total{job="app",status="2xx"}', 30)
    wait_for(prometheus, "gasgi_request_duration_seconds_count", 30)
    wait_for(prometheus, 'gasgi_request_duration_seconds_bucket{le="+Inf"}', 30)
    wait_for(prometheus, "sum(gasgi_connections_accepted_total)", 30)
    wait_for(prometheus, "gasgi_workers", 3)
    (target,) = prometheus.call("/api/v1/targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    kinds = {name: told[0]["type"] for name, told in prometheus.call("/api/v1/metadata").items()}
    assert kinds["gasgi_request_duration_seconds"] == "histogram"
    assert kinds["gasgi_connections"] == "gauge"
    # OpenMetrics names the family without the suffix of its samples.
    assert kinds["gasgi_requests"] == "counter"
    server.stop()


def test_it_sees_no_counter_begin_anew_when_workers_are_replaced(server, prometheus):
    ask(server, 10)
    wait_for(prometheus, 'gasgi_requests_total{status="2xx"}', 10)
    os.kill(server.workers()[0], signal.SIGKILL)
    server.wait_for_workers(4)
    ask(server, 10)
    wait_for(prometheus, 'gasgi_requests_total{status="2xx"}', 20)
    server.signal(signal.SIGHUP)
    server.wait_for_workers(7)
    ask(server, 10)
    wait_for(prometheus, 'gasgi_requests_total{status="2xx"}', 30)
    wait_for(prometheus, "gasgi_worker_starts_total", 7)
    names = {labels["__name__"] for labels, _ in prometheus.query('{__name__=~"gasgi_.*(_total|_count|_sum|_bucket)"}')}
    assert len(names) > 6
    for name in sorted(names):
        assert [each for each in prometheus.query(f"resets({name}[10m])") if each[1]] == [], name
    server.stop()


def expressions() -> dict[str, list[str]]:
    """What the panels of the dashboard ask for, by their titles, and what the page tells to watch."""
    dashboard: Any = json.loads((MONITORING / "grafana.json").read_text())
    found = {panel["title"]: [target["expr"] for target in panel["targets"]] for panel in dashboard["panels"]}
    page = (ROOT / "docs" / "deployment.md").read_text().partition("### Five numbers to watch")[2]
    found["Five numbers to watch"] = re.findall(r"^\| `([^`]+)`", page, re.MULTILINE)
    return found


def test_every_expression_of_the_dashboard_and_of_the_page_has_something_to_show(server, prometheus):
    asked = expressions()
    assert len(asked["Five numbers to watch"]) == 5
    assert len(asked) > 8
    for count in (10, 20):  # a rate takes two scrapes
        ask(server, 10)
        wait_for(prometheus, 'gasgi_requests_total{status="2xx"}', count)
    for title, several in asked.items():
        for expression in several:
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            found = prometheus.query(expression)
            assert found or MAY_BE_EMPTY in expression, f"{title}: {expression}"
    server.stop()
