"""ASGI lifespan: rows E1 to E8 of docs/asgi.md."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gasgi.asgi.lifespan import Lifespan, LifespanFailed
from gasgi.errors import ASGIMisuse
from tests.support.fakes import RecordingLog

STARTED = {"type": "lifespan.startup.complete"}
STOPPED = {"type": "lifespan.shutdown.complete"}


async def serve(scope: Any, receive: Any, send: Any) -> None:
    assert await receive() == {"type": "lifespan.startup"}
    scope["state"]["pool"] = 1
    await send(STARTED)
    assert await receive() == {"type": "lifespan.shutdown"}
    await send(STOPPED)


def boot(app: Any, mode: str = "auto", stop: bool = True) -> tuple[Lifespan, RecordingLog]:
    """Run startup and, when it is running then, shutdown."""
    log = RecordingLog()

    async def run() -> Lifespan:
        lifespan = Lifespan(app, log, mode)
        await lifespan.startup()
        lifespan.was_running = lifespan.is_running  # type: ignore[attr-defined]
        if stop:
            await lifespan.shutdown(5.0)
        return lifespan

    return asyncio.run(asyncio.wait_for(run(), 20)), log


def test_e1_runs_once_on_the_loop_of_the_requests() -> None:
    loops: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        loops.append(asyncio.get_running_loop())
        await serve(scope, receive, send)

    boot(app)
    assert len(loops) == 1


def test_e2_scope() -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(dict(scope, state=dict(scope["state"])))
        await serve(scope, receive, send)

    boot(app)
    assert scopes == [{"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}]


def test_e2_state_is_what_requests_get_copies_of() -> None:
    lifespan, _ = boot(serve)
    assert lifespan.state == {"pool": 1}


def test_e3_startup_waits_for_the_app() -> None:
    order: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for _ in range(50):
            await asyncio.sleep(0)
        order.append("app")
        await send(STARTED)
        await receive()
        await send(STOPPED)

    boot(app)
    assert order == ["app"]


def test_e4_an_exception_means_no_lifespan_under_auto() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError(scope["type"])

    lifespan, log = boot(app)
    assert not lifespan.is_running
    assert log.levels("exception", "error", "warning") == []


def test_e4_an_exception_stops_the_boot_under_on() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError(scope["type"])

    with pytest.raises(LifespanFailed):
        boot(app, "on")


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_e5_startup_failed_stops_the_boot_with_its_message(mode: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(LifespanFailed, match="no database"):
        boot(app, mode)


def test_e6_shutdown_waits_for_the_app_to_end() -> None:
    order: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await serve(scope, receive, send)
        for _ in range(50):
            await asyncio.sleep(0)
        order.append("behind shutdown.complete")

    boot(app)
    assert order == ["behind shutdown.complete"]


def test_e7_shutdown_failed_is_logged() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(STARTED)
        assert (await receive())["type"] == "lifespan.startup"
        assert (await receive())["type"] == "lifespan.shutdown"
        await send({"type": "lifespan.shutdown.failed", "message": "stuck"})

    _, log = boot(app)
    assert log.levels("error") == ["ASGI lifespan shutdown failed: stuck"]


@pytest.mark.parametrize("after_startup", [False, True])
def test_e8_an_app_that_returns_early_is_tolerated(after_startup: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if after_startup:
            await send(STARTED)

    _, log = boot(app)
    assert log.levels("exception", "error", "warning") == []


@pytest.mark.parametrize("event", [STOPPED, {"type": "lifespan.unknown"}, {"type": "http.response.start"}], ids=str)
def test_e8_a_wrong_event_raises_out_of_send(event: Any) -> None:
    seen: list[Exception] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(event)
        except ASGIMisuse as exc:
            seen.append(exc)
        await serve(scope, receive, send)

    boot(app)
    assert len(seen) == 1


def test_e9_a_shutdown_that_takes_too_long_is_cut_off_and_logged() -> None:
    ran: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(STARTED)
        try:
            await asyncio.Event().wait()
        finally:
            ran.append("finally")

    log = RecordingLog()

    async def run() -> None:
        lifespan = Lifespan(app, log, "auto")
        await lifespan.startup()
        await lifespan.shutdown(0.0)

    asyncio.run(asyncio.wait_for(run(), 20))
    assert ran == ["finally"]
    assert len(log.levels("error")) == 1
