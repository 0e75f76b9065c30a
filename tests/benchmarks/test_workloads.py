"""benchmarks/harness/workloads.py: names, and what each needs."""

from __future__ import annotations

from dataclasses import replace

import run
from harness.load import needed_programs
from harness.servers import SERVERS
from harness.workloads import GROUPS, QUICK, WORKLOADS


def test_a_group_stands_for_its_workloads_each_once() -> None:
    chosen = [workload.name for workload in run.choose_workloads(["h2-stream", "http2", "hello"])]

    assert chosen == ["h2-stream", *(name for name in GROUPS["http2"] if name != "h2-stream"), "hello"]


def test_the_groups_hold_every_workload() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(WORKLOADS)


def test_programs_are_asked_for_only_where_a_workload_runs_them() -> None:
    assert needed_programs([WORKLOADS["hello"]]) == []
    assert needed_programs(WORKLOADS[name] for name in ("nginx", "h2-10x10", "h2-stream")) == [
        "nginx",
        "h2load",
        "nghttp",
    ]


def test_websockets_over_http_2_have_a_load_of_their_own() -> None:
    assert needed_programs([WORKLOADS["h2-ws-1kib"]]) == []
    able = [name for name, server in SERVERS.items() if server.serves(WORKLOADS["h2-ws-1kib"])]
    assert able == ["gasgi", "gasgi-pure", "gasgi-asyncio", "h2corn", "hypercorn"]


def test_a_quick_run_needs_no_nginx() -> None:
    assert "nginx" not in needed_programs(WORKLOADS[name] for name in QUICK)


def test_what_is_posted_is_what_the_echo_must_hold() -> None:
    assert len(WORKLOADS["post-64kib"].answer) == 65536
    assert replace(WORKLOADS["post-64kib"], body=b"ok").answer == b"ok"


def test_servers_without_http_2_are_not_asked_for_it() -> None:
    able = [name for name, server in SERVERS.items() if server.serves(WORKLOADS["h2-10x10"])]

    assert able == [
        *("gasgi", "gasgi-pure", "gasgi-asyncio", "granian", "peregrine", "h2corn", "uvicorn-zttp", "hypercorn"),
        "gunicorn",
    ]
