"""Say which gasgi this is: versions, and which modules run compiled. For bug reports and for the line at boot.

Reads metadata only: imports neither gunicorn nor an event loop, so it can be asked in gunicorn's master.
"""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from gasgi import __version__
from gasgi.extensions import IS_COMPILED, MODE, implementation

__all__ = ["auto_loop", "one_line", "report"]

LIBRARIES = ("gunicorn", "httptools", "uvloop", "aiofastnet")


def auto_loop() -> str:
    """Return the event loop that ``asgi_loop = "auto"`` takes."""
    return "uvloop" if find_spec("uvloop") else "asyncio"


def one_line(loop: str = "") -> str:
    """Return versions and implementation in one line; ``loop`` is the one that runs, otherwise what ``auto`` takes."""
    loop = loop or auto_loop()
    kind = "compiled" if IS_COMPILED else "pure"
    loop_text = f"{loop} {_version(loop)}" if loop in LIBRARIES else loop
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"gasgi {__version__} ({kind}), {loop_text}, httptools {_version('httptools')}, {python}"


def report() -> str:
    """Return what a bug report needs, a line for each thing."""
    rows = [("gasgi", __version__), ("Python", f"{platform.python_implementation()} {sys.version}")]
    rows += [(name, _version(name)) for name in LIBRARIES]
    rows += [("platform", platform.platform()), ("asgi_loop=auto", auto_loop()), ("GASGI_EXTENSIONS", MODE)]
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
