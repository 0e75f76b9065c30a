"""What the sdist and the wheel contain, and what the installed package does when its compiled modules are damaged."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from configparser import ConfigParser
from email.parser import Parser
from zipfile import ZipFile

import pytest

import gasgi
from gasgi.compiled import expected_names
from tests.packaging.conftest import ROOT, SUFFIX, copy_build_files, run

PACKAGE = ROOT / "src/gasgi"
SOURCE_NAMES = {
    str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*") if path.suffix in (".py", ".pyx", ".pxd", ".typed")
}
SHOW = "from gasgi.compiled import implementation; import gasgi._accel; print(sorted(set(implementation().values())))"


def ask(installed, mode, *options):
    return run(*options, "-c", SHOW, cwd=installed, GASGI_EXTENSIONS=mode, PYTHONPATH=str(installed))


def test_wheel_carries_sources_and_compiled_modules(wheel):
    with ZipFile(wheel) as archive:
        names = {name.removeprefix("gasgi/") for name in archive.namelist() if name.startswith("gasgi/")}
    assert names == SOURCE_NAMES | {name.replace(".", "/") + SUFFIX for name in expected_names(PACKAGE)}


def test_wheel_is_named_and_numbered_as_the_package(wheel):
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    assert (metadata["Name"], metadata["Version"]) == ("gasgi", gasgi.__version__)
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.10"


def test_every_link_of_the_description_is_absolute_and_leads_to_what_exists(tmp_path):
    copy_build_files(tmp_path)
    (tmp_path / "src" / "gasgi").mkdir(parents=True)
    (tmp_path / "src" / "gasgi" / "__init__.py").write_text("__version__ = '1.0'\n")
    built = run("setup.py", "-q", "egg_info", cwd=tmp_path, GASGI_EXTENSIONS="off")
    assert built.returncode == 0, built.stderr
    text = (tmp_path / "src" / "gasgi.egg-info" / "PKG-INFO").read_text()
    metadata = Parser().parsestr(text)
    urls = dict(line.split(", ", 1) for line in metadata.get_all("Project-URL"))
    links = re.findall(r"\]\(([^)\s]+)\)", metadata.get_payload())
    assert len(links) > 15
    for link in links:
        assert link.startswith("https://"), link
        if link.startswith(urls["Documentation"]):
            name = link.removeprefix(urls["Documentation"]).partition("#")[0].replace(".html", ".md") or "index.md"
            assert (ROOT / "docs" / name).exists(), link
        elif link.startswith(urls["Source"]):
            assert (ROOT / link.removeprefix(urls["Source"] + "/blob/main/")).exists(), link
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata["Author"] == "The gasgi developers"


def test_wheel_offers_the_command_and_the_worker(wheel):
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        entry_points = ConfigParser()
        entry_points.read_string(archive.read(name).decode())
    assert entry_points["console_scripts"]["gasgi"] == "gasgi.cli:main"
    assert entry_points["gunicorn.workers"]["worker"] == "gasgi:Worker"


def test_sdist_carries_sources_and_nothing_that_was_built(tmp_path):
    copy_build_files(tmp_path)
    shutil.copytree(ROOT / "src", tmp_path / "src")  # with the compiled modules of the working tree
    built = run("setup.py", "-q", "sdist", cwd=tmp_path, GASGI_EXTENSIONS="off")
    assert built.returncode == 0, built.stderr
    (path,) = tmp_path.glob("dist/*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {f"src/gasgi/{name}" for name in SOURCE_NAMES} <= names
    assert {"setup.py", "pyproject.toml", "LICENSE"} <= names
    assert not [name for name in names if name.endswith((".so", ".c", ".pyc"))]


@pytest.mark.parametrize("mode", ["auto", "require"])
def test_runs_compiled(installed, mode):
    assert ask(installed, mode).stdout == "['compiled']\n"


def test_off_imports_sources_only(installed):
    files = "[module.__file__ for name, module in sys.modules.items() if name.startswith('gasgi')]"
    asked = run(
        *(
            "-c",
            f"{SHOW}\nimport sys, gasgi.worker.process\nprint([name for name in {files} if not name.endswith('.py')])",
        ),
        cwd=installed,
        GASGI_EXTENSIONS="off",
        PYTHONPATH=str(installed),
    )
    assert asked.stdout == "['pure']\n[]\n", asked.stderr


@pytest.mark.parametrize("name", ["_parser", "serving.runtime"])
@pytest.mark.parametrize("mode", ["auto", "require"])
def test_a_broken_compiled_module_is_an_error(installed, name, mode):
    (installed / "gasgi" / (name.replace(".", "/") + SUFFIX)).write_bytes(b"no shared object")
    asked = run("-c", f"import gasgi.{name}", cwd=installed, GASGI_EXTENSIONS=mode, PYTHONPATH=str(installed))
    assert asked.returncode == 1
    assert "ImportError" in asked.stderr
    assert name.rpartition(".")[2] + SUFFIX in asked.stderr


def test_the_report_names_a_broken_compiled_module(installed):
    (installed / "gasgi" / ("_parser" + SUFFIX)).write_bytes(b"no shared object")
    asked = run("-m", "gasgi", "--report", cwd=installed, PYTHONPATH=str(installed))
    assert asked.returncode == 1
    assert "gasgi does not load: ImportError: " in asked.stdout
    assert "_parser" + SUFFIX in asked.stdout.rpartition("gasgi does not load")[2]


def test_off_does_not_mind_a_broken_compiled_module(installed):
    (installed / "gasgi" / "serving" / ("runtime" + SUFFIX)).write_bytes(b"no shared object")
    assert ask(installed, "off").stdout == "['pure']\n"


def test_require_without_one_compiled_module_fails_and_says_what_to_do(installed):
    (installed / "gasgi" / "serving" / ("runtime" + SUFFIX)).unlink()
    asked = ask(installed, "require")
    assert asked.returncode == 1
    assert "not compiled for this Python: serving.runtime. Install a wheel for this platform" in asked.stderr


def test_auto_without_one_compiled_module_runs_pure_throughout_and_warns(installed):
    (installed / "gasgi" / "serving" / ("runtime" + SUFFIX)).unlink()
    asked = ask(installed, "auto")
    assert asked.stdout == "['pure']\n"
    assert (
        "RuntimeWarning: gasgi runs its pure-Python version: not compiled for this Python: serving.runtime."
        in asked.stderr
    )


def test_auto_without_any_compiled_module_runs_pure_quietly(installed):
    for path in (installed / "gasgi").rglob("*" + SUFFIX):
        path.unlink()
    asked: subprocess.CompletedProcess[str] = ask(installed, "auto", "-W", "error")
    assert asked.stdout == "['pure']\n", asked.stderr


def test_importing_the_package_starts_no_loop_and_no_thread(installed):
    code = "import gasgi, sys, threading; print(threading.active_count(), {'asyncio', 'gunicorn'} & set(sys.modules))"
    assert run("-c", code, cwd=installed, PYTHONPATH=str(installed)).stdout == "1 set()\n"


def test_tests_of_the_built_wheels_find_every_file_that_they_read():
    settings = (ROOT / "pyproject.toml").read_text()
    (copied,) = re.findall(r"^test-sources = \[(.*)\]$", settings, re.MULTILINE)
    (command,) = re.findall(r'^test-command = "python -m pytest (.*)"$', settings, re.MULTILINE)
    sources = [path.read_text() for folder in command.split() for path in (ROOT / folder).rglob("*.py")]
    read = {name for source in sources for name in re.findall(r'ROOT / "([^"/]+)', source)}
    assert "docs" in read
    assert read <= {name.strip(' "') for name in copied.split(",")}
