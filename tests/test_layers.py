"""Imports go strictly downwards through the rooms of docs/architecture.md, and each outside library has its place.

A room is a folder of the package; the modules of the package itself are in two rooms, the front and the base.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "gasgi"
SOURCES = sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".pyx", ".pxd"))
# A module-level C variable of a .pxd: "cdef int A, B"; neither a class nor a function.
C_VARIABLES = re.compile(r"^cdef (?!class )[\w.]+(?: \w+)* (\w+(?:, \w+)*)$", re.MULTILINE)
CYTHON_IMPORT = re.compile(r"^\s*(?:from\s+(\S+)\s+)?c?import\s+([^#\n]+)", re.MULTILINE)
ACCELERATOR = re.compile("_(hpack|parser|writer|ws_mask)(_py)?")


def table(header: str) -> list[list[str]]:
    """Return the cells of the rows below ``header`` in docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    rows = text.split(f"{header}\n")[1].split("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def name_of(path: Path) -> str:
    """Return the name of a module below gasgi, as the table writes it: ``http1/body``."""
    return str(path.relative_to(PACKAGE).with_suffix(""))


# Rooms in one row stand side by side: neither imports the other.
ROOMS = [re.findall(r"\w+", row[0].replace("`", "")) for row in table("| room | what is in it | rule |")]
DESCRIBED = [name for row in table("| module | job |") for name in re.findall(r"`([^`]+)`", row[0])]
FRONT = {"__init__", "__main__", "cli", "command_line", "console", "gunicorn_app", "top"}


def room_of(module: str) -> str:
    folder, slash, _ = module.rpartition("/")
    return folder if slash else "front" if module in FRONT else "base"


def height(module: str) -> int:
    """Return how far below the top the room of ``module`` is."""
    (place,) = (place for place, rooms in enumerate(ROOMS) if room_of(module) in rooms)
    return place


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
            found.add(module.removeprefix("gasgi.").replace(".", "/"))
        elif module == "gasgi" and (PACKAGE / f"{name}.py").exists():
            found.add(name)
        elif module == "gasgi" and name != "__version__":  # the package itself is there before any of its modules
            found.add("__init__")
    return found


def outside_imports(path: Path) -> set[str]:
    """Return the top-level packages that ``path`` imports or cimports."""
    return {module.partition(".")[0] for module, _ in imports(path)} - {"gasgi"}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_go_strictly_downwards(path):
    module = name_of(path)
    others = {target for target in own_imports(path) if room_of(target) != room_of(module)}
    assert not {target for target in others if height(target) <= height(module)}, f"{module} imports from above"


def test_no_two_modules_of_a_room_import_each_other():
    graph: dict[str, set[str]] = {}
    for path in SOURCES:
        module = name_of(path)
        graph.setdefault(module, set()).update(own_imports(path) - {module})
    list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


def test_a_twin_imports_no_other_accelerator():
    for path in SOURCES:
        if ACCELERATOR.fullmatch(path.stem):
            assert not [target for target in own_imports(path) - {path.stem} if target.startswith("_")]


@pytest.mark.parametrize("path", [path for path in SOURCES if path.suffix == ".py"], ids=name_of)
def test_imports_no_name_that_its_pxd_hides_in_c(path):
    """A "cdef int NAME" in a .pxd takes NAME away from Python, but only once the module is compiled."""
    hidden = {
        f"{module}.{name}"
        for module, name in imports(path)
        if module.startswith("gasgi.")
        and name in c_variables(PACKAGE / (module.removeprefix("gasgi.").replace(".", "/") + ".pxd"))
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
    # A .pxd is read by the compiler alone: where there is something to compile there is no choice left.
    modules = [path for path in SOURCES if path.suffix != ".pxd"]
    importers = {name_of(path) for path in modules for target in own_imports(path) if ACCELERATOR.fullmatch(target)}
    assert {name for name in importers if not ACCELERATOR.fullmatch(name)} == {"_accel"}


def importers_of(*libraries: str) -> set[str]:
    return {name_of(path) for path in SOURCES if outside_imports(path) & set(libraries)}


def test_only_the_worker_and_the_command_import_gunicorn():
    assert importers_of("gunicorn") <= {"worker/process", "worker/tls", "command_line", "gunicorn_app"}


def test_only_the_parser_imports_httptools():
    assert importers_of("httptools") == {"_parser", "_parser_py"}


def test_asyncio_starts_where_connections_share():
    users = importers_of("asyncio", "uvloop", "aiofastnet")
    assert {name for name in users if height(name) > height("serving/runtime")} == {"proxy/socket"}


def test_only_connections_call_their_transport():
    """The server makes transports and hands them over; it has no connection's at hand to write to.

    worker/wire holds one until it is known whose it is.
    """
    callers = set()
    for path in SOURCES:
        if path.suffix == ".py" and name_of(path) != "worker/wire":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
                    holder = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
                    if holder.strip("_") == "transport":
                        callers.add(room_of(name_of(path)))
    assert callers == {"http1", "http2", "websocket", "serving"}


def test_every_module_is_described_once_and_no_other():
    modules = sorted({name_of(path) for path in SOURCES if path.name != "__init__.py"} | {"__init__"})
    places = {module: sum(fnmatch(module, pattern) for pattern in DESCRIBED) for module in modules}
    assert {module: count for module, count in places.items() if count != 1} == {}
    assert [pattern for pattern in DESCRIBED if not any(fnmatch(module, pattern) for module in modules)] == []


def test_every_room_says_what_it_is_for():
    folders = {
        path.parent.name: ast.get_docstring(ast.parse(path.read_text())) for path in PACKAGE.glob("*/__init__.py")
    }
    assert {folder for folder, text in folders.items() if not text} == set()
    assert {room for rooms in ROOMS for room in rooms} == {"front", "base", *folders}


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
