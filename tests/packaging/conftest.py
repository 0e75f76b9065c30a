"""Build trees for the packaging tests. They set GASGI_EXTENSIONS themselves, whatever the suite runs with."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from zipfile import ZipFile

import pytest

from gasgi.compiled import expected_names

ROOT = Path(__file__).resolve().parents[2]
SUFFIX = EXTENSION_SUFFIXES[0]
BUILD_FILES = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
Run = subprocess.CompletedProcess


def run(*command: str | Path, cwd: Path, **variables: str) -> Run[str]:
    """Run with the switch and the compiler as ``variables`` say; quick, unoptimised code unless they say otherwise."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GASGI_")}
    environment |= {"CFLAGS": "-O0 -g0"} | variables
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=1200
    )


def copy_build_files(tree: Path) -> None:
    for name in BUILD_FILES:
        shutil.copy2(ROOT / name, tree)


@pytest.fixture
def small_tree(tmp_path: Path) -> Path:
    """The real build files and the real switch around two small modules, one in a folder, that compile in a second."""
    copy_build_files(tmp_path)
    package = tmp_path / "src" / "gasgi"
    (package / "room").mkdir(parents=True)
    shutil.copy2(ROOT / "src" / "gasgi" / "compiled.py", package)
    (package / "__init__.py").write_text("from gasgi import compiled\n__version__ = '1.0'\n")
    (package / "room" / "__init__.py").touch()
    (package / "room" / "state.py").write_text("class State:\n    def __init__(self):\n        self.count = 1\n")
    (package / "room" / "state.pxd").write_text("cdef class State:\n    cdef public int count\n")
    (package / "_pair.pyx").write_text("def twice(int number):\n    return 2 * number\n")
    (package / "_pair_py.py").write_text("def twice(number):\n    return 2 * number\n")
    return tmp_path


@pytest.fixture
def build_in_place(small_tree: Path) -> Callable[..., Run[str]]:
    def build(**variables: str) -> Run[str]:
        return run("setup.py", "build_ext", "--inplace", cwd=small_tree, **variables)

    return build


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this platform, built by the first process that asks for it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with open(shared / "wheel.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "wheel").exists():
            build_wheel(tmp_path_factory.mktemp("tree")).rename(shared / "wheel")
    (path,) = (shared / "wheel").glob("*.whl")
    return path


def build_wheel(tree: Path) -> Path:
    """Return the folder with the wheel.

    What the working tree has compiled already is taken along, and compiled again only where a source is newer.
    """
    copy_build_files(tree)
    shutil.copytree(ROOT / "src", tree / "src", ignore=shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info"))
    for name in expected_names(str(ROOT / "src" / "gasgi")):
        place = name.replace(".", "/")
        for path in [*ROOT.glob(f"build/cython/src/gasgi/{place}.c"), *ROOT.glob(f"build/lib.*/gasgi/{place}{SUFFIX}")]:
            copy = tree / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
    built = run(
        *("-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", "dist", "."),
        cwd=tree,
        GASGI_EXTENSIONS="require",
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return tree / "dist"


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Path:
    """A directory with the unpacked wheel, free to be damaged."""
    with ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    return tmp_path
