"""Compile gasgi with AddressSanitizer and UndefinedBehaviorSanitizer beside the usual build, and run tests on it.

    python scripts/sanitize.py PYTEST-ARGUMENTS

A read beyond an end, a use after free or a number that wraps round aborts the test process with a report. Python's own
allocator would hide most of them, so malloc takes its place. Needs gcc with its libasan and libubsan, as Debian's has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "sanitize"
NEEDED = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "src")

# Python is compiled with -fwrapv, under which a sum that wraps round is no error.
SANITIZE = "-fsanitize=address,undefined"
FLAGS = f"-O1 -g -fno-wrapv -fno-omit-frame-pointer -fno-sanitize-recover=undefined {SANITIZE}"

# Tests of what the sanitizers change: malloc's habits, and what ten thousand requests take.
UNFIT = (
    "tests/unit/test_malloc.py",
    "tests/connection/http1/test_pipelining.py::test_a_burst_of_ten_thousand_is_answered_in_few_writes",
)


def main(arguments: list[str]) -> int:
    build()
    environment = os.environ | {
        "GASGI_EXTENSIONS": "require",
        "PYTHONPATH": str(BUILD / "src"),
        "PYTHONMALLOC": "malloc",
        "LD_PRELOAD": f"{library('libasan.so')} {library('libubsan.so')}",
        "ASAN_OPTIONS": "detect_leaks=0",  # what Python keeps until its end is no leak
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    check = "import gasgi, gasgi._parser as m; assert m.__file__.startswith(__import__('sys').argv[1]), m.__file__"
    subprocess.run([sys.executable, "-c", check, str(BUILD)], env=environment, check=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        *(f"--deselect={test}" for test in UNFIT),
        *arguments,
    ]
    return subprocess.run(command, cwd=ROOT, env=environment).returncode


def build() -> None:
    """Copy the sources, so that the modules in ``src`` stay what they are, and compile the copy in place."""
    BUILD.mkdir(parents=True, exist_ok=True)
    kept = shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info")
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, BUILD / name, ignore=kept, dirs_exist_ok=True)
        else:
            shutil.copy2(source, BUILD / name)
    environment = os.environ | {"GASGI_EXTENSIONS": "require", "CFLAGS": FLAGS, "LDFLAGS": SANITIZE}
    subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=BUILD, env=environment, check=True)


def library(name: str) -> str:
    """Find what the compiler links with: it has to be loaded before Python."""
    compiler = (sysconfig.get_config_var("CC") or "gcc").split()[0]
    found = subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout
    path = Path(found.strip())
    if not path.is_absolute():
        raise SystemExit(f"{compiler} has no {name}: make sanitize needs gcc with its sanitizers")
    return str(path.resolve())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
