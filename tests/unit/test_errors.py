"""Which exceptions of an application only tell that its client left."""

from __future__ import annotations

from typing import Any

import pytest

from gasgi.errors import ClientDisconnected, comes_from_departure

LEFT = ClientDisconnected("left")


class Group(Exception):
    """A group as anyio's backport makes them: by its attribute alone."""

    def __init__(self, exceptions: Any) -> None:
        super().__init__("group")
        self.exceptions = exceptions


class Raising(Exception):
    @property
    def exceptions(self) -> Any:
        raise RuntimeError("odd")


def caused_by(cause: BaseException) -> Exception:
    try:
        raise ValueError("wrapped") from cause
    except ValueError as exc:
        return exc


def endless() -> Exception:
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    return first


@pytest.mark.parametrize("exc", [LEFT, caused_by(LEFT), Group([LEFT, LEFT]), Group((Group((caused_by(LEFT),)),))])
def test_tells_that_the_client_left(exc):
    assert comes_from_departure(exc)


@pytest.mark.parametrize(
    "exc",
    [
        None,
        ValueError(),
        caused_by(ValueError()),
        Group([LEFT, ValueError()]),
        Group([]),
        Group(5),
        Group("text"),
        Group([LEFT, "text"]),
        Raising(),
        endless(),
        Group([LEFT] * 1000),
    ],
    ids=repr,
)
def test_is_a_failure_of_the_apps_own(exc):
    assert not comes_from_departure(exc)
