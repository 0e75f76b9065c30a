"""Print the newest interpreter found for each Python that gasgi supports, one path a line.

What is left out, and why, goes to stderr.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SUPPORTED = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
PROBE = """
import os, sys, sysconfig, venv, ensurepip
assert os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")), "no C headers"
assert sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED"), "not the default build"
print("%d.%d" % sys.version_info[:2], "%03d" % sys.version_info[2])
"""


def candidates() -> list[Path]:
    """Return every file that may be an interpreter: in PATH, and pyenv's versions, which PATH hides behind shims."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [Path(folder) / f"python{version}" for folder in os.get_exec_path() for version in SUPPORTED]
    found += [path for version in SUPPORTED for path in pyenv.glob(f"versions/{version}.*/bin/python{version}")]
    shims = pyenv / "shims"
    return [path for path in found if path.exists() and path.parent != shims]


def main() -> int:
    newest: dict[str, tuple[str, Path]] = {}
    for path in candidates():
        probe = subprocess.run([path, "-c", PROBE], capture_output=True, text=True)
        if probe.returncode:
            print(f"{path}: left out: {probe.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
            continue
        version, patch = probe.stdout.split()
        newest[version] = max(newest.get(version, ("", path)), (patch, path))
    for version in SUPPORTED:
        if version in newest:
            print(newest[version][1])
        else:
            print(f"Python {version}: none found", file=sys.stderr)
    return 0 if newest else 1


if __name__ == "__main__":
    sys.exit(main())
