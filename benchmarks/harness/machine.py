"""What a results file says of where and with what it was measured."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import ssl
import subprocess
from typing import Any

from harness.load import HERE

__all__ = ["commit", "describe", "program_version", "version"]

_PROGRAMS = {"wrk": "-v", "h2load": "--version", "nginx": "-v"}  # and how each is asked for its version
_DISTRIBUTIONS = ["gasgi", "gunicorn", "gunicorn_h1c", "granian", "peregrine-server", "h2corn", "uvicorn", "zttp"]
_DISTRIBUTIONS += ["uvicorn-worker", "hypercorn", "httptools", "h2", "uvloop", "aiofastnet", "picows", "websockets"]
_DISTRIBUTIONS += ["fastapi", "starlette", "pydantic"]


def commit() -> str:
    """The commit of the working tree, with ``-dirty`` when source or benchmark files differ from it."""
    name = _git("rev-parse", "--short=10", "HEAD") or "unknown"
    return name + ("-dirty" if _git("status", "--porcelain", "--", "src", "benchmarks/*.py", "setup.py") else "")


def describe() -> dict[str, Any]:
    """Date, commit, versions and machine."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "versions": {
            "python": platform.python_version(),
            "openssl": ssl.OPENSSL_VERSION,
            **{name: found for name, flag in _PROGRAMS.items() if (found := program_version(name, flag))},
            **{name: found for name in _DISTRIBUTIONS if (found := version(name))},
        },
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
            "kernel": platform.platform(),
            "load_before": os.getloadavg(),
        },
    }


def version(name: str) -> str | None:
    """The installed version of a distribution; None when it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def program_version(name: str, flag: str) -> str | None:
    """The version that an installed program names itself; None when it is not installed."""
    try:
        done = subprocess.run([name, flag], capture_output=True, text=True, check=False)
    except OSError:
        return None
    # wrk and h2load name themselves first, nginx says "nginx version: nginx/1.22.1".
    named = (done.stdout or done.stderr).partition("[")[0].split(name)[-1]
    return named.split("\n")[0].strip(" /:") or None


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=HERE.parent, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()
