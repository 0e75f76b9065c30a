"""The loop of a worker whose application ends itself, or does not want to end; and why one does not load."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from gasgi.errors import SettingError
from gasgi.worker import loops as loops
from gasgi.worker.exits import LoopRunner
from gasgi.worker.load_report import report_load_failure
from tests.support.fakes import RecordingLog
from tests.support.tcp_server import LOOPS


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    made = loops.new_loop(request.param)
    loops.log_loop_errors(made, RecordingLog())
    yield made
    made.close()


def leave() -> None:
    raise SystemExit(3)


def test_the_loop_runs_on_when_the_application_ends_itself(loop):
    exits: list[Any] = []

    async def serve() -> int:
        loop.call_soon(leave)
        await asyncio.sleep(0.01)
        return 7

    assert LoopRunner(loop, exits.append).run(loop.create_task(serve())) == 7
    assert [exc.code for exc in exits] == [3]


def test_what_resists_its_cancellation_is_left_behind(loop):
    ended = []
    asked = []

    async def resist() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                ended.append("resisted")

    async def give_in() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("gave in")

    async def start() -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(each()) for each in (resist, give_in)]
        await asyncio.sleep(0)
        return tasks

    def patience_s() -> float:
        asked.append(True)
        return 0.01

    runner = LoopRunner(loop, ended.append)
    tasks = runner.run(loop.create_task(start()))
    runner.end_tasks(patience_s)
    assert sorted(ended) == ["gave in", "resisted"]
    assert [task.done() for task in tasks] == [False, True]
    assert len(asked) == 2
    # So that it does not complain when the loop is closed
    tasks[0]._log_destroy_pending = False


@pytest.mark.parametrize(
    ("exc", "line"),
    [
        (SettingError("gasgi_metrics_bind: no"), "gasgi_metrics_bind: no"),
        (SystemExit("no database"), "Application exited during import: sys.exit('no database')"),
        (KeyboardInterrupt(), "Application exited during import: KeyboardInterrupt"),
    ],
)
def test_says_in_a_line_why_an_application_does_not_load(exc, line):
    log = RecordingLog()
    assert report_load_failure(exc, log)
    assert log.levels("error") == [line]


def test_leaves_an_ordinary_exception_to_gunicorn():
    log = RecordingLog()
    assert not report_load_failure(ImportError("no module"), log)
    assert log.lines == []


def test_logs_an_exception_that_gunicorn_could_not_print():
    exc = ImportError("no module")
    exc.__notes__ = "not a list"
    log = RecordingLog()
    assert report_load_failure(exc, log)
    assert "Cannot load the application" in "".join(log.levels("error", "exception"))
