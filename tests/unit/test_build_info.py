from __future__ import annotations

import asyncio
import re

import pytest

import gasgi
from gasgi import compiled as extensions
from gasgi.cli import main
from gasgi.worker.build_info import one_line, report


def test_one_line_names_the_version_the_implementation_and_the_loop_that_runs():
    loop = asyncio.new_event_loop()
    loop.close()
    kind = "compiled" if extensions.IS_COMPILED else "pure"
    assert one_line(loop).startswith(f"gasgi {gasgi.__version__} ({kind}), asyncio, httptools ")


def test_one_line_without_a_loop_names_the_one_that_auto_takes():
    assert re.search(r"\), (uvloop \d|asyncio,)", one_line())


@pytest.mark.parametrize("name", ["gasgi", "Python", "gunicorn", "httptools", "uvloop", "aiofastnet", "platform"])
def test_report_has_a_line_for(name):
    assert re.search(rf"^{name} +\S", report(), re.MULTILINE)


def test_report_lists_each_module_under_its_implementation():
    kind = "compiled" if extensions.IS_COMPILED else "pure"
    line = re.search(rf"^{kind} +(.*)$", report(), re.MULTILINE)
    assert line[1].split(", ") == extensions.expected_names(extensions._DIRECTORY)


def test_says_that_a_library_is_not_installed(monkeypatch):
    monkeypatch.setattr("gasgi.worker.build_info.LIBRARIES", ("no-such-library",))
    assert re.search(r"^no-such-library +not installed$", report(), re.MULTILINE)


def test_command_prints_the_report(capsys):
    assert main(["--report"]) == 0
    assert capsys.readouterr().out == report() + "\n"


def test_command_prints_settings_with_their_source(capsys, monkeypatch):
    monkeypatch.setenv("GASGI_HEADER_TIMEOUT_S", "7")
    assert main(["--show-settings"]) == 0
    assert re.search(r"^gasgi_header_timeout_s +7 +.*GASGI_HEADER_TIMEOUT_S", capsys.readouterr().out, re.MULTILINE)


def test_command_answers_an_impossible_setting_with_a_sentence(capsys, monkeypatch):
    monkeypatch.setenv("GASGI_HEADER_TIMEOUT_S", "soon")
    assert main(["--show-settings"]) == 1
    assert "GASGI_HEADER_TIMEOUT_S" in capsys.readouterr().out
