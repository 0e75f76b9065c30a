"""What an application raised: whether it only tells that the client left, and how it gets into the log.

The exception is the application's: its attributes may raise, its groups may hold themselves, its chain may never end.
Whatever looks at one looks at a bounded number, so that logging it ends soon; Python's own formatting bounds nothing.
"""

from __future__ import annotations

import builtins
import traceback
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from gasgi.errors import ClientDisconnected

__all__ = [
    "comes_from_departure",
    "describe_exception",
    "format_exception",
    "is_printable",
    "log_exception",
    "safe_text",
    "traceback_of",
]

MOST_LOOKED_AT = 100  # exceptions, a chain and groups together
MOST_FRAMES = 10_000  # of all their tracebacks; to print so many takes 50 ms
DEEPEST_GROUP = 20  # groups within groups; Python recurses into them, and prints ten
# Of an exception that is not left to Python:
MOST_SHOWN = 10
MOST_FRAMES_SHOWN = 20  # the innermost of each
LONGEST_TEXT = 1000  # characters of what an exception says

_GROUP: Any = getattr(builtins, "BaseExceptionGroup", None)  # Python 3.11
# What Python itself keeps of an exception, whatever its class makes of these names.
_cause_of = BaseException.__dict__["__cause__"].__get__
_context_of = BaseException.__dict__["__context__"].__get__
_suppresses_context = BaseException.__dict__["__suppress_context__"].__get__


def comes_from_departure(exc: BaseException | None) -> bool:
    """Whether ``exc`` only tells that the client left: frameworks wrap ClientDisconnected in errors of their own.

    A group does when all its members do.
    """
    undecided = [exc]
    for _ in range(MOST_LOOKED_AT):
        if not undecided:
            return True
        exc = undecided.pop()
        if exc is None:
            return False
        if not issubclass(type(exc), ClientDisconnected):
            undecided.extend(_members(exc) or [_next_of(exc)])
    return False


def log_exception(log: Any, exc: BaseException, message: str, *args: object) -> None:
    """Log ``message`` with ``exc`` as one line of level ERROR and what is known of ``exc`` below it."""
    if is_printable(exc):
        # Not the exception alone: logging would ask for its truth value.
        log.exception(message, *args, exc_info=(type(exc), exc, traceback_of(exc)))
    else:
        log.error(message + "\n%s", *args, format_exception(exc))


def format_exception(exc: BaseException) -> str:
    """Return what Python prints of ``exc``, or the beginning of it."""
    if is_printable(exc):
        return "".join(traceback.format_exception(type(exc), exc, traceback_of(exc)))
    return "".join(_excerpt(exc)).rstrip("\n")


def traceback_of(exc: BaseException) -> TracebackType | None:
    """Return the traceback of ``exc``, whatever its class makes of that name."""
    return BaseException.__dict__["__traceback__"].__get__(exc)  # type: ignore[no-any-return]


def describe_exception(exc: BaseException) -> str:
    """Return the name of its class and what it says, in one line."""
    text = " ".join(safe_text(exc).split())
    return f"{_name_of(exc)}: {text}" if text else _name_of(exc)


def safe_text(value: object, convert: Callable[[Any], str] = str) -> str:
    """Return ``str(value)``, which may raise or be very long, as something to show; ``convert=repr`` for its repr."""
    try:
        text = str.__str__(convert(value))  # str() may give a subclass, with methods of its own
    except BaseException:  # the application's code, which may raise SystemExit here
        return "<its text is not available>"
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"


def is_printable(exc: BaseException) -> bool:
    """Whether Python's own formatting of ``exc`` ends soon and does not fail."""
    try:
        if not _is_small(exc):
            return False
        # Only the attributes are left that Python reads for one class or another; it reads them now, without frames.
        for _ in traceback.TracebackException(type(exc), exc, None, limit=0, compact=True).format():
            pass
    except BaseException:
        return False
    return True


def _is_small(exc: BaseException) -> bool:
    """Walk as Python's formatting does: it follows a chain once, and goes into each group whenever it meets it."""
    seen = {id(exc)}
    frames = 0
    waiting = [(exc, 0)]
    for _ in range(MOST_LOOKED_AT):
        if not waiting:
            return True
        exc, depth = waiting.pop()
        if depth > DEEPEST_GROUP or type(getattr(exc, "__notes__", [])) is not list:
            return False
        trace = exc.__traceback__
        while trace is not None:
            trace = trace.tb_next
            frames += 1
            if frames > MOST_FRAMES:
                return False
        for other in (exc.__cause__, exc.__context__):
            if other is not None and id(other) not in seen:
                seen.add(id(other))
                waiting.append((other, depth))
        members = exc.exceptions if _may_be_group(exc) else None  # type: ignore[attr-defined]
        if isinstance(members, (list, tuple)):
            if len(members) > MOST_LOOKED_AT:
                return False
            waiting.extend((member, depth + 1) for member in members if isinstance(member, BaseException))
    return False


def _excerpt(exc: BaseException) -> Iterator[str]:
    """Yield the lines of the first few exceptions, the outermost first."""
    seen = {id(exc)}
    waiting = [(exc, "")]
    for _ in range(MOST_SHOWN):
        if not waiting:
            return
        exc, relation = waiting.pop(0)
        yield f"{relation}{describe_exception(exc)}\n"
        yield from _frames_of(traceback_of(exc))
        others = [(member, "Member of the group: ") for member in _members(exc)[:MOST_SHOWN]]
        cause = _cause_of(exc)
        if cause is not None or not _suppresses_context(exc):
            others.append((cause, "Caused by: ") if cause is not None else (_context_of(exc), "While handling: "))
        for other, how in others:
            if other is not None and id(other) not in seen:
                seen.add(id(other))
                waiting.append((other, how))
    if waiting:
        yield "Further exceptions are not shown\n"


def _frames_of(trace: TracebackType | None) -> list[str]:
    try:
        return traceback.format_tb(trace, limit=-MOST_FRAMES_SHOWN)
    except Exception:  # a loader of the application's, asked for the source
        return []


def _next_of(exc: BaseException) -> BaseException | None:
    cause = _cause_of(exc)
    return cause if cause is not None else _context_of(exc)  # type: ignore[no-any-return]


def _members(exc: BaseException) -> list[BaseException]:
    """Return what is in an exception group, Python's own or the backport's; none of what is too large to look at."""
    try:
        if _GROUP is not None and issubclass(type(exc), _GROUP):
            members = _GROUP.exceptions.__get__(exc)
        else:
            members = exc.exceptions  # type: ignore[attr-defined]
    except BaseException:
        return []
    if type(members) not in (tuple, list) or len(members) > MOST_LOOKED_AT:
        return []
    return list(members) if all(issubclass(type(member), BaseException) for member in members) else []


def _may_be_group(exc: BaseException) -> bool:
    # The backport's, which prints them on Python 3.10, are told by their attribute alone.
    return issubclass(type(exc), _GROUP) if _GROUP is not None else hasattr(type(exc), "exceptions")


def _name_of(exc: BaseException) -> str:
    try:
        return str.__str__(type(exc).__name__)
    except BaseException:  # a metaclass may have made a property of it
        return "an exception"
