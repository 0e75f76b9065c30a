"""``gasgi top``: what it makes of two answers, and how it shows it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from gasgi import top

BOUNDS = [0.01, 0.1, 1.0]


def worker(number: int, requests: int, buckets: list[int], **more: Any) -> dict[str, Any]:
    row = {
        "worker": number,
        "pid": 1000 + number,
        "requests": requests,
        "errors": 0,
        "in_progress": 2,
        "connections": 5,
        "websockets": 1,
        "lag_s": 0.001 * number,
        "buckets": buckets,
    }
    return {**row, **more}


def told(*workers: dict[str, Any]) -> dict[str, Any]:
    return {"bounds": BOUNDS, "workers": list(workers), "queues": [["127.0.0.1:8000", 3, 2048]]}


BEFORE = told(worker(0, 100, [100, 0, 0, 0]), worker(1, 50, [50, 0, 0, 0]))
NOW = told(worker(0, 300, [200, 100, 0, 0]), worker(1, 50, [50, 0, 0, 0]), worker(2, 9, [9, 0, 0, 0]))


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ([0, 0, 0, 0], 0.5, None),
        ([100, 0, 0, 0], 0.5, 0.005),
        ([50, 50, 0, 0], 0.75, 0.055),
        ([0, 0, 0, 7], 0.99, 1.0),  # longer than the last bound: how much longer nobody knows
    ],
)
def test_percentiles_are_read_off_the_buckets(counts, share, expected):
    assert top.percentile(BOUNDS, counts, share) == (None if expected is None else pytest.approx(expected))


def test_rates_are_told_from_the_difference_of_two_answers():
    first, idle, new, total = top.rows(BEFORE, NOW, 2.0)
    assert (first.name, first.requests_s, first.in_progress) == ("0", 100.0, 2)
    assert first.p50_s == pytest.approx(0.01)
    assert (idle.requests_s, idle.p50_s) == (0.0, None)
    assert new.requests_s == 0.0, "what it did before it was first seen"
    assert (total.name, total.requests_s, total.connections, total.lag_s) == ("all", 100.0, 15, 0.002)


def test_a_worker_that_was_replaced_begins_anew():
    replaced = told(worker(0, 120, [120, 0, 0, 0], pid=77))
    assert top.rows(BEFORE, replaced, 1.0)[0].requests_s == 0.0


@pytest.mark.parametrize(("width", "has_pid"), [(120, True), (50, False)])
def test_fits_into_wide_and_narrow_terminals(width, has_pid):
    out = io.StringIO()
    Console(file=out, width=width).print(top._table(top.rows(BEFORE, NOW, 2.0), NOW, "127.0.0.1:9100", width))
    text = out.getvalue()
    assert ("pid" in text) == has_pid
    assert "…" not in text
    assert "queue at 127.0.0.1:8000: 3 of 2048" in text
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("variables", [{"TERM": "dumb", "FORCE_COLOR": "1"}, {"TERM": "xterm"}], ids=["dumb", "none"])
def test_prints_once_where_nothing_can_be_drawn_over(monkeypatch, capsys, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    answers = [BEFORE, NOW]
    monkeypatch.setattr(top, "_ask", lambda address: answers.pop(0))
    monkeypatch.setattr(top, "REFRESH_S", 0.0)
    monkeypatch.setattr(top.sys.stdin, "isatty", lambda: True, raising=False)
    top.main(["127.0.0.1:9100"])
    shown = capsys.readouterr().out
    assert "queue at 127.0.0.1:8000: 3 of 2048" in shown
    assert "q quits" not in shown


def test_nobody_there_is_a_sentence(capsys):
    with pytest.raises(SystemExit) as raised:
        top.main(["unix:/no/such/socket"])
    assert "unix:/no/such/socket serves no gasgi metrics" in str(raised.value)


def test_an_impossible_address_is_a_sentence():
    with pytest.raises(SystemExit) as raised:
        top.main(["nowhere"])
    assert str(raised.value) == "gasgi top: nowhere: must be host:port or unix:path"
