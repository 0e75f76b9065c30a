"""Slots of the scoreboard: who has one, what stays in it, and that sums never go down."""

from __future__ import annotations

import mmap
import os

import pytest

from gasgi.reporting import scoreboard
from gasgi.reporting.scoreboard import MOST_SLOTS, Scoreboard, make_scoreboard
from gasgi.reporting.slot_layout import SLOT_NUMBERS


class Worker:
    """What the master holds of a worker while its process is there."""


@pytest.fixture
def board() -> Scoreboard:
    return Scoreboard(bytearray(4 * SLOT_NUMBERS * 8))


def test_every_worker_has_a_slot_of_its_own(board: Scoreboard) -> None:
    workers = [Worker() for _ in range(3)]
    slots = [board.reserve(each) for each in workers]
    assert [slot and slot.index for slot in slots] == [0, 1, 2]
    assert board.used == 3


def test_a_worker_that_is_gone_leaves_its_slot_to_the_next(board: Scoreboard) -> None:
    first, second = Worker(), Worker()
    board.reserve(first)
    board.reserve(second)
    del first
    third = Worker()
    slot = board.reserve(third)
    assert slot is not None
    assert slot.index == 0


def test_a_slot_whose_process_is_gone_is_free_though_the_master_remembers_its_worker(board: Scoreboard) -> None:
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    first, second = Worker(), Worker()
    slot = board.reserve(first)
    assert slot is not None
    slot.claim(pid, 1.0)
    again = board.reserve(second)
    assert again is not None
    assert again.index == 0


def test_a_worker_beyond_the_last_slot_serves_alone(board: Scoreboard) -> None:
    workers = [Worker() for _ in range(4)]
    assert [board.reserve(each) is None for each in workers] == [False, False, False, True]


def test_what_counts_up_goes_on_with_the_next_worker_and_what_is_held_does_not(board: Scoreboard) -> None:
    first = Worker()
    slot = board.reserve(first)
    assert slot is not None
    slot.claim(os.getpid(), 1.0)
    slot.set_accepting(True)
    slot.count_accepted()
    slot.hold(7)
    del first  # killed: it has released nothing
    second = Worker()
    again = board.reserve(second)
    assert again is not None
    assert (again.accepted, again.connections, again.is_accepting, again.pid) == (1, 0, False, 0)
    again.claim(os.getpid(), 2.0)
    assert again.starts == 2


def test_a_process_forked_later_writes_what_this_one_reads() -> None:
    board = make_scoreboard()
    assert board is not None
    worker = Worker()
    slot = board.reserve(worker)
    assert slot is not None
    pid = os.fork()
    if not pid:
        slot.claim(os.getpid(), 1.0)
        slot.hold(12)
        os._exit(0)
    os.waitpid(pid, 0)
    (seen,) = board.slots()
    assert (seen.pid, seen.connections) == (pid, 12)
    assert not seen.is_alive()


def test_there_is_room_for_many_workers() -> None:
    board = make_scoreboard()
    assert board is not None
    workers = [Worker() for _ in range(MOST_SLOTS)]
    assert all(board.reserve(each) is not None for each in workers)
    assert board.reserve(board) is None


def test_without_shared_memory_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError("no memory to share")

    monkeypatch.setattr(mmap, "mmap", refuse)
    assert scoreboard.make_scoreboard() is None
