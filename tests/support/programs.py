"""Programs that some tests run besides Python and a C compiler, and what to install where one is missing.

Needs the standard library alone: the Makefile and .ci/run ask before there is an environment.
Usage: python3 -m tests.support.programs [--packages] [NAME...]: fail and say which are missing, or list their packages
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection, Iterable

__all__ = ["PROGRAMS", "MissingProgram", "declare", "find_program"]

# The package of Debian and Ubuntu, and the names that the program goes by.
PROGRAMS = {
    "nginx": ("nginx-light", ("nginx",)),
    "haproxy": ("haproxy", ("haproxy",)),
    "apache2": ("apache2-bin", ("apache2", "httpd")),  # without the daemon that would take port 80
    "wrk": ("wrk", ("wrk",)),
    "chromium": ("chromium", ("chromium", "google-chrome", "chromium-browser")),
}
# Where daemons are, which the PATH of an ordinary user leaves out.
_MORE_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/opt/homebrew/bin")

_declared: Collection[str] | None = None


class MissingProgram(AssertionError):
    """Says what to install."""


def find_program(name: str) -> str:
    """Return the path of one of ``PROGRAMS``; raise MissingProgram, or fail a test whose marker does not name it."""
    if _declared is not None and name not in _declared:
        raise AssertionError(f'this test runs {name}: mark it with @pytest.mark.needs_program("{name}")')
    path = _look_for(name)
    if path is None:
        raise MissingProgram(_sentence([name]))
    return path


def declare(names: Collection[str] | None) -> None:
    """From here on find only ``names``: what the test that begins is marked with. None: anything."""
    global _declared
    _declared = names


def _look_for(name: str) -> str | None:
    folders = os.pathsep.join((os.environ.get("PATH", os.defpath), *_MORE_FOLDERS))
    return next(filter(None, (shutil.which(alias, path=folders) for alias in PROGRAMS[name][1])), None)


def _sentence(missing: Iterable[str]) -> str:
    names = list(missing)
    packages = " ".join(PROGRAMS[name][0] for name in names)
    return f"These tests run {', '.join(names)}, not installed here: apt-get install {packages}"


def main(arguments: list[str]) -> int:
    names = [argument for argument in arguments if argument != "--packages"] or list(PROGRAMS)
    missing = [name for name in names if _look_for(name) is None]
    if "--packages" in arguments:
        print(*(PROGRAMS[name][0] for name in missing))
    elif missing:
        print(_sentence(missing), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
