"""Whatever the time of a stop is, its parts end before it does."""

from __future__ import annotations

import pytest

from gasgi.worker.stop_time import StopTime

NOW = 1000.0


@pytest.mark.parametrize("is_quick", [False, True])
@pytest.mark.parametrize("seconds", [1.0, 1.7, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 3600.0])
def test_all_that_takes_its_full_time_ends_before_sigkill(seconds, is_quick):
    stop = StopTime(30.0)
    stop.begin(NOW, seconds)
    now = stop.drain_until(NOW, is_quick)
    assert now > NOW, "requests get some"
    now += stop.abort_s()
    now += stop.shutdown_s(now)
    for _ in ("tasks", "generators"):
        now += stop.resist_s(now)
    now += stop.exit_s(now)
    assert now < NOW + seconds


def test_of_thirty_seconds_requests_get_most():
    stop = StopTime(30.0)
    stop.begin(NOW, 30.0)
    assert stop.drain_until(NOW, False) - NOW == pytest.approx(25.5)
    assert stop.abort_s() == 1.0
    assert stop.shutdown_s(NOW + 26.5) == pytest.approx(3.0)


def test_a_stop_without_work_leaves_all_its_time_to_the_shutdown():
    stop = StopTime(30.0)
    stop.begin(NOW, 30.0)
    assert stop.shutdown_s(NOW) == pytest.approx(29.5)


def test_a_quicker_stop_shortens_a_slow_one_and_not_the_other_way_round():
    stop = StopTime(30.0)
    stop.begin(NOW, 30.0)
    stop.begin(NOW + 1.0, 1.7)
    stop.begin(NOW + 1.1, 30.0)
    assert NOW < stop.drain_until(NOW + 1.1, False) < NOW + 2.7


def test_a_worker_that_could_not_start_has_time_for_finally_blocks():
    stop = StopTime(30.0)
    assert stop.resist_s(NOW) == 1.0
    assert stop.exit_s(NOW) == pytest.approx(0.25)
