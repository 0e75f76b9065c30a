"""What is counted of requests, in the slot of the scoreboard, and what the collector makes of it."""

from __future__ import annotations

import os
from typing import Any

import pytest

from gasgi.reporting.meter import Meter
from gasgi.reporting.metrics import Collector, worker_rows
from gasgi.reporting.scoreboard import Scoreboard, Slot
from gasgi.reporting.slot_layout import BUCKETS, REFUSED, REFUSED_STATUSES, SLOT_NUMBERS
from gasgi.setting import MOST_BUCKETS

BOUNDS = (0.1, 1.0)


class Worker:
    pass


class Counted:
    def __init__(self) -> None:
        self.board = Scoreboard(bytearray(4 * SLOT_NUMBERS * 8))
        self.workers = [Worker(), Worker()]
        self.slots: list[Slot] = []
        for worker in self.workers:
            slot = self.board.reserve(worker)
            assert slot is not None
            slot.claim(os.getpid(), 1.0)
            self.slots.append(slot)
        self.meters = [Meter(slot, BOUNDS) for slot in self.slots]

    def samples(self) -> dict[tuple[str, ...], float]:
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in Collector(self.board, BOUNDS, lambda: [("here", 1, 2)]).collect()
            for sample in family.samples
        }


@pytest.fixture
def it() -> Counted:
    return Counted()


def answer(meter: Meter, status: int, took_s: float = 0.0, sent: int = 0) -> None:
    meter.begin()
    meter.end(status, took_s, sent)


def test_requests_are_counted_by_the_class_of_their_status_over_all_workers(it: Counted) -> None:
    for status in (100, 200, 204, 302, 404, 499, 500):
        answer(it.meters[0], status)
    answer(it.meters[1], 200)
    seen = it.samples()
    statuses = {name: seen["gasgi_requests_total", name] for name in ("client_left", "1xx", "2xx", "3xx", "4xx", "5xx")}
    assert statuses == {"client_left": 1, "1xx": 1, "2xx": 3, "3xx": 1, "4xx": 1, "5xx": 1}


def test_durations_are_counted_up_to_the_end_of_their_bucket(it: Counted) -> None:
    for took_s in (0.05, 0.1, 0.5, 7.0):
        answer(it.meters[0], 200, took_s)
    seen = it.samples()
    name = "gasgi_request_duration_seconds"
    assert [seen[name + "_bucket", bound] for bound in ("0.1", "1.0", "+Inf")] == [2, 3, 4]
    assert seen[(name + "_count",)] == 4
    assert seen[(name + "_sum",)] == pytest.approx(7.65)


def test_requests_in_progress_go_up_and_down(it: Counted) -> None:
    it.meters[0].begin()
    it.meters[0].begin()
    it.meters[0].end(200, 0.0, 10)
    seen = it.samples()
    assert seen["gasgi_requests_in_progress", "0"] == 1
    assert seen[("gasgi_response_body_bytes_total",)] == 10


def test_refusals_are_counted_by_status(it: Counted) -> None:
    for status in (400, 431, 418):
        it.meters[0].count_refused(status)
    seen = it.samples()
    assert [seen["gasgi_refusals_total", name] for name in ("400", "431", "408", "other")] == [1, 1, 0, 1]


def test_gauges_of_a_worker_that_is_gone_are_not_told_and_its_counters_are(it: Counted) -> None:
    answer(it.meters[1], 200)
    it.meters[1].set_gauges(3, 0.5)
    assert it.samples()["gasgi_event_loop_lag_seconds", "1"] == 0.5
    it.slots[1].release()
    seen = it.samples()
    assert ("gasgi_event_loop_lag_seconds", "1") not in seen
    assert seen[("gasgi_workers",)] == 1
    assert seen["gasgi_requests_total", "2xx"] == 1
    assert [row["worker"] for row in worker_rows(it.board, BOUNDS)] == [0]


def test_the_next_worker_of_a_slot_counts_on_and_has_none_in_progress(it: Counted) -> None:
    answer(it.meters[0], 200)
    it.meters[0].begin()
    Meter(it.slots[0], BOUNDS)
    seen: dict[Any, float] = it.samples()
    assert seen["gasgi_requests_in_progress", "0"] == 0
    assert seen["gasgi_requests_total", "2xx"] == 1


def test_a_slot_has_room_for_all_that_is_counted() -> None:
    assert REFUSED + len(REFUSED_STATUSES) < BUCKETS
    assert BUCKETS + MOST_BUCKETS < SLOT_NUMBERS
