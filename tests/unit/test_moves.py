"""The comparison of moves with tables of arrows, which make coverage runs, tells what is wrong."""

from __future__ import annotations

import pytest

from tests.support.moves import MACHINES, Machine, compare, read_arrows

(TASK,) = [machine for machine in MACHINES if machine.owner.endswith(":AppTask")]
ALL = {
    ("READY", "RUNNING"),
    ("RUNNING", "CANCELLED"),
    ("READY", "DROPPED"),
    ("RUNNING", "ENDED"),
}


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.owner)
def test_every_machine_has_a_table(machine: Machine) -> None:
    assert read_arrows(machine)


def test_moves_along_all_arrows_are_right() -> None:
    assert compare(TASK, ALL) == []


def test_a_move_without_an_arrow_is_told() -> None:
    (line,) = compare(TASK, ALL | {("DROPPED", "RUNNING")})
    assert "moved from DROPPED to RUNNING" in line


@pytest.mark.parametrize("missing", sorted(ALL))
def test_an_arrow_without_a_move_is_told(missing: tuple[str, str]) -> None:
    source = "any" if missing[1] == "ENDED" else missing[0]
    (line,) = compare(TASK, ALL - {missing})
    assert f"from {source} to {missing[1]}" in line
