"""When a worker takes what waits and when it leaves it to its siblings, on a scoreboard of the test's own."""

from __future__ import annotations

import os

import pytest

from gasgi.reporting.scoreboard import Scoreboard, Slot
from gasgi.reporting.slot_layout import SLOT_NUMBERS
from gasgi.worker.sharing import Sharing

PATIENCE_S = 0.003
PLENTY = 1_000_000


class Worker:
    pass


class Siblings:
    """A worker under test and three siblings, which do what the test has them do."""

    def __init__(self) -> None:
        self.board = Scoreboard(bytearray(8 * SLOT_NUMBERS * 8))
        self.workers = [Worker() for _ in range(4)]
        self.now = 1000.0
        self.slots: list[Slot] = []
        for worker in self.workers:
            slot = self.board.reserve(worker)
            assert slot is not None
            slot.claim(os.getpid(), self.now)
            slot.set_accepting(True)
            self.slots.append(slot)
        self.own = self.slots[0]
        self.others = self.slots[1:]
        self.waiting = 0
        self.sharing = Sharing(self.own, lambda: self.waiting)

    def hold(self, *connections: int) -> None:
        for slot, count in zip(self.others, connections, strict=True):
            slot.hold(count)

    def pass_time(self, seconds: float, looking: tuple[int, ...] = (0, 1, 2)) -> None:
        self.now += seconds
        for place in looking:
            self.others[place].look(self.now)

    def room(self, held: int) -> int:
        return self.sharing.room(held, self.now)


@pytest.fixture
def it() -> Siblings:
    return Siblings()


def test_takes_no_more_than_two_above_siblings_that_have_none(it: Siblings) -> None:
    assert [it.room(held) for held in range(4)] == [2, 1, 0, 0]


def test_takes_a_quarter_more_than_siblings_that_have_many(it: Siblings) -> None:
    it.hold(90, 100, 110)
    assert it.room(100) == 25
    assert it.room(125) == 0


def test_takes_its_part_of_a_queue_before_siblings_have_come_for_theirs(it: Siblings) -> None:
    it.waiting = 60
    assert it.room(4) == 12  # of 64 connections, sixteen are a quarter
    it.hold(16, 10, 0)
    it.waiting = 22
    assert it.room(16) == 0


def test_a_part_of_the_queue_is_what_is_fair_with_those_that_siblings_hold(it: Siblings) -> None:
    it.hold(20, 0, 0)
    it.waiting = 60
    assert it.room(0) == 8, "by what siblings hold, and they have waited for nobody"
    assert it.room(10) == 12


def test_says_what_it_holds_and_that_it_looked(it: Siblings) -> None:
    it.room(5)
    assert it.own.connections == 5
    assert it.own.numbers[SLOT_NUMBERS + 2] == 1_000_000_000


def test_takes_all_when_there_are_no_siblings(it: Siblings) -> None:
    for slot in it.others:
        slot.release()
    assert it.room(500) == PLENTY


def test_siblings_that_take_nothing_are_not_waited_for(it: Siblings) -> None:
    it.others[0].set_accepting(False)  # full, in trouble, starting or stopping
    it.others[1].set_accepting(False)
    it.others[2].hold(50)
    assert it.room(50) == 12


def test_a_sibling_without_heartbeat_counts_for_nothing(it: Siblings) -> None:
    it.now += 2.6
    for slot in it.others[1:]:
        slot.beat(it.now)
        slot.hold(100)
    assert it.room(100) == 25


def test_steps_back_while_siblings_look_and_take(it: Siblings) -> None:
    assert it.room(10) == 0
    for _ in range(100):
        it.pass_time(0.001)
        it.others[0].count_accepted()
        assert it.room(10) == 0


def test_siblings_that_have_not_looked_are_deaf_until_they_look(it: Siblings) -> None:
    it.hold(0, 10, 10)
    it.pass_time(0.001)
    assert it.room(11) == 0
    it.pass_time(PATIENCE_S, looking=(1, 2))  # the first is blocked
    assert it.room(11) == 1
    it.pass_time(0.001, looking=(1, 2))
    assert it.room(11) == 1  # measured by the others alone, 10 and 2 above
    it.pass_time(0.001)
    assert it.room(11) == 0


def test_the_part_of_the_deaf_is_taken_at_a_growing_pace(it: Siblings) -> None:
    it.waiting = 16
    it.hold(0, 16, 16)
    it.pass_time(0.001)
    assert it.room(16) == 0
    it.pass_time(PATIENCE_S, looking=(1, 2))
    assert it.room(16) == 1
    it.pass_time(0.001, looking=(1, 2))
    it.waiting = 15
    assert it.room(17) == 2
    it.waiting = 2
    it.pass_time(0.001, looking=(1, 2))
    assert it.room(19) == 1, "no more than a quarter above the two that hear"


def test_takes_what_the_deaf_have_not_come_for_at_a_pace_that_lets_them_come(it: Siblings) -> None:
    it.pass_time(0.001)
    assert it.room(50) == 0
    it.pass_time(PATIENCE_S, looking=())
    assert it.room(50) == 1
    assert it.room(51) == 0, "at once"
    taken = []
    for _ in range(4):
        it.pass_time(0.001, looking=())
        taken.append(it.room(51))
    assert taken == [2, 4, 8, 16]


def test_one_who_comes_alone_does_not_wait_for_the_deaf(it: Siblings) -> None:
    it.pass_time(0.001)
    assert it.room(50) == 0
    it.pass_time(PATIENCE_S, looking=())
    assert it.room(50) == 1
    for _ in range(5):
        it.sharing.rest()
        it.pass_time(0.01, looking=())
        assert it.room(51) == 1


def test_takes_twice_as_many_each_time_that_nobody_comes(it: Siblings) -> None:
    taken = []
    assert it.room(50) == 0
    for _ in range(5):
        it.pass_time(PATIENCE_S + 0.001)  # they look, and something keeps them from taking
        taken.append(it.room(50))
    assert taken == [1, 2, 4, 8, 16]


def test_patience_begins_anew_when_nobody_waits_any_more(it: Siblings) -> None:
    assert it.room(50) == 0
    it.sharing.rest()
    it.pass_time(PATIENCE_S + 0.001)
    assert it.room(50) == 0


def test_gives_connections_back_to_siblings_that_have_far_less(it: Siblings) -> None:
    it.hold(100, 100, 100)
    assert it.sharing.to_close(150, it.now) == 0  # more, and not far more
    it.hold(0, 0, 0)
    assert it.sharing.to_close(400, it.now) == 1 + 273 // 5  # 100 are its share, 125 and two it may keep


def test_gives_back_until_it_holds_little_more_than_its_share(it: Siblings) -> None:
    it.hold(50, 50, 50)
    assert it.sharing.to_close(250, it.now) > 0
    it.hold(90, 90, 90)
    assert it.sharing.to_close(130, it.now) > 0
    it.hold(95, 95, 95)
    assert it.sharing.to_close(115, it.now) == 0
    it.hold(90, 90, 90)
    assert it.sharing.to_close(130, it.now) == 0


def test_gives_back_to_a_sibling_that_was_deaf_when_somebody_came_last(it: Siblings) -> None:
    it.pass_time(0.001)
    assert it.room(50) == 0
    it.pass_time(PATIENCE_S, looking=())
    assert it.room(50) == 1
    assert it.sharing.to_close(51, it.now) > 0


def test_a_worker_alone_gives_nothing_back(it: Siblings) -> None:
    for slot in it.others:
        slot.release()
    assert it.sharing.to_close(1000, it.now) == 0
