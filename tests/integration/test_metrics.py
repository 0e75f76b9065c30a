"""Metrics of real workers, read by prometheus-client's own parser."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.support.gunicorn import DEADLINE_S, Gunicorn, free_port, wait_until

APP = "tests.integration.apps:app"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Target:
    """Where Prometheus would look."""

    def __init__(self) -> None:
        self.port = free_port()
        self.config = f"gasgi_metrics_bind = '127.0.0.1:{self.port}'\n"

    def get(self, path: str = "/metrics", accept: str = OPENMETRICS) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        connection.request("GET", path, headers={"Accept": accept})
        answer = connection.getresponse()
        assert answer.status == 200
        text = answer.read().decode()
        connection.close()
        return text

    def scrape(self) -> dict[str, float]:
        """Return every sample by name and labels, workers summed up."""
        found: dict[str, float] = {}
        for family in parse_openmetrics(self.get()):
            for sample in family.samples:
                labels = {name: value for name, value in sample.labels.items() if name != "worker"}
                name = sample.name + "".join(f"{{{name}={value}}}" for name, value in sorted(labels.items()))
                found[name] = found.get(name, 0.0) + sample.value
        return found


@pytest.fixture
def target() -> Target:
    return Target()


def ask(server: Gunicorn, path: str = "/", count: int = 1, close: bool = True) -> None:
    for _ in range(count):
        with socket.create_connection(server.address, timeout=DEADLINE_S) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
            while client.recv(65536):
                pass


def test_sums_over_all_workers_are_told_by_whichever_is_asked(start, target, loop):
    server = start(APP, config=target.config, workers=3, loop=loop)
    ask(server, count=30)
    with socket.create_connection(server.address, timeout=DEADLINE_S) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")  # without Host
        client.recv(1000)
        for _ in range(6):
            seen = target.scrape()
            assert seen["gasgi_requests_total{status=2xx}"] == 30
            assert seen["gasgi_request_duration_seconds_count"] == 30
            assert seen["gasgi_request_duration_seconds_bucket{le=+Inf}"] == 30
            assert seen["gasgi_refusals_total{status=400}"] == 1
            assert seen["gasgi_connections_accepted_total"] == 31
            assert seen["gasgi_workers"] == 3
            assert seen["gasgi_worker_starts_total"] == 3
            assert seen["gasgi_requests_in_progress"] == 0
            assert seen["gasgi_received_bytes_total"] > 30 * 40
            assert seen["gasgi_response_body_bytes_total"] > 0
    server.stop()


def test_tells_the_queue_in_front_of_the_workers(start, target):
    server = start(APP, "--backlog", "77", config=target.config)
    name = f"{{address={server.address[0]}:{server.address[1]}}}"
    seen = target.scrape()
    assert seen["gasgi_accept_queue" + name] == 0
    assert seen["gasgi_accept_queue_limit" + name] == 77
    server.stop()


def test_plain_text_is_told_too(start, target):
    server = start(APP, config=target.config)
    ask(server)
    families = {family.name: family for family in parse_text(target.get(accept="text/plain"))}
    assert families["gasgi_requests"].type == "counter"
    assert families["gasgi_request_duration_seconds"].type == "histogram"
    server.stop()


def test_answers_while_a_worker_is_blocked_and_while_it_is_full(start, target):
    server = start(APP, "--worker-connections", "1", config=target.config, workers=2)
    with socket.create_connection(server.address) as first, socket.create_connection(server.address) as second:
        for client in (first, second):
            client.sendall(b"GET /block HTTP/1.1\r\nHost: test\r\n\r\n")
        wait_until(lambda: target.scrape()["gasgi_requests_in_progress"] == 2, "both to be blocked")
    server.kill()


def test_answers_while_all_workers_are_full_and_tells_who_waits(start, target):
    server = start(APP, "--worker-connections", "2", config=target.config, workers=2)
    with contextlib.ExitStack() as stack:
        for _ in range(7):
            stack.enter_context(socket.create_connection(server.address, timeout=DEADLINE_S))
        wait_until(lambda: target.scrape()["gasgi_connections_accepted_total"] == 4, "all to be full")
        wait_until(lambda: target.scrape()["gasgi_connections"] == 4, "each to be counted once")
        for _ in range(10):
            seen = target.scrape()
            assert seen["gasgi_workers"] == 2
            assert sum(value for name, value in seen.items() if name.startswith("gasgi_accept_queue{")) == 3
    server.stop()


def test_a_sibling_answers_while_a_worker_holds_the_lock_of_its_interpreter(start, target, journal):
    server = start(APP, config=target.config, workers=2)
    with socket.create_connection(server.address) as client:
        client.sendall(b"GET /block-c HTTP/1.1\r\nHost: test\r\n\r\n")
        # Not by a scrape: one that the worker has taken is answered, or cut off, when it is no longer blocked.
        wait_until(lambda: "blocks" in journal(), "it to be blocked")
        for _ in range(10):
            seen = target.scrape()
            assert (seen["gasgi_workers"], seen["gasgi_requests_in_progress"]) == (2, 1)
    server.kill()


def test_counters_never_go_down_when_workers_are_replaced(start, target):
    server = start(APP, config=target.config, workers=2)
    ask(server, count=10)
    before = target.scrape()
    os.kill(server.workers()[0], signal.SIGKILL)
    server.wait_for_workers(3)
    server.signal(signal.SIGHUP)
    server.wait_for_workers(5)
    wait_until(lambda: len(server.workers()) == 2, "the old ones to leave")
    ask(server, count=5)
    seen = target.scrape()
    assert seen["gasgi_requests_total{status=2xx}"] == 15
    assert seen["gasgi_worker_starts_total"] == 5
    assert seen["gasgi_workers"] == 2
    for name, value in before.items():
        if name.endswith(("_total", "_count", "_sum")) or "_bucket" in name or "_total{" in name:
            assert seen[name] >= value, name
    server.stop()


def test_buckets_are_a_setting_and_a_reload_may_change_them(start, target):
    server = start(APP, config=target.config + "gasgi_metrics_buckets = ['0.5', '1']\n")
    ask(server)
    buckets = re.findall(r'_bucket\{le="([^"]+)"\} (\d+)', target.get())
    assert buckets == [("0.5", "1"), ("1.0", "1"), ("+Inf", "1")]
    config = server.directory / "gunicorn.conf.py"
    config.write_text(config.read_text().replace("['0.5', '1']", "['2']"))
    server.signal(signal.SIGHUP)
    server.wait_for_workers(2)
    wait_until(lambda: len(server.workers()) == 1, "the old one to leave")
    ask(server)
    assert re.findall(r'_bucket\{le="([^"]+)"\} (\d+)', target.get()) == [("2.0", "1"), ("+Inf", "1")]
    server.stop()


def test_an_address_that_somebody_else_has_stops_the_boot(start, target):
    with socket.socket() as other:
        other.bind(("127.0.0.1", target.port))
        other.listen()
        server = start(APP, config=target.config, workers=0)
        assert server.wait() == 3
    assert f"gasgi_metrics_bind = '127.0.0.1:{target.port}': Address already in use" in server.log


def test_metrics_at_a_unix_socket(start, tmp_path: Path):
    path = tmp_path / "metrics.sock"
    server = start(APP, config=f"gasgi_metrics_bind = 'unix:{path}'\n")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET /workers HTTP/1.0\r\n\r\n")
        received = b""
        while data := client.recv(65536):
            received += data
    seen: dict[str, Any] = json.loads(received.partition(b"\r\n\r\n")[2])
    assert [row["worker"] for row in seen["workers"]] == [0]
    server.stop()


def test_top_prints_once_where_there_is_no_terminal(start, target):
    server = start(APP, config=target.config, workers=2)
    command = [sys.executable, "-m", "gasgi", "top", f"127.0.0.1:{target.port}"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=True).stdout
    assert [line.split()[0] for line in shown.splitlines()[2:5]] == ["0", "1", "all"], shown
    server.stop()


def test_the_dashboard_asks_for_metrics_that_there_are(start, target):
    server = start(APP, config=target.config)
    there = {sample.name for family in parse_openmetrics(target.get()) for sample in family.samples}
    dashboard = (Path(__file__).resolve().parents[2] / "examples" / "monitoring" / "grafana.json").read_text()
    page = (Path(__file__).resolve().parents[2] / "docs" / "deployment.md").read_text()
    asked = set(re.findall(r"\bgasgi_\w+", " ".join(re.findall(r'"expr": "(.*)"', dashboard))))
    assert asked
    assert asked <= there
    told = set(re.findall(r"`(gasgi_\w+)", page.partition("| metric | |")[2].partition("Counters go on")[0]))
    settings = {"gasgi_metrics_buckets", "gasgi_limit_concurrency"}
    assert {name for name in told - settings if not {name, name + "_count"} & there} == set()
    server.stop()
