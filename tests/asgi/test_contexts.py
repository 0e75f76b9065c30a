"""Tasks, contexts and anyio: rows H1 to H5 of docs/asgi.md."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from typing import Any

import anyio
import pytest

from gasgi.settings import Settings
from tests.support.answers import read_response
from tests.support.served import GET, Served

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")
START = {"type": "http.response.start", "status": 200}
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"


async def answer(send: Any, body: str) -> None:
    await send(START)
    await send({"type": "http.response.body", "body": body.encode()})


def test_h1_every_handler_runs_in_a_task_of_its_own() -> None:
    tasks: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        tasks.append(asyncio.current_task())
        await answer(send, "ok")

    with Served(app) as rig:
        rig.ask()
        rig.ask(GET + GET)
        assert all(isinstance(task, asyncio.Task) for task in tasks)
        assert len(set(tasks)) == 3


@pytest.mark.parametrize("request_", [GET, POST], ids=["GET", "POST"])
def test_h2_what_a_request_sets_is_gone_in_the_next(request_: bytes) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(VARIABLE.get())
        VARIABLE.set(scope["path"])
        await receive()
        seen.append(VARIABLE.get())
        await answer(send, "ok")

    with Served(app, Settings(body_buffer_bytes=1024)) as rig:
        for _ in range(3):
            rig.send(request_)
            if request_ is POST:
                rig.send(b"body")
        rig.send(GET + GET)
        assert seen == ["unset", "/"] * 5
        assert VARIABLE.get() == "unset"


def test_h2_nothing_leaks_through_pausing_and_resuming() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(VARIABLE.get())
        VARIABLE.set("leak")
        while (await receive())["more_body"]:
            pass
        await answer(send, "ok")

    body = bytes(50_000)
    request = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body)
    with Served(app, Settings(body_buffer_bytes=1024)) as rig:
        for _ in range(2):
            rig.send(request)
            for at in range(0, len(body), 10_000):
                rig.send(body[at : at + 10_000])
        rig.send(request + body + GET)
        assert seen == ["unset"] * 4


def test_h3_what_was_set_before_the_worker_started_is_seen_by_every_request() -> None:
    token = VARIABLE.set("boot")
    try:
        rig = Served()
    finally:
        VARIABLE.reset(token)
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(VARIABLE.get())
        await answer(send, "ok")

    with rig:
        rig.runtime.app = app
        rig.ask()
        rig.ask()
        assert seen == ["boot", "boot"]


def test_h4_anyio_and_timeouts_work_in_every_handler() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached: list[str] = []
        with anyio.move_on_after(0):
            await anyio.sleep(3600)
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0)
        with anyio.CancelScope() as scope_:
            scope_.cancel()
            await receive()
            await receive()
            reached.append("never")
        if sys.version_info >= (3, 11):
            try:
                async with asyncio.timeout(0):
                    await asyncio.sleep(3600)
            except TimeoutError:
                reached.append("timeout")
        else:
            reached.append("timeout")
        await answer(send, ",".join(reached))

    with Served(app) as rig:
        rig.send(GET)
        rig.wait_for(lambda: not rig.runtime.conversations)
        assert read_response(rig.transport.take())[2] == b"timeout"


def test_h5_the_first_step_waits_for_the_next_turn_of_the_loop() -> None:
    steps: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        steps.append("app")
        assert asyncio.current_task() is not None
        await answer(send, "ok")

    with Served(app) as rig:

        async def feed() -> None:
            rig.loop.call_soon(rig.connection.data_received, GET)
            rig.loop.call_soon(steps.append, "next")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        rig.run(feed())
        assert steps == ["next", "app"]
        assert read_response(rig.transport.take())[2] == b"ok"
