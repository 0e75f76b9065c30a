"""Imports go strictly downwards through the table of docs/architecture.md, and each outside library has its place.

A row of the table lies above the next one, and in a row each module lies above those to its right.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "gasgi"
SOURCES = sorted(path for path in PACKAGE.iterdir() if path.suffix in (".py", ".pyx", ".pxd"))
# A module-level C variable of a .pxd: "cdef int A, B"; neither a class nor a function.
C_VARIABLES = re.compile(r"^cdef (?!class )[\w.]+(?: \w+)* (\w+(?:, \w+)*)$", re.MULTILINE)
CYTHON_IMPORT = re.compile(r"^\s*(?:from\s+(\S+)\s+)?c?import\s+([^#\n]+)", re.MULTILINE)


def layers() -> list[list[str]]:
    """Return the rows of the table, top first, each a list of module patterns."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = text.split("| layer | modules |")[1].split("\n\n")[0]
    return [re.findall(r"`([^`]+)`", row.split("|")[2]) for row in table.splitlines()[2:]]


LAYERS = layers()
ORDER = [pattern for row in LAYERS for pattern in row]


def height(module: str) -> int:
    """Return the place in the table counted from its top; twins share theirs."""
    places = [place for place, pattern in enumerate(ORDER) if fnmatch(module, pattern)]
    assert len(places) == 1, f"{module} stands {len(places)} times in the table of docs/architecture.md"
    return places[0]


def row_of(module: str) -> int:
    return next(number for number, row in enumerate(LAYERS) if any(fnmatch(module, pattern) for pattern in row))


def row_with(module: str) -> int:
    return next(number for number, row in enumerate(LAYERS) if module in row)


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (module, name) for each import, with relative ones made absolute and a name of "" for plain imports."""
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((alias.name, "") for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                module = ".".join(filter(None, ["gasgi" if node.level else "", node.module]))
                yield from ((module, alias.name) for alias in node.names)
        return
    for module, names in CYTHON_IMPORT.findall(path.read_text()):
        for name in names.strip("() \\").split(","):
            name = name.split(" as ")[0].strip()
            if module:
                yield ("gasgi" + module.rstrip(".") if module.startswith(".") else module), name
            else:
                yield name, ""


def own_imports(path: Path) -> set[str]:
    """Return the modules of gasgi that ``path`` imports."""
    found = set()
    for module, name in imports(path):
        if module.startswith("gasgi."):
            found.add(module.removeprefix("gasgi."))
        elif module == "gasgi" and (PACKAGE / f"{name}.py").exists():
            found.add(name)
        elif module == "gasgi" and name != "__version__":  # the package itself is there before any of its modules
            found.add("__init__")
    return found


def outside_imports(path: Path) -> set[str]:
    """Return the top-level packages that ``path`` imports or cimports."""
    return {module.partition(".")[0] for module, _ in imports(path)} - {"gasgi"}


def id_of(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("path", SOURCES, ids=id_of)
def test_imports_go_strictly_downwards(path):
    module = path.stem
    upward = {target for target in own_imports(path) if target != module and not height(target) > height(module)}
    assert not upward, f"{path.name} imports what does not lie below it"


@pytest.mark.parametrize("path", SOURCES, ids=id_of)
def test_a_twin_imports_no_other_accelerator(path):
    if row_of(path.stem) == row_with("_parser*"):
        assert not {target for target in own_imports(path) if target.startswith("_")}


@pytest.mark.parametrize("path", [path for path in SOURCES if path.suffix == ".py"], ids=id_of)
def test_imports_no_name_that_its_pxd_hides_in_c(path):
    """A "cdef int NAME" in a .pxd takes NAME away from Python, but only once the module is compiled."""
    hidden = {
        f"{module}.{name}"
        for module, name in imports(path)
        if module.startswith("gasgi.") and name in c_variables(PACKAGE / f"{module.removeprefix('gasgi.')}.pxd")
    }
    assert not hidden


def c_variables(path: Path) -> set[str]:
    if not path.exists():
        return set()
    return {name for names in C_VARIABLES.findall(path.read_text()) for name in names.split(", ")}


def test_tells_c_variables_from_other_declarations(tmp_path):
    pxd = tmp_path / "x.pxd"
    pxd.write_text(
        "cdef int A, B\ncdef long long C\ncdef class D:\n    cdef int e\ncdef int f(int g)\ncpdef h(i)\ncdef J K\n"
    )
    assert c_variables(pxd) == {"A", "B", "C", "K"}


def test_only_the_chooser_imports_accelerators():
    pattern = re.compile("_(parser|writer|ws_mask)(_py)?")
    # A .pxd is read by the compiler alone: where there is something to compile there is no choice left.
    modules = [path for path in SOURCES if path.suffix != ".pxd"]
    importers = {path.stem for path in modules for target in own_imports(path) if pattern.fullmatch(target)}
    assert importers - {target for target in importers if pattern.fullmatch(target)} == {"_accel"}


def test_only_the_worker_and_the_command_import_gunicorn():
    assert {path.stem for path in SOURCES if "gunicorn" in outside_imports(path)} <= {"worker", "cli"}


def test_only_the_parser_imports_httptools():
    assert {path.stem for path in SOURCES if "httptools" in outside_imports(path)} == {"_parser", "_parser_py"}


def test_asyncio_starts_where_connections_share():
    loops = {"asyncio", "uvloop", "aiofastnet"}
    lowest = row_with("runtime")
    assert not {path.name for path in SOURCES if loops & outside_imports(path) and row_of(path.stem) > lowest}


def test_only_connections_call_their_transport():
    """The server makes transports and hands them over; it has no connection's at hand to write to."""
    callers = set()
    for path in SOURCES:
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
                    holder = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
                    if holder.strip("_") == "transport":
                        callers.add(path.stem)
    assert "http_connection" in callers
    assert not {module for module in callers if row_of(module) != row_with("http_connection")}


def test_the_table_names_no_module_that_is_not_there():
    modules = {path.stem for path in SOURCES}
    assert not [pattern for pattern in ORDER if not any(fnmatch(module, pattern) for module in modules)]


def test_reads_every_way_to_import(tmp_path):
    source = "from gasgi import tables\nfrom .errors import A, B\ncimport cython\nfrom gasgi.flow cimport C # why\n"
    cython = tmp_path / "x.pyx"
    cython.write_text(source)
    assert own_imports(cython) == {"tables", "errors", "flow"}
    assert outside_imports(cython) == {"cython"}
    python = tmp_path / "x.py"
    python.write_text(
        "import asyncio.events\nimport gasgi.scope\nfrom . import types\ndef f():\n    from .flow import g\n"
    )
    assert own_imports(python) == {"scope", "types", "flow"}
    assert outside_imports(python) == {"asyncio"}
