"""Turns follow their time: applications that block the loop get shorter ones, quick ones get them back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gasgi.serving.turns import REQUESTS_PER_TURN, Turns

QUICK_S = 0.0001
SLOW_S = 0.8


class Worker:
    """Runs first steps as app tasks do and counts how many a turn of the loop had; a step moves the clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.looks = 0
        self.loop = asyncio.new_event_loop()
        self.turns = Turns(self.loop, self._clock)
        self.begun: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []

    def _clock(self) -> float:
        self.looks += 1
        return self.now

    def ask(self, number: int, cost_s: float) -> None:
        """A request has come whole."""
        if self.turns.is_over():
            self.turns.wait(Waiter(lambda: self._start(number, cost_s)))
        else:
            self._start(number, cost_s)

    def _start(self, number: int, cost_s: float) -> None:
        self.turns.unstarted += 1
        self.tasks.append(self.loop.create_task(self._run(number, cost_s)))

    async def _run(self, number: int, cost_s: float) -> None:
        if not self.turns.may_run():
            await self.turns.put_off()
        self.now += cost_s
        self.begun.append(number)

    def turn(self) -> int:
        """Run one turn of the loop; return how many have begun in it."""
        before = len(self.begun)
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()
        return len(self.begun) - before

    def turns_until(self, count: int) -> list[int]:
        """Run turns until ``count`` have begun; return how many did in each that had any."""
        had = []
        for _ in range(200):
            if len(self.begun) == count:
                break
            had.append(self.turn())
        assert self.begun == list(range(count))
        return [n for n in had if n]


class Waiter:
    def __init__(self, start: Callable[[], None]) -> None:
        self.take_turn = start


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.loop.close()


def ask_all(worker: Worker, count: int, cost_s: float, first: int = 0) -> None:
    for number in range(first, first + count):
        worker.ask(number, cost_s)


def test_quick_requests_that_came_together_begin_together(worker):
    ask_all(worker, REQUESTS_PER_TURN, QUICK_S)
    assert worker.turns_until(REQUESTS_PER_TURN) == [REQUESTS_PER_TURN]


def test_requests_that_block_begin_one_in_a_turn_from_the_first_on(worker):
    ask_all(worker, 16, SLOW_S)
    assert worker.turns_until(16) == [1] * 16


def test_requests_that_wait_as_bytes_begin_one_in_a_turn_too(worker):
    ask_all(worker, 3 * REQUESTS_PER_TURN, SLOW_S)
    assert set(worker.turns_until(3 * REQUESTS_PER_TURN)) == {1}


def test_those_that_block_behind_quick_ones_keep_a_turn_for_a_few_at_the_most(worker):
    ask_all(worker, 16, QUICK_S)
    ask_all(worker, 16, SLOW_S, first=16)
    first, *others = worker.turns_until(32)
    assert first <= 16 + 4
    assert set(others) == {1}


def test_quick_requests_get_long_turns_back(worker):
    ask_all(worker, 16, SLOW_S)
    worker.turns_until(16)
    ask_all(worker, 500, QUICK_S, first=16)
    had = worker.turns_until(516)
    assert had[-2] == REQUESTS_PER_TURN
    assert len(had) < 30


def test_two_quick_requests_at_a_time_get_long_turns_back(worker):
    ask_all(worker, 16, SLOW_S)
    worker.turns_until(16)
    count = 16
    for _ in range(8):
        ask_all(worker, 2, QUICK_S, first=count)
        count += 2
        worker.turns_until(count)
        worker.turn()
    ask_all(worker, REQUESTS_PER_TURN, QUICK_S, first=count)
    assert max(worker.turns_until(count + REQUESTS_PER_TURN)) > 1


def test_after_a_single_pause_turns_are_soon_long_again(worker):
    """Such as a collection of garbage."""
    ask_all(worker, 1, 0.03)
    ask_all(worker, 6 * REQUESTS_PER_TURN, QUICK_S, first=1)
    had = worker.turns_until(1 + 6 * REQUESTS_PER_TURN)
    assert had[0] == 1
    assert REQUESTS_PER_TURN in had[:8]


def test_what_others_do_between_turns_is_not_held_against_them(worker):
    """A worker whose loop is busy with other things is not to starve new requests."""

    async def be_busy() -> None:
        while True:
            worker.now += 1.0
            await asyncio.sleep(0)

    busy = worker.loop.create_task(be_busy())
    worker.turn()
    ask_all(worker, 4 * REQUESTS_PER_TURN, QUICK_S)
    assert worker.turns_until(4 * REQUESTS_PER_TURN) == [REQUESTS_PER_TURN] * 4
    busy.cancel()
    worker.turn()


def test_the_order_is_kept_when_some_are_put_off_and_others_wait(worker):
    ask_all(worker, 8, SLOW_S)
    worker.turn()
    ask_all(worker, 8, SLOW_S, first=8)
    worker.turns_until(16)


def test_one_that_is_cancelled_while_it_is_put_off_takes_no_turn(worker):
    ask_all(worker, 4, SLOW_S)
    worker.turn()
    worker.tasks[2].cancel()
    for _ in range(8):
        worker.turn()
    assert worker.begun == [0, 1, 3]
    assert worker.tasks[2].cancelled()
    assert worker.turns.unstarted == 0


def test_a_request_that_comes_alone_does_not_ask_for_the_time(worker):
    for number in range(10):
        worker.ask(number, QUICK_S)
        worker.turn()
    assert worker.looks == 0


def test_a_turn_asks_for_the_time_a_few_times_only(worker):
    ask_all(worker, REQUESTS_PER_TURN, QUICK_S)
    worker.turns_until(REQUESTS_PER_TURN)
    assert worker.looks <= 2 + REQUESTS_PER_TURN / 4


def test_pipelined_requests_that_begin_meanwhile_count_to_the_next_turn(worker):
    """A turn ends when the tasks that were there at its beginning have run: time between turns is nobody's."""

    async def ask_again(number: int) -> Any:
        worker.turns.may_run()
        worker.begun.append(number)
        if number < 20:
            worker.turns.unstarted += 1
            worker.tasks.append(worker.loop.create_task(ask_again(number + 2)))

    for number in (0, 1):
        worker.turns.unstarted += 1
        worker.tasks.append(worker.loop.create_task(ask_again(number)))
    for _ in range(11):
        assert worker.turn() == 2
        worker.now += 60.0
    assert worker.turns.unstarted == 0
