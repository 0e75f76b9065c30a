"""Floods end in ENHANCE_YOUR_CALM; what honest clients do never does (CVE-2019-9511 to 9518, 2023-44487, 2025-8671)."""

from __future__ import annotations

import contextlib

import pytest

from gasgi.errors import Http2Error
from gasgi.http2 import floods
from gasgi.http2.floods import KINDS, FloodGuard
from gasgi.http2_codes import ENHANCE_YOUR_CALM

ALL = range(len(KINDS))


def taken(guard: FloodGuard, kind: int, now: float, most: int = 100_000) -> int:
    """Return how many of a kind the guard lets through at ``now``."""
    count = 0
    with contextlib.suppress(Http2Error):
        while count < most:
            guard.count(kind, now)
            count += 1
    return count


@pytest.mark.parametrize("kind", ALL)
def test_ends_a_flood_of_each_kind(kind):
    guard = FloodGuard()
    assert taken(guard, kind, 5.0) == KINDS[kind][1]
    with pytest.raises(Http2Error, match=f"HTTP/2 error {ENHANCE_YOUR_CALM}: too many {KINDS[kind][0]}"):
        guard.count(kind, 5.0)


@pytest.mark.parametrize("kind", ALL)
def test_lets_a_steady_rate_through_for_ever(kind):
    guard = FloodGuard()
    rate = int(KINDS[kind][2])
    for second in range(1000):
        assert taken(guard, kind, float(second), rate) == rate


@pytest.mark.parametrize("kind", ALL)
def test_has_room_again_after_a_while(kind):
    guard = FloodGuard()
    taken(guard, kind, 0.0)
    assert taken(guard, kind, 1.0) == KINDS[kind][2]


def test_kinds_do_not_count_for_each_other():
    guard = FloodGuard()
    taken(guard, floods.PINGS, 0.0)
    assert taken(guard, floods.RESETS, 0.0) == 1000


def test_finished_streams_pay_for_resets():
    # A proxy that gives up half of what its many clients ask for.
    guard = FloodGuard()
    for _ in range(50_000):
        guard.count(floods.RESETS, 0.0)
        guard.stream_finished()


def test_finished_streams_pay_for_window_updates():
    # A client that gives back each answer, on the stream and on the connection.
    guard = FloodGuard()
    for _ in range(50_000):
        guard.count(floods.WINDOW_UPDATES, 0.0)
        guard.count(floods.WINDOW_UPDATES, 0.0)
        guard.stream_finished()


def test_data_pays_for_window_updates():
    # A gigabyte, given back in frames of 16 KiB, on the stream and on the connection.
    guard = FloodGuard()
    for _ in range(65_536):
        guard.data_sent(16384)
        guard.count(floods.WINDOW_UPDATES, 0.0)
        guard.count(floods.WINDOW_UPDATES, 0.0)


def test_a_dribble_of_data_does_not_pay():
    # CVE-2019-9511: a window of one byte at a time.
    guard = FloodGuard()
    for _ in range(2000):
        guard.count(floods.WINDOW_UPDATES, 0.0)
        guard.data_sent(1)
    assert taken(guard, floods.WINDOW_UPDATES, 0.0) < 5


def test_nothing_is_earned_in_advance():
    guard = FloodGuard()
    for _ in range(1000):
        guard.stream_finished()
        guard.data_sent(10**6)
    assert taken(guard, floods.RESETS, 0.0) == 1000
