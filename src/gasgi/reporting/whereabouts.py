"""Where the code of a task waits: the chain of awaits followed down to the innermost frame.

Looks from outside and changes nothing; tells files, lines and names of functions, and no values. No asyncio: tasks and
futures are known by what they have.
"""

from __future__ import annotations

import functools
import gc
import os
import sys
import sysconfig
import threading
import traceback
from collections.abc import Iterable, Iterator
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodType
from typing import Any, NamedTuple

__all__ = ["Place", "describe_place", "find_places"]

DEEPEST = 200  # awaits that are followed
MOST_TASKS = 50  # of one group that are looked at
OUR_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIBRARIES = tuple(
    {os.path.realpath(sysconfig.get_paths()[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    | {os.path.dirname(os.path.realpath(threading.__file__)), OUR_FOLDER}
)


class Place(NamedTuple):
    """A line that waits for the next one, or for the world."""

    filename: str
    line: int
    function: str

    def is_application(self) -> bool:
        """Whether it is neither of a library, of Python nor of this server."""
        name = self.filename
        if name.startswith("<") or "site-packages" in name or "dist-packages" in name:
            return False
        return not os.path.realpath(name).startswith(LIBRARIES)

    def short(self) -> str:
        """Name it: whole for the application, from the package on for a library."""
        name = self.filename
        if not self.is_application():
            for folder in ("site-packages", "dist-packages"):
                if folder in name:
                    name = name.rpartition(folder)[2].lstrip("/\\")
            for folder in LIBRARIES:
                if name.startswith(folder):
                    name = name[len(folder) :].lstrip("/\\")
        return f"{name}:{self.line} {self.function}"


def find_places(task: Any) -> list[Place]:
    """Return the places where ``task`` waits, the innermost last; those of the tasks and threads it waits for too."""
    return _Search().follow(task)


def describe_place(places: list[Place]) -> str:
    """Say in a line where the application waits; frames of libraries between are left out."""
    if not places:
        return "nowhere visible"
    innermost = places[-1]
    own = [place for place in places if place.is_application()]
    if not own:
        return " < ".join(place.short() for place in reversed(places[-3:]))
    last = own[-1]
    if last is innermost:
        chain = [place.short() for place in reversed(own[-3:])]
    else:
        chain = [innermost.short(), *(place.short() for place in reversed(own[-3:]))]
    return " < ".join(chain)


class _Search:
    def __init__(self) -> None:
        self._seen: set[int] = set()

    def follow(self, task: Any) -> list[Place]:
        if id(task) in self._seen:
            return []
        self._seen.add(id(task))
        coroutine = task.get_coro()
        frames = list(_frames(coroutine))
        places = [_place(frame) for frame in frames]
        waiter = getattr(task, "_fut_waiter", None)
        return places + self._behind(waiter, frames)

    def _behind(self, waiter: Any, frames: list[FrameType]) -> list[Place]:
        """Return where that is which the innermost of ``frames`` waits for, if it is a task or a thread."""
        if hasattr(waiter, "get_coro"):
            return self.follow(waiter)
        tasks = [each for each in getattr(waiter, "_children", ()) or () if _is_waiting_task(each)]
        for frame in reversed(frames) if not tasks else ():
            if _place(frame).is_application():
                break  # what the application keeps in its variables it need not wait for
            values = list(frame.f_locals.values())
            for value in values:
                if issubclass(type(value), threading.Thread) and (places := _places_of_thread(value.ident)):
                    return places
            tasks = [task for value in values for task in _tasks_in(value)]
            if tasks:
                break
            if places := _places_of_function(value for value in values if callable(value)):
                return places
        found: list[Place] = []
        for task in tasks[:MOST_TASKS]:
            places = self.follow(task)
            if any(place.is_application() for place in places):
                return places
            found = found or places
        return found


def _frames(coroutine: Any) -> Iterator[FrameType]:
    """Yield the frames of a coroutine and of all it awaits, the innermost last."""
    for _ in range(DEEPEST):
        if coroutine is None:
            return
        frame = _first(coroutine, "cr_frame", "gi_frame", "ag_frame")
        if isinstance(frame, FrameType):
            yield frame
        coroutine = _next(coroutine)


def _next(coroutine: Any) -> Any:
    for name in ("cr_await", "gi_yieldfrom", "ag_await"):
        if hasattr(coroutine, name):
            return getattr(coroutine, name)
    # What stands between an ``async for`` and its generator shows it to nobody but the collector.
    for inner in gc.get_referents(coroutine):
        if any(hasattr(inner, name) for name in ("cr_frame", "gi_frame", "ag_frame")):
            return inner
    return None


def _first(coroutine: Any, *names: str) -> Any:
    for name in names:
        if hasattr(coroutine, name):
            return getattr(coroutine, name)
    return None


def _place(frame: FrameType) -> Place:
    return Place(frame.f_code.co_filename, frame.f_lineno or frame.f_code.co_firstlineno, frame.f_code.co_name)


# Of what stands in variables only the type is asked: an object of the application's may do anything when it is asked
# for an attribute, as proxies and lazy objects do.


def _is_waiting_task(value: Any) -> bool:
    return hasattr(type(value), "get_coro") and not value.done()


def _tasks_in(value: Any) -> list[Any]:
    """Return the tasks that ``value`` is or holds: a collection of them, or a group."""
    if _is_waiting_task(value):
        return [value]
    members: Any = getattr(value, "_tasks", None) if type(value).__name__ == "TaskGroup" else value
    if type(members) in (set, list, tuple) and len(members) <= MOST_TASKS:
        return [task for task in tuple(members) if _is_waiting_task(task)]
    return []


def _places_of_function(functions: Iterable[Any]) -> list[Place]:
    """Return where a thread is that runs one of ``functions``, which a pool was given."""
    codes = {code for function in functions if (code := _code_of(function)) is not None}
    if not codes:
        return []
    for ident, frame in sys._current_frames().items():
        if ident != threading.get_ident() and any(each.f_code in codes for each, _ in traceback.walk_stack(frame)):
            return _places_of_thread(ident)
    return []


def _code_of(function: Any) -> CodeType | None:
    """Look through partials, also of ``context.run``, whose first argument is what runs."""
    for _ in range(5):
        kind = type(function)
        if kind is FunctionType:
            code: CodeType = function.__code__
            return code
        if kind is MethodType:
            function = function.__func__
        elif kind is functools.partial:
            is_builtin = type(function.func) is BuiltinFunctionType and function.args
            function = function.args[0] if is_builtin else function.func
        else:
            break
    return None


def _places_of_thread(ident: int | None) -> list[Place]:
    frame = sys._current_frames().get(ident or 0)
    if frame is None:
        return []
    return [_place(each) for each, _ in traceback.walk_stack(frame)][::-1]
