"""Decide once, at import, whether the compiled modules run, and keep the choice whole.

``GASGI_EXTENSIONS``: ``auto`` (default: compiled if present), ``require`` (missing is an error), ``off`` (pure).
``gasgi/__init__.py`` imports this before any other module of the package. Imports no module of gasgi.
"""

from __future__ import annotations

import os
import sys
import warnings
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, FileFinder, SourceFileLoader
from importlib.util import find_spec

__all__ = [
    "IS_COMPILED",
    "MODE",
    "choose",
    "compiled_names",
    "expected_names",
    "implementation",
    "look_for_sources_only",
    "read_mode",
]

MODES = ("auto", "require", "off")


def read_mode() -> str:
    """Return the switch from the environment; raise ImportError for a misspelt value."""
    mode = os.environ.get("GASGI_EXTENSIONS") or "auto"
    if mode not in MODES:
        raise ImportError(f"GASGI_EXTENSIONS={mode!r}: choose one of {', '.join(MODES)}")
    return mode


def expected_names(directory: str) -> list[str]:
    """Return the modules that ought to be compiled, dotted below ``directory``: every .pyx, every .py with a .pxd."""
    files = _files(directory)
    pairs = {name[:-4] for name in files if name.endswith(".pyx")}
    augmented = {name[:-4] for name in files if name.endswith(".pxd") and name[:-4] + ".py" in files}
    return sorted(pairs | augmented)


def compiled_names(directory: str) -> set[str]:
    """Return the expected modules that this interpreter finds compiled."""
    files = _files(directory)
    return {name for name in expected_names(directory) if any(name + suffix in files for suffix in EXTENSION_SUFFIXES)}


def _files(directory: str) -> set[str]:
    """Return the files of the package and of its folders, a dot for each slash: ``http1.body.pxd``."""
    files: set[str] = set()
    for entry in os.scandir(directory):
        if entry.is_dir():
            files.update(f"{entry.name}.{name}" for name in os.listdir(entry.path))
        else:
            files.add(entry.name)
    return files


def choose(directory: str, mode: str) -> bool:
    """Return whether the compiled modules run. Half a set never does: they call each other through C."""
    if mode == "off":
        return False
    missing = sorted(set(expected_names(directory)) - compiled_names(directory))
    if not missing:
        return True
    if mode == "require":
        raise ImportError(
            f"GASGI_EXTENSIONS=require, but these modules are not compiled for this Python: {', '.join(missing)}. "
            "Install a wheel for this platform, or a C compiler and then: pip install --no-binary gasgi gasgi"
        )
    if compiled_names(directory):
        warnings.warn(
            f"gasgi runs its pure-Python version: not compiled for this Python: {', '.join(missing)}. "
            "Rebuild all of them.",
            RuntimeWarning,
            stacklevel=2,
        )
    return False


def look_for_sources_only(directory: str) -> None:
    """Make imports from ``directory`` and below find .py files only, so that compiled neighbours stay unused."""

    def hook(path: str) -> FileFinder:
        if path != directory and not path.startswith(directory + os.sep):
            raise ImportError(path)  # how a path hook says "not mine"
        return FileFinder(path, (SourceFileLoader, SOURCE_SUFFIXES))

    sys.path_hooks.insert(0, hook)
    sys.path_importer_cache.pop(directory, None)  # the default finder that found this very module


def implementation() -> dict[str, str]:
    """Return "compiled" or "pure" for each module that can be compiled, by the file it comes from."""
    found = {}
    for name in expected_names(_DIRECTORY):
        spec = find_spec(f"gasgi.{name}")
        origin = (spec and spec.origin) or ""  # the pyx of a pair has no module of its name when it is not compiled
        found[name] = "compiled" if origin.endswith(tuple(EXTENSION_SUFFIXES)) else "pure"
    return found


_DIRECTORY = os.path.dirname(__file__)
MODE = read_mode()
IS_COMPILED = choose(_DIRECTORY, MODE)
if not IS_COMPILED:
    look_for_sources_only(_DIRECTORY)
