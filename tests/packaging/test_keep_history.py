"""scripts/keep_history: the comparisons of every push to main gather on a branch of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "keep_history"


def git(directory: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=directory, check=True, capture_output=True, text=True).stdout


def keep(directory: Path, line: str, remote: str) -> int:
    (directory / "new.jsonl").write_text(line + "\n")
    done = subprocess.run([SCRIPT, directory / "new.jsonl", remote], capture_output=True, check=False)
    return done.returncode


def test_lines_gather_on_a_branch_that_is_made_when_it_is_missing(tmp_path):
    git(tmp_path, "init", "-q", "--bare", "remote.git")
    remote = tmp_path / "remote.git"
    assert keep(tmp_path, '{"commit": "a"}', str(remote)) == 0
    assert keep(tmp_path, '{"commit": "b"}', str(remote)) == 0
    assert git(remote, "show", "benchmark-history:history.jsonl") == '{"commit": "a"}\n{"commit": "b"}\n'
    assert git(remote, "rev-list", "--count", "benchmark-history") == "2\n"


def test_a_remote_that_cannot_be_reached_is_an_error(tmp_path):
    assert keep(tmp_path, "{}", str(tmp_path / "nowhere.git")) not in (0, 2)
