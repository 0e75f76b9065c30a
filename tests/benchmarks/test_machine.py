"""benchmarks/harness/machine.py: which versions a results file names."""

from __future__ import annotations

import subprocess

import pytest
from harness import machine


@pytest.mark.parametrize(
    ("name", "stdout", "stderr", "version"),
    [
        ("wrk", "wrk debian/4.1.0-3+b2 [epoll] Copyright (C) 2012 Will Glozer\nUsage: wrk", "", "debian/4.1.0-3+b2"),
        ("h2load", "h2load nghttp2/1.52.0\n", "", "nghttp2/1.52.0"),
        ("nginx", "", "nginx version: nginx/1.22.1\n", "1.22.1"),
        ("nginx", "", "", None),
    ],
)
def test_programs_name_their_versions(
    name: str, stdout: str, stderr: str, version: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.CompletedProcess([name], 0, stdout, stderr)
    monkeypatch.setattr(subprocess, "run", lambda *args, **keys: done)

    assert machine.program_version(name, "-v") == version


def test_a_program_that_is_not_installed_has_none() -> None:
    assert machine.program_version("no-such-program", "-v") is None
