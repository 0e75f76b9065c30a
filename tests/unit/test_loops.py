"""Where the loop's complaints go."""

from __future__ import annotations

import asyncio

import pytest

from gasgi.worker.loops import log_loop_errors
from tests.support.fakes import RecordingLog
from tests.support.odd_errors import ODD


@pytest.fixture
def log():
    return RecordingLog()


@pytest.fixture
def loop(log):
    loop = asyncio.new_event_loop()
    log_loop_errors(loop, log)
    yield loop
    loop.close()


@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
def test_logs_what_a_task_of_the_apps_raised_once(loop, log, make):
    loop.call_exception_handler({"message": "Task exception was never retrieved", "exception": make()})
    (line,) = log.levels("error", "exception")
    assert line.splitlines()[0] == "Task exception was never retrieved"


def test_logs_a_complaint_without_an_exception(loop, log):
    loop.call_exception_handler({"message": "something is odd"})
    assert log.lines == [("error", "something is odd")]


@pytest.mark.parametrize("exc", [ConnectionResetError("reset"), ConnectionResetError])
def test_a_broken_connection_is_no_error(loop, log, exc):
    loop.call_exception_handler({"message": "Fatal error", "exception": exc, "transport": object()})
    assert [level for level, _ in log.lines] == ["info"]
