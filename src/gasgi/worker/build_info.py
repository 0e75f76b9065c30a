"""Say which gasgi this is: versions, and which modules run compiled. For bug reports and for the line at boot.

Reads metadata and files' names: imports no gunicorn and no uvloop, makes no loop.
"""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from gasgi import __version__
from gasgi.compiled import IS_COMPILED, MODE, implementation
from gasgi.worker.loops import loop_name

__all__ = ["one_line", "report"]

LIBRARIES = ("gunicorn", "httptools", "uvloop", "aiofastnet")


def one_line(loop: object = None) -> str:
    """Return versions and implementation in one line; ``loop`` is the one that runs, None what ``auto`` would take."""
    name = type(loop).__module__.partition(".")[0] if loop is not None else loop_name("auto")
    kind = "compiled" if IS_COMPILED else "pure"
    loop_text = f"{name} {_version(name)}" if name in LIBRARIES else name
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"gasgi {__version__} ({kind}), {loop_text}, httptools {_version('httptools')}, {python}"


def report() -> str:
    """Return what a bug report needs, a line for each thing."""
    rows = [("gasgi", __version__), ("Python", f"{platform.python_implementation()} {sys.version}")]
    rows += [(name, _version(name)) for name in LIBRARIES]
    rows += [("platform", platform.platform()), ("asgi_loop=auto", loop_name("auto")), ("GASGI_EXTENSIONS", MODE)]
    modules = implementation()
    for kind in ("compiled", "pure"):
        rows.append((kind, ", ".join(name for name in modules if modules[name] == kind) or "none"))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:{width}}  {value}" for name, value in rows)


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"
