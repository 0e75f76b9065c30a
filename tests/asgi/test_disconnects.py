"""Clients that leave: what the app is told, what is cancelled and what is logged. Rows G1 to G9 of docs/asgi.md."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from gasgi.errors import ClientDisconnected
from gasgi.settings import Settings
from tests.support.answers import read_response
from tests.support.served import Served

START = {"type": "http.response.start", "status": 200}
LOUD = ("exception", "error", "warning")
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n"


def starlette(endpoint: Any, *middleware: Any) -> Starlette:
    return Starlette(
        routes=[Route("/", endpoint, methods=["GET", "POST"])],
        middleware=[Middleware(kind, **options) for kind, options in middleware],
    )


@pytest.fixture
def waiting() -> Iterator[socket.socket]:
    """The server's end of a connection whose client has shut its side."""
    client, accepted = socket.socketpair()
    with client, accepted:
        client.shutdown(socket.SHUT_WR)
        yield accepted


async def pass_on(request: Request, call_next: Any) -> Any:
    return await call_next(request)


THROUGH_BASE = (BaseHTTPMiddleware, {"dispatch": pass_on})


def test_g1_is_disconnected_tells_the_truth() -> None:
    answers: list[bool] = []
    ask = asyncio.Event()

    async def endpoint(request: Request) -> Any:
        for _ in range(2):
            answers.append(await request.is_disconnected())
            answers.append(await request.is_disconnected())
            await ask.wait()
            ask.clear()
        return PlainTextResponse("")

    with Served(starlette(endpoint)) as rig:
        rig.ask()
        assert answers == [False, False]
        rig.lose()
        ask.set()
        rig.settle()
        assert answers == [False, False, True, True]
        ask.set()
        rig.settle()
        assert rig.log.levels(*LOUD) == []


def test_g2_the_handler_of_an_unfinished_response_is_cancelled_after_the_grace_period() -> None:
    with Served(settings=Settings(disconnect_grace_s=3.0)) as rig:
        rig.ask()
        rig.lose()
        rig.pass_time(2)
        assert not rig.call.was_cancelled
        rig.pass_time(2)
        assert rig.call.was_cancelled
        assert rig.log.levels(*LOUD) == []


def test_g2_without_a_grace_period_it_is_cancelled_at_once() -> None:
    with Served(settings=Settings(disconnect_grace_s=0.0)) as rig:
        rig.ask()
        rig.lose()
        assert rig.call.was_cancelled


def test_g3_work_behind_a_finished_response_is_never_cancelled() -> None:
    done: list[str] = []
    go_on = asyncio.Event()

    async def work() -> None:
        await go_on.wait()
        done.append("work")

    async def endpoint(request: Request) -> Any:
        return PlainTextResponse("ok", background=BackgroundTask(work))

    with Served(starlette(endpoint), Settings(disconnect_grace_s=0.0)) as rig:
        assert read_response(rig.ask())[2] == b"ok"
        rig.lose()
        rig.pass_time(60)
        go_on.set()
        rig.settle()
        assert done == ["work"]


def test_g4_finally_blocks_run() -> None:
    ran: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            ran.append("finally")

    with Served(app, Settings(disconnect_grace_s=1.0)) as rig:
        rig.ask()
        rig.lose()
        rig.pass_time(3)
        assert ran == ["finally"]
        assert rig.log.levels(*LOUD) == []


@pytest.mark.parametrize("middleware", [[], [THROUGH_BASE]], ids=["plain", "BaseHTTPMiddleware"])
def test_g5_an_endless_stream_ends_and_nothing_is_logged(middleware: Any) -> None:
    async def numbers() -> Any:
        while True:
            yield b"data: 1\n\n"
            await asyncio.sleep(0)

    async def endpoint(request: Request) -> Any:
        return StreamingResponse(numbers(), media_type="text/event-stream")

    with Served(starlette(endpoint, *middleware)) as rig:
        rig.ask()
        rig.lose()
        rig.settle()
        rig.settle()
        assert not rig.runtime.conversations
        assert rig.log.levels(*LOUD) == []


@pytest.mark.parametrize("middleware", [[], [THROUGH_BASE]], ids=["plain", "BaseHTTPMiddleware"])
def test_g6_a_silent_stream_ends_within_the_grace_period(middleware: Any) -> None:
    closed: list[str] = []

    async def silence() -> Any:
        try:
            yield b"data: 1\n\n"
            await asyncio.sleep(3600)
        finally:
            closed.append("closed")

    async def endpoint(request: Request) -> Any:
        return StreamingResponse(silence(), media_type="text/event-stream")

    with Served(starlette(endpoint, *middleware), Settings(disconnect_grace_s=3.0)) as rig:
        rig.ask()
        rig.lose()
        rig.pass_time(5)
        rig.settle()
        assert not rig.runtime.conversations
        assert closed == ["closed"]
        assert rig.log.levels(*LOUD) == []


@pytest.mark.parametrize("middleware", [[], [THROUGH_BASE]], ids=["plain", "BaseHTTPMiddleware"])
@pytest.mark.parametrize("how", ["lose", "shut"])
def test_g7_a_client_that_leaves_within_its_body_is_not_logged(middleware: Any, how: str) -> None:
    async def endpoint(request: Request) -> Any:
        await request.body()
        return PlainTextResponse("never")

    with Served(starlette(endpoint, *middleware)) as rig:
        rig.send(POST + b"abc")
        getattr(rig, how)()
        rig.settle()
        assert not rig.runtime.conversations
        assert rig.log.levels(*LOUD) == []


def test_g8_a_fault_of_the_app_is_logged_although_the_client_left() -> None:
    with Served() as rig:
        rig.ask()
        rig.lose()
        rig.call.crash(ValueError("a fault"))
        assert rig.log.levels("exception") == ["Exception in ASGI app during GET /"]


def test_g8_departures_out_of_a_task_group_are_not_logged() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(send, START)

    with Served(app) as rig:
        rig.ask()
        rig.lose()
        rig.settle()
        assert not rig.runtime.conversations
        assert rig.log.levels(*LOUD) == []


def test_g9_a_client_that_shut_its_side_still_gets_its_answer() -> None:
    with Served() as rig:
        rig.ask()
        rig.shut()
        assert rig.call.hear()["type"] == "http.request"
        assert rig.call.hear() == {"type": "http.disconnect"}
        rig.call.start()
        rig.call.say("body", body=b"ok")
        assert read_response(rig.transport.take())[2] == b"ok"
        assert rig.transport.is_closing()


def test_g9_a_client_that_shut_its_side_is_waited_for_no_longer_than_the_grace_period() -> None:
    with Served(settings=Settings(disconnect_grace_s=3.0)) as rig:
        rig.ask()
        rig.shut()
        rig.pass_time(5)
        assert rig.call.was_cancelled
        assert rig.log.levels(*LOUD) == []


if sys.platform == "linux":  # nowhere else does the kernel tell

    def test_g9_a_client_that_waits_is_waited_for_and_the_app_hears_of_no_disconnect(waiting: socket.socket) -> None:
        with Served(settings=Settings(disconnect_grace_s=3.0), extra={"socket": waiting}) as rig:
            rig.ask()
            rig.shut()
            assert rig.call.hear()["type"] == "http.request"
            more = rig.call.listen()
            for _ in range(20):
                rig.pass_time(5)
            assert (more.done(), rig.call.was_cancelled) == (False, False)
            rig.call.start()
            rig.call.say("body", body=b"ok")
            assert read_response(rig.transport.take())[2] == b"ok"
            assert rig.transport.is_closing()

    def test_g9_a_client_that_waited_and_leaves_is_found_out(waiting: socket.socket) -> None:
        with Served(settings=Settings(disconnect_grace_s=3.0), extra={"socket": waiting}) as rig:
            rig.ask()
            rig.shut()
            rig.pass_time(4)
            waiting.close()
            rig.pass_time(4)
            assert [rig.call.hear()["type"] for _ in range(2)] == ["http.request", "http.disconnect"]
            assert not rig.call.was_cancelled
            rig.pass_time(4)
            assert rig.call.was_cancelled
            assert rig.log.levels(*LOUD) == []


def test_g9_a_client_that_shut_its_side_is_waited_for_as_long_as_it_takes_its_answer() -> None:
    with Served(settings=Settings(disconnect_grace_s=3.0)) as rig:
        rig.ask()
        rig.call.start()
        rig.call.say("body", body=b"x", more_body=True)
        rig.shut()
        for _ in range(10):
            rig.call.say("body", body=b"x", more_body=True)
            rig.pass_time(2)
        assert not rig.call.was_cancelled
        rig.pass_time(5)
        assert rig.call.was_cancelled


def test_g10_the_error_is_an_os_error_of_its_own() -> None:
    assert issubclass(ClientDisconnected, OSError)
    assert not issubclass(ClientDisconnected, ConnectionError)
