"""benchmarks/report.py: tables of a results file, with and without what older ones lack."""

from __future__ import annotations

from typing import Any

import pytest
import report
from harness.measure import summarise
from harness.targets import AGAINST, AGAINST_HTTP2, TARGETS
from harness.workloads import WORKLOADS

Found = dict[str, Any]
LACKED = ("user_us", "system_us")


def turn(cpu_us: float) -> dict[str, float]:
    """One turn of a server, a quarter of its time its own."""
    figures = {"cpu_us": cpu_us, "user_us": cpu_us / 4, "system_us": cpu_us * 3 / 4, "per_second": 1e6 / cpu_us}
    return {**figures, "p50_us": 100.0, "p99_us": 200.0, "pss_kib": 1024, "rss_kib": 2048, "distance_ns": 60.0}


def workload(name: str, failed: dict[str, str] | None = None, /, **costs: float) -> Found:
    """The results of a workload: the µs of each server, in two rounds."""
    rounds = {server.replace("_", "-"): [turn(cost), turn(cost)] for server, cost in costs.items()}
    return {
        "title": WORKLOADS[name].title,
        "rounds": rounds,
        "failed": failed or {},
        "summary": summarise(rounds),
    }


def results(extra: Found | None = None, **workloads: Found) -> Found:
    return {
        "date": "2026-01-01T00:00:00+00:00",
        "commit": "abc",
        "machine": {"processor": "a", "cores": 2, "kernel": "k", "load_before": [0.0]},
        "settings": {"rounds": 2, "seconds": 1, "cores": [0, 1]},
        "versions": {"python": "3.13"},
        "workloads": {name.replace("_", "-"): found for name, found in workloads.items()},
        **({"extra": extra} if extra else {}),
    }


def page(found: Found) -> str:
    return "\n\n".join(report.make_parts(found, "stem"))


def test_peers_that_a_run_measured_have_a_column_and_others_have_none() -> None:
    text = page(results(hello=workload("hello", gasgi=10, granian=20, peregrine=8, floor=5)))

    assert "| workload | granian | peregrine | floor | the cheapest peer |" in text
    assert "| hello, 64 connections | 0.50 (≤ 0.75) met | 1.25 | 2.00 (≤ 2) met | 1.25 (peregrine) |" in text


def test_http_2_has_a_table_of_its_own_with_its_own_peers() -> None:
    text = page(
        results(
            hello=workload("hello", gasgi=10, uvicorn=20),
            h2_64x1=workload("h2-64x1", gasgi=10, granian=20, h2corn=8, hypercorn=100),
        )
    )

    assert "| workload | uvicorn | the cheapest peer |" in text
    assert "| workload | granian | h2corn | hypercorn | the cheapest peer |" in text
    assert "| HTTP/2 hello, 64 × 1 | 0.50 (≤ 0.75) met | 1.25 (≤ 1) **missed** | 0.10 | 1.25 (h2corn) |" in text
    assert "1 of 3 targets met." in text


def test_a_peer_with_errors_is_refused_in_the_tables_and_named_below() -> None:
    text = page(results(hello=workload("hello", {"peregrine": "broken\nmore"}, gasgi=10)))

    assert "| hello, 64 connections | refused | – |" in text
    assert "- peregrine, hello, 64 connections: broken" in text


@pytest.mark.parametrize("left_out", ["granian-experimental", "gasgi-pure", "floor"])
def test_the_cheapest_peer_is_one_that_people_run(left_out: str) -> None:
    costs = {"gasgi": 10.0, "uvicorn": 20.0, left_out.replace("-", "_"): 1.0}

    text = page(results(hello=workload("hello", **costs)))

    assert "0.50 (uvicorn) |" in text


def test_user_and_system_time_stand_apart() -> None:
    assert "| hello, 64 connections | 2.0 + 6.0 |" in page(results(hello=workload("hello", gasgi=8)))


def test_results_from_before_they_were_told_apart_have_no_such_table() -> None:
    found = workload("hello", gasgi=8)
    for key in LACKED:
        del found["summary"]["gasgi"][key]

    assert "User + system" not in page(results(hello=found))


def test_a_line_of_figures_for_each_server_and_workload() -> None:
    found = results(hello=workload("hello", {"h2corn": "broken"}, gasgi=8, granian=16))

    assert report.list_figures(found["workloads"]) == [
        [
            *("workload", "server", "cpu_us", "user_us", "system_us", "per_second", "p50_us", "p99_us"),
            *("pss_kib", "rss_kib", "gasgi against it"),
        ],
        ["hello", "gasgi", "8.00", "2.00", "6.00", "125000.00", "100.00", "200.00", "1024.00", "2048.00", "1.000"],
        ["hello", "granian", "16.00", "4.00", "12.00", "62500.00", "100.00", "200.00", "1024.00", "2048.00", "0.500"],
        ["hello", "h2corn", "refused", *[""] * 8],
    ]


def test_the_pure_version_has_promises_over_http_2_too() -> None:
    text = page(results(h2_10x10=workload("h2-10x10", gasgi=10, gasgi_pure=50, gunicorn=100)))

    assert "| pure Python against gunicorn (≤ 0.6): HTTP/2 hello, 10 × 10 | 0.50 | met |" in text


def test_boot_times_and_memory_of_workers_are_a_table() -> None:
    boot = {"gasgi": {"first_answer_ms": 400.4, "worker_ms": 250.0, "cpu_ms": 300.0, "kib_per_worker": 20480}}

    text = page(results({"ramp": {}, "paced": {}, "idle": {}, "boot": boot}, hello=workload("hello", gasgi=8)))

    assert "| gasgi | 400 | 250 | 300 | 20.0 |" in text


def test_a_page_of_extras_alone_needs_no_workloads() -> None:
    extra = {"ramp": {"gasgi": {"1": 10.0, "10": 11.0}}, "paced": {}, "idle": {}}

    assert "| cost flat from 1 to 10 connections (dearest / cheapest ≤ 1.3) | 1.10 | met |" in page(results(extra))


def test_every_target_is_of_a_workload_and_of_a_column() -> None:
    for name, targets in TARGETS.items():
        assert set(targets) <= set(AGAINST_HTTP2 if WORKLOADS[name].is_http2 else AGAINST)


def test_charts_show_every_server_and_leave_out_what_is_not_measured() -> None:
    charts = report.draw_charts(results(hello=workload("hello", gasgi=8, peregrine=9, h2corn=10)))

    assert set(charts) == {"cpu"}
    assert all(f">{name}</text>" in charts["cpu"] for name in ("gasgi", "peregrine", "h2corn"))
