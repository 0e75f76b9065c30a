"""Every message of the corpus, whole, byte by byte and cut in two at every point, on both twins of the parser."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from tests.support.corpus import Case, load_cases
from tests.support.wire import read_stream, split_everywhere

TWIN_OF = "_parser"


def as_text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, (list, tuple)):
        return [as_text(item) for item in value]
    return value


def picked(request: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    return {name: as_text(request[name]) for name in names}


def read_as_expected(twin: ModuleType, case: Case) -> None:
    for pieces in split_everywhere(case.raw):
        requests, refused = read_stream(twin, pieces)
        assert len(requests) == len(case.requests), (pieces, refused)
        assert [picked(*pair) for pair in zip(requests, case.requests, strict=True)] == case.requests, pieces
        assert (refused and refused[0]) == case.status, pieces


@pytest.mark.parametrize("case", load_cases("valid"), ids=lambda case: case.name)
def test_reads_a_valid_message(twin: ModuleType, case: Case) -> None:
    assert case.status is None
    read_as_expected(twin, case)


@pytest.mark.parametrize("case", load_cases("invalid"), ids=lambda case: case.name)
def test_refuses_an_invalid_message(twin: ModuleType, case: Case) -> None:
    assert case.status is not None
    read_as_expected(twin, case)
