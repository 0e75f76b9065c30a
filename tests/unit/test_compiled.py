"""The switch between compiled and pure, on directories made for it; the built package is in tests/packaging."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import sysconfig
from importlib.machinery import EXTENSION_SUFFIXES

import pytest

from gasgi import compiled

SUFFIX = EXTENSION_SUFFIXES[0]


@pytest.fixture
def package(tmp_path):
    """A package of one pair, one augmented module in a folder and one that is never compiled."""
    (tmp_path / "room").mkdir()
    for name in ("_pair.pyx", "_pair_py.py", "room/state.py", "room/state.pxd", "plain.py", "room/shared.pxd"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.fixture
def compiled_package(package):
    for name in ("_pair", "room/state"):
        (package / f"{name}{SUFFIX}").touch()
    return package


def test_expects_each_pyx_and_each_py_with_a_pxd(package):
    assert compiled.expected_names(package) == ["_pair", "room.state"]


def test_counts_no_module_of_another_python(package):
    (package / "room" / "state.cpython-399-x86_64-linux-gnu.so").touch()
    assert compiled.compiled_names(package) == set()


@pytest.mark.parametrize("mode", ["auto", "require"])
def test_runs_compiled_when_everything_is(compiled_package, mode):
    assert compiled.choose(compiled_package, mode)


def test_off_runs_pure_although_everything_is_compiled(compiled_package):
    assert not compiled.choose(compiled_package, "off")


@pytest.mark.filterwarnings("error")
def test_auto_runs_pure_without_a_word_when_nothing_is_compiled(package):
    assert not compiled.choose(package, "auto")


def test_auto_runs_pure_and_says_so_when_half_is_compiled(compiled_package):
    (compiled_package / "room" / f"state{SUFFIX}").unlink()
    with pytest.warns(RuntimeWarning, match="not compiled for this Python: room.state"):
        assert not compiled.choose(compiled_package, "auto")


def test_require_names_what_is_missing_and_what_to_do(compiled_package):
    (compiled_package / f"_pair{SUFFIX}").unlink()
    with pytest.raises(ImportError, match=r"not compiled for this Python: _pair\. .*C compiler"):
        compiled.choose(compiled_package, "require")


@pytest.mark.parametrize("value", ["", "auto"])
def test_auto_is_the_default(monkeypatch, value):
    monkeypatch.setenv("GASGI_EXTENSIONS", value)
    assert compiled.read_mode() == "auto"


def test_refuses_a_misspelt_mode(monkeypatch):
    monkeypatch.setenv("GASGI_EXTENSIONS", "of")
    with pytest.raises(ImportError, match="GASGI_EXTENSIONS='of': choose one of auto, require, off"):
        compiled.read_mode()


@pytest.fixture
def two_directories(tmp_path, monkeypatch):
    """Two import directories, each with a module that stands beside a compiled file that cannot load."""
    for folder in ("ours", "theirs"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"twin_of_{folder}.py").write_text("ORIGIN = 'source'")
        (tmp_path / folder / f"twin_of_{folder}{SUFFIX}").write_bytes(b"no shared object")
        monkeypatch.syspath_prepend(tmp_path / folder)
    monkeypatch.setattr(sys, "path_hooks", [*sys.path_hooks])
    yield tmp_path
    for folder in ("ours", "theirs"):
        sys.modules.pop(f"twin_of_{folder}", None)
        sys.path_importer_cache.pop(str(tmp_path / folder), None)


def test_finds_sources_only_in_the_directory_it_is_told(two_directories):
    compiled.look_for_sources_only(str(two_directories / "ours"))
    assert importlib.import_module("twin_of_ours").ORIGIN == "source"
    with pytest.raises(ImportError):
        importlib.import_module("twin_of_theirs")


def test_finds_sources_only_in_folders_below_it(two_directories, monkeypatch):
    room = two_directories / "ours" / "room_of_ours"
    room.mkdir()
    (room / "__init__.py").touch()
    (room / "state.py").write_text("ORIGIN = 'source'")
    (room / f"state{SUFFIX}").write_bytes(b"no shared object")
    compiled.look_for_sources_only(str(two_directories / "ours"))
    for name in ("room_of_ours", "room_of_ours.state"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert importlib.import_module("room_of_ours.state").ORIGIN == "source"


def test_goes_on_finding_sources_only_after_the_import_caches_were_cleared(two_directories):
    compiled.look_for_sources_only(str(two_directories / "ours"))
    importlib.invalidate_caches()
    sys.path_importer_cache.clear()
    assert importlib.import_module("twin_of_ours").ORIGIN == "source"


def test_reports_the_implementation_that_runs():
    kinds = compiled.implementation()
    assert list(kinds) == compiled.expected_names(compiled._DIRECTORY)
    assert set(kinds.values()) == {"compiled" if compiled.IS_COMPILED else "pure"}


def test_every_expected_module_comes_from_where_the_report_says():
    for name, kind in compiled.implementation().items():
        if kind == "compiled" or not name.startswith("_"):
            origin = importlib.import_module(f"gasgi.{name}").__file__
            assert origin.endswith(".py") == (kind == "pure"), origin


def test_the_gil_stays_as_this_python_has_it():
    modules = "sys, gasgi.worker.process, gasgi.http1.connection"
    code = f"import {modules}; print(getattr(sys, '_is_gil_enabled', lambda: True)())"
    environ = {name: value for name, value in os.environ.items() if name != "PYTHON_GIL"}
    asked = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code], env=environ, capture_output=True, text=True
    )
    assert asked.stdout == f"{not sysconfig.get_config_var('Py_GIL_DISABLED')}\n", asked.stderr
