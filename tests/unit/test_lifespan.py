"""The lifespan conversation, app by app."""

from __future__ import annotations

import asyncio

import pytest

from gasgi.asgi.lifespan import Lifespan, LifespanFailed
from gasgi.errors import ASGIMisuse
from tests.support.fakes import RecordingLog
from tests.support.odd_errors import ODD


def converse(app, mode: str = "auto", timeout_s: float = 5.0):
    """Start and shut down; return the lifespan, the log and what startup raised."""
    log = RecordingLog()
    failures = []

    async def run() -> Lifespan:
        lifespan = Lifespan(app, log, mode)
        try:
            await lifespan.startup()
        except LifespanFailed as exc:
            failures.append(str(exc))
        lifespan.was_running = lifespan.is_running
        await lifespan.shutdown(timeout_s)
        return lifespan

    return asyncio.run(run()), log, failures


def test_an_app_that_does_not_return_behind_the_shutdown_is_not_waited_for():
    seen = []

    async def app(scope, receive, send):
        while True:
            message = await receive()
            seen.append(message["type"])
            await send({"type": message["type"] + ".complete"})

    _, log, failures = converse(app, timeout_s=60.0)
    assert seen == ["lifespan.startup", "lifespan.shutdown"]
    assert log.lines == []
    assert failures == []


def test_an_app_may_ask_again_while_another_task_of_it_still_shuts_down():
    ended = []

    async def app(scope, receive, send):
        async def shut_down() -> None:
            await asyncio.sleep(0.05)
            ended.append(True)
            await send({"type": "lifespan.shutdown.complete"})

        tasks = []
        while True:
            if (await receive())["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                tasks.append(asyncio.create_task(shut_down()))

    _, log, _ = converse(app, timeout_s=60.0)
    assert ended == [True]
    assert log.lines == []


def test_an_app_that_passes_the_shutdown_over_is_cut_off():
    async def app(scope, receive, send):
        while True:
            if (await receive())["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})

    _, log, _ = converse(app, timeout_s=0.1)
    assert len(log.levels("error")) == 1
    assert "took longer than 0.1 s" in log.levels("error")[0]


def test_an_app_starts_shares_its_state_and_shuts_down():
    seen = []

    async def app(scope, receive, send):
        assert scope["type"] == "lifespan"
        assert scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}
        seen.append((await receive())["type"])
        scope["state"]["pool"] = "open"
        await send({"type": "lifespan.startup.complete"})
        seen.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})
        seen.append("behind the answer")

    lifespan, log, failures = converse(app)
    assert seen == ["lifespan.startup", "lifespan.shutdown", "behind the answer"]
    assert lifespan.was_running
    assert lifespan.state == {"pool": "open"}
    assert failures == []
    assert log.lines == []


def test_what_comes_behind_the_answer_to_shutdown_is_awaited():
    ended = []

    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        for _ in range(10):
            await asyncio.sleep(0)
        ended.append(True)

    converse(app)
    assert ended == [True]


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_startup_failed_gives_its_reason(mode):
    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    _, log, failures = converse(app, mode)
    assert failures == ["no database"]
    assert log.lines == []


def test_an_app_that_says_failed_and_then_raises_is_told_of_once():
    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "the reason"})
        raise RuntimeError("the same reason")

    _, log, failures = converse(app)
    assert failures == ["the reason"]
    assert log.lines == []


def refusing(scope, receive, send):
    raise NotImplementedError("no lifespan here")


async def returning(scope, receive, send):
    return


@pytest.mark.parametrize("app", [refusing, returning])
def test_auto_serves_an_app_without_lifespan(app):
    lifespan, log, failures = converse(app, "auto")
    assert failures == []
    assert not lifespan.was_running
    assert log.levels("warning", "error", "exception") == []


def test_auto_tells_what_the_app_raised():
    _, log, _ = converse(refusing, "auto")
    assert "NotImplementedError: no lifespan here" in log.levels("info")[0]


@pytest.mark.parametrize(("app", "reason"), [(refusing, "no lifespan here"), (returning, "returned without")])
def test_on_refuses_an_app_without_lifespan(app, reason):
    _, _, failures = converse(app, "on")
    assert len(failures) == 1
    assert reason in failures[0]


def test_an_app_that_exits_in_its_startup_fails():
    async def app(scope, receive, send):
        raise SystemExit("no licence")

    _, _, failures = converse(app)
    assert len(failures) == 1
    assert "no licence" in failures[0]


def test_an_app_that_is_cancelled_from_within_does_not_hang_the_startup():
    async def app(scope, receive, send):
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    _, _, failures = converse(app, "on")
    assert failures == ["its lifespan cancelled its own task"]


@pytest.mark.parametrize("mode", ["on", "auto"])
def test_an_app_that_is_cancelled_before_its_first_step_does_not_hang_the_startup(mode):
    async def app(scope, receive, send):
        raise AssertionError("never entered")

    async def run() -> str:
        lifespan = Lifespan(app, log, mode)
        startup = asyncio.create_task(lifespan.startup())
        asyncio.get_running_loop().call_soon(
            lambda: [task.cancel() for task in asyncio.all_tasks() if task.get_name() == "gasgi-lifespan"]
        )
        try:
            await asyncio.wait_for(startup, 5)
        except LifespanFailed as exc:
            return str(exc)
        assert not lifespan.is_running
        return log.levels("info")[0]

    log = RecordingLog()
    assert "its lifespan cancelled its own task" in asyncio.run(run())


def test_an_exception_while_running_is_logged_and_no_shutdown_is_sent():
    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise RuntimeError("the watcher died")

    async def run() -> None:
        lifespan = Lifespan(app, log, "auto")
        await lifespan.startup()
        while lifespan.is_running:
            await asyncio.sleep(0)
        await lifespan.shutdown(5.0)

    log = RecordingLog()
    asyncio.run(run())
    assert log.levels("exception") == ["Exception in ASGI lifespan"]


def test_shutdown_failed_is_logged():
    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.failed", "message": "flush failed"})

    _, log, _ = converse(app)
    assert log.levels("error") == ["ASGI lifespan shutdown failed: flush failed"]


def test_a_shutdown_without_end_is_cut_off_and_its_finally_block_runs():
    ended = []

    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    _, log, _ = converse(app, timeout_s=0.0)
    assert ended == [True]
    assert "took longer" in log.levels("error")[0]
    assert log.levels("exception") == []


@pytest.mark.parametrize(
    "event",
    ["lifespan.shutdown.complete", "lifespan.startup.done", "http.response.start"],
)
def test_an_event_out_of_turn_is_raised_to_the_app(event):
    raised = []

    async def app(scope, receive, send):
        await receive()
        try:
            await send({"type": event})
        except ASGIMisuse as exc:
            raised.append(str(exc))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    converse(app)
    assert len(raised) == 1
    assert event in raised[0]


@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
def test_on_refuses_an_app_that_raises_whatever_it_raises(make):
    async def app(scope, receive, send):
        raise make()

    _, log, failures = converse(app, "on")
    assert len(failures) == 1
    assert [line.splitlines()[0] for line in log.levels("exception", "error")] == ["Exception in ASGI lifespan startup"]


def test_an_exit_code_that_cannot_be_shown_fails_the_startup():
    class Code:
        def __repr__(self) -> str:
            raise RuntimeError("odd")

    async def app(scope, receive, send):
        raise SystemExit(Code())

    _, _, failures = converse(app, "auto")
    assert len(failures) == 1
