"""An application that does not load, under ``--reload``: where its mistake can be fixed, and whether it has been.

gunicorn's reloaders watch the modules that are loaded. A module that failed to load is none of them, a file that is
missing at the moment cannot be watched, and what changes before a reloader looks for the first time is not seen.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from importlib.machinery import PathFinder
from types import ModuleType

__all__ = ["LoadFailure"]

Seen = tuple[object, ...]


class LoadFailure:
    """``exc`` came up while the application was loaded; ``extra_files`` are what the user wants watched besides."""

    def __init__(self, exc: BaseException, extra_files: Iterable[str]) -> None:
        files = {*extra_files, *(module.__file__ for module in _loaded() if module.__file__)}
        modules: set[str] = set()
        for each in _chain(exc):
            files.update(_files_of(each))
            if isinstance(each, ModuleNotFoundError) and each.name:
                modules.add(each.name)
        self._files = {name: _look_at_file(name) for name in files}
        self._modules = {name: _look_for_module(name) for name in modules}

    def find_change(self) -> str | None:
        """Return the name of a file or module that is no longer as it was; None: all are."""
        for name, seen in self._files.items():
            if _look_at_file(name) != seen:
                return name
        for name, seen in self._modules.items():
            if _look_for_module(name) != seen:
                return name
        return None


def _loaded() -> list[ModuleType]:
    # Whatever a program has put there.
    return [module for module in tuple(sys.modules.values()) if isinstance(getattr(module, "__file__", None), str)]


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """Yield ``exc`` and what it was raised from, or while handling; each once."""
    waiting: list[BaseException] = [exc]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting.extend(other for other in (each.__cause__, each.__context__) if other is not None)


def _files_of(exc: BaseException) -> set[str]:
    """Return the files that ``exc`` has to do with, also those that are not there."""
    names: list[object] = [frame.filename for frame in traceback.extract_tb(exc.__traceback__)]
    if isinstance(exc, (SyntaxError, OSError)):
        names.append(exc.filename)
    if isinstance(exc, ImportError):
        names.append(exc.path)
    # Code that was frozen or made at run time says so in brackets.
    return {os.path.abspath(name) for name in names if isinstance(name, str) and not name.startswith("<")}


def _look_at_file(name: str) -> Seen:
    try:
        found = os.stat(name)
    except (OSError, ValueError):
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _look_for_module(name: str) -> Seen:
    """Say how far the way to a module leads, without loading what is on it."""
    importlib.invalidate_caches()
    way: list[str | None] = []
    path: list[str] | None = None
    parts = name.split(".")
    for i in range(len(parts)):
        package = ".".join(parts[: i + 1])
        spec = getattr(sys.modules.get(package), "__spec__", None) or PathFinder.find_spec(package, path)
        if spec is None:
            break
        way.append(spec.origin)
        if spec.submodule_search_locations is None:
            break
        path = list(spec.submodule_search_locations)
        way.extend(path)
    return tuple(way)
