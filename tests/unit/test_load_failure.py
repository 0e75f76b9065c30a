"""Where the mistake of an application that does not load may be mended."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import pytest

from gasgi.worker.load_failure import LoadFailure


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


def fail(name: str) -> LoadFailure:
    """Load a module that does not load."""
    before = set(sys.modules)
    importlib.invalidate_caches()
    try:
        importlib.import_module(name)
    except BaseException as exc:
        return LoadFailure(exc, [])
    finally:
        for loaded in set(sys.modules) - before:
            del sys.modules[loaded]
    raise AssertionError(f"{name} loads")


@pytest.mark.parametrize("text", ["def broken(:\n", "undefined\n", "import no_such_module\n", "raise SystemExit\n"])
def test_the_broken_file_is_looked_at(folder, text):
    (folder / "broken_a.py").write_text(text)
    failure = fail("broken_a")
    assert failure.find_change() is None
    (folder / "broken_a.py").write_text(text + "# mended\n")
    assert failure.find_change() == str(folder / "broken_a.py")


def test_every_file_on_the_way_is_looked_at(folder):
    (folder / "outer_b.py").write_text("import inner_b\n")
    (folder / "inner_b.py").write_text("undefined\n")
    failure = fail("outer_b")
    (folder / "outer_b.py").write_text("\n")
    assert failure.find_change() == str(folder / "outer_b.py")


def test_an_error_that_became_another_is_looked_at_too(folder):
    text = "try:\n    import inner_c\nexcept Exception:\n    raise RuntimeError from None\n"
    (folder / "outer_c.py").write_text(text)
    (folder / "inner_c.py").write_text("undefined\n")
    failure = fail("outer_c")
    (folder / "inner_c.py").write_text("\n")
    assert failure.find_change() == str(folder / "inner_c.py")


def test_a_file_that_is_moved_away_and_comes_back_as_another_has_changed(folder):
    path = folder / "broken_d.py"
    path.write_text("undefined\n")
    failure = fail("broken_d")
    times = path.stat()
    path.rename(folder / "broken_d.py~")
    assert failure.find_change() == str(path)
    path.write_text("1 == 1   \n")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert failure.find_change() == str(path)


def test_a_file_that_the_application_misses_is_waited_for(folder):
    wanted = folder / "settings.toml"
    (folder / "broken_e.py").write_text(f"open({str(wanted)!r})\n")
    failure = fail("broken_e")
    assert failure.find_change() is None
    wanted.write_text("")
    assert failure.find_change() == str(wanted)


@pytest.mark.parametrize("path", ["wanted_f.py", "wanted_f/__init__.py"])
def test_a_module_that_is_missing_is_waited_for(folder, path):
    failure = fail("wanted_f")
    assert failure.find_change() is None
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_text("")
    assert failure.find_change() == "wanted_f"


def test_a_module_that_is_missing_in_a_package_is_waited_for(folder):
    (folder / "package_g").mkdir()
    (folder / "package_g" / "__init__.py").write_text("import sys\nsys.loaded_g = True\n")
    failure = fail("package_g.wanted")
    del sys.loaded_g
    assert failure.find_change() is None
    (folder / "package_g" / "wanted.py").write_text("")
    assert failure.find_change() == "package_g.wanted"
    assert not hasattr(sys, "loaded_g"), "looking is not loading"


def test_a_package_that_is_missing_as_a_whole_is_waited_for(folder):
    failure = fail("package_h.wanted")
    assert failure.find_change() is None
    (folder / "package_h").mkdir()
    (folder / "package_h" / "__init__.py").write_text("")
    assert failure.find_change() == "package_h"


def test_a_name_that_a_module_lacks_is_looked_for_in_its_file(folder):
    (folder / "outer_i.py").write_text("from inner_i import wanted\n")
    (folder / "inner_i.py").write_text("")
    failure = fail("outer_i")
    (folder / "inner_i.py").write_text("wanted = 1\n")
    assert failure.find_change() == str(folder / "inner_i.py")


def test_files_of_loaded_modules_are_looked_at(folder):
    loaded = folder / "loaded_j.py"
    loaded.write_text("")
    importlib.import_module("loaded_j")
    failure = LoadFailure(ValueError(), [])
    del sys.modules["loaded_j"]
    assert failure.find_change() is None
    loaded.write_text("changed = 1\n")
    assert failure.find_change() == str(loaded)


def test_files_that_the_user_names_are_looked_at(folder):
    extra = folder / "page.html"
    failure = LoadFailure(ValueError(), [str(extra), "\0"])
    assert failure.find_change() is None
    extra.write_text("")
    assert failure.find_change() == str(extra)


def test_errors_that_go_round_in_circles_are_looked_at_once():
    first, second = ValueError(), ValueError()
    first.__cause__, second.__context__ = second, first
    assert LoadFailure(first, []).find_change() is None
