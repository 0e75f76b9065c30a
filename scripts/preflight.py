"""Say in one sentence what this machine lacks, before pip or the compiler says it in fifty lines.

Usage: preflight.py venv | compiler
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
import sysconfig


def lacks_venv() -> str:
    if sys.version_info < (3, 10):  # noqa: UP036  # PYTHON=… may name anything
        return f"gasgi needs Python 3.10 or newer and this is {sys.version.split()[0]}: make PYTHON=/path/to/python3.12"
    # Debian and Ubuntu ship the venv module without ensurepip, and it fails half-way.
    if not all(map(importlib.util.find_spec, ("venv", "ensurepip"))):
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        return f"{sys.executable} cannot make virtual environments: apt-get install python{version}-venv"
    return ""


def lacks_compiler() -> str:
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    if not shutil.which(compiler):
        return f"No C compiler ({compiler}): apt-get install build-essential. Only the pure version runs without one."
    header = os.path.join(sysconfig.get_path("include"), "Python.h")
    if not os.path.exists(header):
        return f"No C headers of Python ({header}): apt-get install python3-dev. Only the pure version runs without."
    return ""


def main() -> int:
    checks = {"venv": lacks_venv, "compiler": lacks_compiler}
    sentence = checks[sys.argv[1]]()
    if sentence:
        print(sentence, file=sys.stderr)
    return 1 if sentence else 0


if __name__ == "__main__":
    sys.exit(main())
