"""benchmarks/harness/processes.py: CPU time in its two parts."""

from __future__ import annotations

import pytest
from harness.processes import CpuTime, read_ticks


def test_time_since_is_total_and_the_share_of_user_time() -> None:
    before, after = CpuTime(1_000, 10, 5), CpuTime(9_000, 16, 7)

    assert after.since(before) == (8_000, 0.75)


def test_a_tree_that_did_nothing_has_no_share() -> None:
    once = CpuTime(5, 1, 1)

    assert once.since(once) == (0, 0.0)


# proc(5), /proc/PID/stat: utime and stime are fields 14 and 15, in ticks.
@pytest.mark.parametrize("name", ["gunicorn", "a (b) c", ") 1 2"])
def test_ticks_are_read_whatever_the_program_is_called(name: str) -> None:
    stat = f"4711 ({name}) S 1 4711 4711 0 -1 4194560 100 0 0 0 42 17 3 4 20 0 1 0 12345 0 0"

    assert read_ticks(stat) == (42, 17)


def test_a_process_that_has_ended_has_none() -> None:
    assert read_ticks("") == (0, 0)
