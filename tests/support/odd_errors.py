"""Exceptions as an application may raise them: loops, depths, and attributes that raise."""

from __future__ import annotations

import builtins
from typing import Any

__all__ = [
    "ODD",
    "Attributeless",
    "Group",
    "Raising",
    "Truthless",
    "caused_by",
    "chain_of_wrappers",
    "chained",
    "endless",
    "group",
    "nested",
]


class Group(Exception):
    """A group as anyio's backport makes them: by its attribute alone."""

    exceptions: Any = ()

    def __init__(self, exceptions: Any) -> None:
        super().__init__("group")
        self.exceptions = exceptions


class Raising(Exception):
    @property
    def exceptions(self) -> Any:
        raise RuntimeError("odd")


class Truthless(ValueError):
    def __bool__(self) -> bool:
        raise RuntimeError("odd")


class Speechless(ValueError):
    def __str__(self) -> str:
        raise SystemExit("odd")

    __repr__ = __str__


class Classless(ValueError):
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("odd")


def attribute_error(self: Any) -> Any:
    raise RuntimeError("odd")


class Attributeless(ValueError):
    __traceback__ = property(attribute_error)  # type: ignore[assignment]
    __cause__ = property(attribute_error)  # type: ignore[assignment]
    __context__ = property(attribute_error)  # type: ignore[assignment]


class Notes(ValueError):
    @property
    def __notes__(self) -> Any:
        raise RuntimeError("odd")


class Placeless(SyntaxError):
    lineno = property(attribute_error)  # type: ignore[assignment]


def caused_by(cause: BaseException) -> Exception:
    try:
        raise ValueError("wrapped") from cause
    except ValueError as exc:
        return exc


def endless() -> Exception:
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    return first


BaseGroup: Any = getattr(builtins, "ExceptionGroup", Group)  # Python 3.11


def group(members: list[Any]) -> Exception:
    made: Exception = BaseGroup("group", members) if BaseGroup is not Group else Group(members)
    return made


class HoldsItself(BaseGroup):  # type: ignore[misc]
    @property
    def exceptions(self) -> Any:
        return (self, self)

    @exceptions.setter
    def exceptions(self, members: Any) -> None:
        pass


def holds_itself() -> Exception:
    made: Exception = HoldsItself("group", [ValueError("member")]) if BaseGroup is not Group else HoldsItself(())
    return made


def doubled(depth: int) -> Exception:
    exc: Exception = ValueError("innermost")
    for _ in range(depth):
        exc = group([exc, exc])
    return exc


def nested(depth: int) -> Exception:
    exc: Exception = ValueError("innermost")
    for _ in range(depth):
        exc = group([exc])
    return exc


def chained(length: int) -> Exception:
    exc = ValueError("innermost")
    for _ in range(length):
        exc, cause = ValueError("wrapped"), exc
        exc.__context__ = cause
    return exc


def looped_through_a_group() -> Exception:
    member = ValueError("member")
    made = group([member])
    member.__cause__ = made
    return made


ODD = {
    "holds itself": holds_itself,
    "two to the hundredth": lambda: doubled(100),
    "deep group": lambda: nested(100_000),
    "long chain": lambda: chained(100_000),
    "wide group": lambda: group([ValueError(str(number)) for number in range(100_000)]),
    "loop through a group": looped_through_a_group,
    "endless": endless,
    "no text": Speechless,
    "no class": Classless,
    "no attributes": Attributeless,
    "no truth": Truthless,
    "no notes": Notes,
    "no place": Placeless,
    "long text": lambda: caused_by(Speechless("x" * 10_000_000)),
}


def chain_of_wrappers(length: int) -> Exception:
    exc: Exception = ValueError("innermost")
    for _ in range(length):
        try:
            try:
                raise exc
            except ValueError as cause:
                raise ValueError("wrapped") from cause
        except ValueError as caught:
            exc = caught
    return exc
