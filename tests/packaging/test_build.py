"""What setup.py makes of the three modes, with a compiler, without one, and with one that fails half-way."""

from __future__ import annotations

import pytest

from tests.packaging.conftest import SUFFIX, run

NO_COMPILER = {"CC": "/nonexistent/cc"}
BROKEN = 'cdef extern from "no_such_header.h":\n    pass\n'


def compiled(tree):
    return sorted(path.name.removesuffix(SUFFIX) for path in tree.glob(f"src/gasgi/**/*{SUFFIX}"))


@pytest.mark.parametrize("mode", ["auto", "require"])
def test_compiles_each_pyx_and_each_py_with_a_pxd(small_tree, build_in_place, mode):
    built = build_in_place(GASGI_EXTENSIONS=mode)
    assert built.returncode == 0, built.stderr
    assert compiled(small_tree) == ["_pair", "state"]


def test_auto_without_a_compiler_gives_the_pure_version(small_tree, build_in_place):
    built = build_in_place(GASGI_EXTENSIONS="auto", **NO_COMPILER)
    assert built.returncode == 0, built.stderr
    assert compiled(small_tree) == []
    assert "gasgi: not compiled: gasgi._pair, gasgi.room.state; this build is the pure-Python version" in built.stderr
    used = run("-W", "error", "-c", "import gasgi.room.state as m; print(m.__file__)", cwd=small_tree / "src")
    assert used.stdout.strip().endswith("state.py"), used.stderr


def test_require_without_a_compiler_fails(small_tree, build_in_place):
    assert build_in_place(GASGI_EXTENSIONS="require", **NO_COMPILER).returncode != 0
    assert compiled(small_tree) == []


def test_auto_drops_every_module_when_one_does_not_compile(small_tree, build_in_place):
    (small_tree / "src/gasgi/_pair.pyx").write_text(BROKEN)
    built = build_in_place(GASGI_EXTENSIONS="auto")
    assert built.returncode == 0, built.stderr
    assert "gasgi: not compiled: gasgi._pair; this build is the pure-Python version" in built.stderr
    assert compiled(small_tree) == []


def test_auto_leaves_nothing_of_an_earlier_build_when_one_does_not_compile(small_tree, build_in_place):
    assert build_in_place(GASGI_EXTENSIONS="auto").returncode == 0
    (small_tree / "src/gasgi/_pair.pyx").write_text(BROKEN)
    assert build_in_place(GASGI_EXTENSIONS="auto").returncode == 0
    assert compiled(small_tree) == []
    assert not list(small_tree.glob(f"build/lib*/**/*{SUFFIX}"))


def test_deletes_the_compiled_module_whose_source_is_no_longer_compiled(small_tree, build_in_place):
    assert build_in_place(GASGI_EXTENSIONS="require").returncode == 0
    (small_tree / "src/gasgi/room/state.pxd").unlink()
    assert build_in_place(GASGI_EXTENSIONS="require").returncode == 0
    assert compiled(small_tree) == ["_pair"]


def test_off_gives_a_wheel_for_every_platform(small_tree):
    built = run(
        *("-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", "dist", "."),
        cwd=small_tree,
        GASGI_EXTENSIONS="off",
        **NO_COMPILER,
    )
    assert built.returncode == 0, built.stderr
    assert [path.name for path in small_tree.glob("dist/*.whl")] == ["gasgi-1.0-py3-none-any.whl"]


def test_refuses_a_misspelt_mode(build_in_place):
    built = build_in_place(GASGI_EXTENSIONS="of")
    assert built.returncode != 0
    assert "GASGI_EXTENSIONS='of': choose one of auto, require, off" in built.stderr
