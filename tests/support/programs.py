"""Programs that some tests run besides Python and a C compiler, and what to install where one is missing.

Needs the standard library alone: the Makefile and .ci/run ask before there is an environment.
Usage: python3 -m tests.support.programs [--packages] [NAME...]: fail and say which are missing, or list their packages
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection, Iterable

__all__ = ["PROGRAMS", "declare", "find_program", "missing_programs", "packages_of", "what_to_install"]

# The package of Debian and Ubuntu, and the names that the program goes by.
PROGRAMS = {
    "nginx": ("nginx-light", ("nginx",)),
    "haproxy": ("haproxy", ("haproxy",)),
    "apache2": ("apache2-bin", ("apache2", "httpd")),  # without the daemon that would take port 80
    "wrk": ("wrk", ("wrk",)),
    "curl": ("curl", ("curl",)),
    "nghttp": ("nghttp2-client", ("nghttp",)),
    "h2load": ("nghttp2-client", ("h2load",)),
    "systemd-analyze": ("systemd", ("systemd-analyze",)),
    "chromium": ("chromium", ("chromium", "google-chrome", "chromium-browser")),
    "prometheus": ("prometheus", ("prometheus",)),
}
# Where daemons are, which the PATH of an ordinary user leaves out.
_MORE_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/opt/homebrew/bin")

_declared: Collection[str] | None = None


def find_program(name: str) -> str:
    """Return the path of one of ``PROGRAMS``; fail where it is missing, or in a test whose marker does not name it."""
    assert _declared is None or name in _declared, (
        f'this test runs {name}: mark it with @pytest.mark.needs_program("{name}")'
    )
    path = _look_for(name)
    assert path is not None, what_to_install([name])
    return path


def declare(names: Collection[str] | None) -> None:
    """From here on find only ``names``: what the test that begins is marked with. None: anything."""
    global _declared
    _declared = names


def missing_programs(names: Iterable[str]) -> list[str]:
    """Return those of ``names`` that are not installed."""
    return [name for name in names if _look_for(name) is None]


def what_to_install(missing: Collection[str]) -> str:
    """Say in one sentence what is missing and in which packages it is."""
    packages = " ".join(packages_of(missing))
    return f"These tests run {', '.join(missing)}, not installed here: apt-get install {packages}"


def packages_of(names: Iterable[str]) -> list[str]:
    """Return their packages, each once."""
    return list(dict.fromkeys(PROGRAMS[name][0] for name in names))


def _look_for(name: str) -> str | None:
    folders = os.pathsep.join((os.environ.get("PATH", os.defpath), *_MORE_FOLDERS))
    return next(filter(None, (shutil.which(alias, path=folders) for alias in PROGRAMS[name][1])), None)


def main(arguments: list[str]) -> int:
    missing = missing_programs([name for name in arguments if name != "--packages"] or PROGRAMS)
    if "--packages" in arguments:
        print(*packages_of(missing))
    elif missing:
        print(what_to_install(missing), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
