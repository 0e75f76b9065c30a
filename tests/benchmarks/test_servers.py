"""benchmarks/harness/servers.py and run.py: who takes part in a run."""

from __future__ import annotations

import pytest
import run
from harness import machine


def test_a_peer_that_is_not_installed_is_named_and_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "version", lambda name: None if name == "h2corn" else "1.0")

    servers = run.choose_servers(None, ["gasgi", "peregrine", "h2corn"])

    assert [server.name for server in servers] == ["gasgi", "peregrine"]
    assert capsys.readouterr().out == "without h2corn: h2corn is not installed\n"


def test_a_peer_that_was_asked_for_is_never_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "version", lambda name: None)

    assert [server.name for server in run.choose_servers(["h2corn"], ["gasgi"])] == ["h2corn"]
