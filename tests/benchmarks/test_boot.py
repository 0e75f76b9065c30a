"""benchmarks/harness/boot.py: who is the youngest, and when memory has come to rest."""

from __future__ import annotations

import pytest
from harness.boot import LOOKS_ALIKE, read_start_tick, settle


@pytest.mark.parametrize("name", ["gunicorn", ") R 1 2"])
def test_the_birth_of_a_process_is_read_whatever_it_is_called(name: str) -> None:
    assert read_start_tick(f"4711 ({name}) S 1 4711 4711 0 -1 4194560 100 0 0 0 42 17 3 4 20 0 1 0 12345 0 0") == 12345


def test_memory_is_at_rest_when_the_last_looks_are_alike() -> None:
    assert settle([9000, *[20000, 20050] * (LOOKS_ALIKE // 2)])


@pytest.mark.parametrize("looks", [[], [20000] * (LOOKS_ALIKE - 1), [*[20000] * (LOOKS_ALIKE - 1), 21000]])
def test_memory_that_grows_or_was_hardly_looked_at_is_not_at_rest(looks: list[int]) -> None:
    assert not settle(looks)
