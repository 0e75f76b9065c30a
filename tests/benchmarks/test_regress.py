"""benchmarks/regress.py: which files drive which commit."""

from __future__ import annotations

import importlib
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
DRIVER = "from {module} import NAME\n\nREQUESTS = {requests}\n{more}if __name__ == '__main__':\n    print(NAME)\n"


@pytest.fixture(name="regress")
def _regress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program, for a repository whose first commit has other modules and workloads than its files now."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    regress = importlib.import_module("regress")
    monkeypatch.setattr(regress, "ROOT", tmp_path)
    monkeypatch.setattr(regress, "BUILD", tmp_path / "build")
    _lay_out(tmp_path, "old_name", ["hello", "gone"])
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    (tmp_path / "src/gasgi/old_name.py").unlink()
    _lay_out(tmp_path, "new_name", ["hello", "added"], "HTTP2_REQUESTS = ['h2-hello']\n")
    return regress


def _lay_out(root: Path, module: str, requests: list[str], more: str = "") -> None:
    for name, text in {
        "setup.py": "",
        "src/gasgi/__init__.py": "",
        f"src/gasgi/{module}.py": f"NAME = {module!r}\n",
        "tests/__init__.py": "",
        "tests/support/__init__.py": "",
        "benchmarks/apps.py": "",
        "benchmarks/inprocess.py": DRIVER.format(module=f"gasgi.{module}", requests=requests, more=more),
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_each_tree_is_driven_by_the_driver_of_its_own_commit(regress: ModuleType) -> None:
    trees = [regress.export("base", "HEAD"), regress.copy_working_tree("head")]

    assert [tree.run_driver("inprocess.py").stdout for tree in trees] == ["old_name\n", "new_name\n"]


def test_workloads_that_one_tree_lacks_are_named_and_left_out(
    regress: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = regress.shared_workloads(regress.export("base", "HEAD"), regress.copy_working_tree("head"))

    assert shared == ["hello", "ws"]
    assert capsys.readouterr().out.splitlines() == [
        "  gone: not compared, head has no such workload",
        "  added: not compared, base has no such workload",
        "  h2-hello: not compared, base has no such workload",
    ]
