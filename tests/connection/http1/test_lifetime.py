"""What is left of a connection when it ends, in every state it can be in."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from gasgi.settings import Settings
from tests.support.http_apps import Stepper, echo, head, hello, last, piece
from tests.support.served import RecordingObserver, Served

Serve = Callable[..., Served]

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST_5 = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
BAD = b"GET / HTTP/9.9\r\n\r\n"

# Each leaves the connection in another state: what the client sends, what the app then does.
STATES: dict[str, tuple[bytes, tuple[Any, ...]]] = {
    "new": (b"", ()),
    "head begun": (GET[:7], ()),
    "app running": (GET, ()),
    "app receiving": (GET, ("receive", "receive")),
    "body missing": (POST_5 + b"he", ("receive",)),
    "body buffered": (POST_5.replace(b" 5", b" 500000") + b"x" * 100_000, ()),
    "continue awaited": (POST_5.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"), ("receive",)),
    "head held": (GET, (head(),)),
    "streaming": (GET, (head(), piece(b"x"))),
    "writing paused": (GET, (head(), piece(b"x" * 1_000_000))),
    "trailers due": (GET, (head(trailers=True), last(b"x"))),
    "background task": (GET, (head(), last(b"x"))),
    "idle": (GET, (head(), last(b"x"), None)),
    "body left unread": (POST_5 + b"he", (head(), last(b"x"), None)),
    "lingering": (BAD, ()),
    "pipelined": (GET * 50, (head(), last(b"x"))),
    "many pipelined": (GET * 5000, ()),
}


def reach(serve: Serve, state: str, observer: RecordingObserver | None = None) -> tuple[Served, Stepper]:
    app = Stepper()
    served = serve(app, Settings(disconnect_grace_s=3), observer)
    sent, steps = STATES[state]
    served.transport.is_client_reading = state != "writing paused"
    if sent:
        served.send(sent)
    if steps:
        app.step(*steps, call=0)
    served.settle()
    return served, app


def every_callback(served: Served) -> None:
    """All that can still be called on a connection that is gone."""
    connection = served.connection
    connection.resume_writing()
    connection.sweep(served.runtime.now + 1)
    connection.drain()
    connection.sweep(served.runtime.now + 100_000)
    connection.abort()


@pytest.mark.parametrize("state", STATES)
def test_nothing_raises_after_the_connection_is_lost(serve: Serve, state: str) -> None:
    observer = RecordingObserver()
    served, app = reach(serve, state, observer)
    served.transport.lose(ConnectionResetError())
    served.settle()
    app.step("receive", "receive", head(), piece(b"x"), last(b"x")) if app.calls else None
    served.settle()
    served.pass_time(3.1)
    every_callback(served)
    served.settle()
    for call in range(len(app.calls)):
        app.step(None, call=call)
    served.settle()
    assert served.errors == []
    assert not served.runtime.conversations
    assert observer.begun == len(observer.answers)


@pytest.mark.parametrize("state", STATES)
def test_abort_ends_everything(serve: Serve, state: str) -> None:
    observer = RecordingObserver()
    served, app = reach(serve, state, observer)
    served.connection.abort()
    for conversation in tuple(served.runtime.conversations):
        conversation.cancel()
    served.settle()
    assert served.transport.is_lost
    assert not served.runtime.conversations
    assert not served.runtime.connections
    assert all(app.ended)
    assert served.errors == []
    assert observer.begun == len(observer.answers)


@pytest.mark.parametrize("state", STATES)
def test_drain_lets_the_work_in_progress_end_and_then_closes(serve: Serve, state: str) -> None:
    served, app = reach(serve, state)
    served.pass_time(0.5)
    served.runtime.is_draining = True
    served.connection.drain()
    served.settle()
    served.transport.client_takes(10_000_000)
    for call in range(100):
        if call == len(app.calls):
            break
        app.step(head(), last(b"x"), {"type": "http.response.trailers", "headers": []}, None, call=call)
        served.settle()
    assert len(app.calls) <= 2, "served on instead of closing behind the next answer"
    if state == "app receiving":
        served.transport.client_shuts_its_side()
    for _ in range(3):
        served.pass_time(61)
    assert served.transport.is_lost
    assert not served.runtime.conversations


def test_drain_closes_an_idle_connection_at_once(serve: Serve) -> None:
    served = serve(hello, Settings(keep_alive_s=20))
    served.send(GET)
    served.pass_time(2.1)
    served.runtime.is_draining = True
    served.connection.drain()
    assert served.is_closed


def test_drain_serves_what_is_on_its_way_and_announces_the_end(serve: Serve) -> None:
    served = serve(hello)
    served.send(GET)
    served.runtime.is_draining = True
    served.connection.drain()
    served.send(GET)
    assert [answer["connection"] for answer in served.answers()] == [None, b"close"]
    assert served.is_closed


class Marked(dict):  # type: ignore[type-arg]
    """A dictionary that a weak reference can point at."""


def test_a_thousand_requests_leave_nothing_to_the_collector(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        marked = Marked()
        references.append(weakref.ref(marked))
        scope["marked"] = marked
        await echo(scope, receive, send)

    references: list[Any] = []
    served = serve(app)
    served.send(POST_5 + b"hello" + GET)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for number in range(250):
            if number % 50 == 49:
                served.transport.lose()
                served.settle()
                served.connect()
            served.send(POST_5 + b"hello" + GET, POST_5, b"hel")
            served.send(b"lo" + GET)
        served.send(BAD)
        served.transport.lose()
        served.settle()
        gc.collect()
        garbage = [type(item).__name__ for item in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert len(references) == 1002
    assert [reference for reference in references if reference() is not None] == []
    assert [name for name in garbage if name.startswith(("Http", "Head", "Request", "Write", "Marked"))] == []


@pytest.mark.parametrize("state", [state for state in STATES if state != "many pipelined"])
def test_a_lost_connection_leaves_nothing_to_the_collector(serve: Serve, state: str) -> None:
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        served, app = reach(serve, state)
        served.transport.lose()
        served.settle()
        for call in range(len(app.calls)):
            app.step(None, call=call)
        served.settle()
        served.connection = served.transport = None  # type: ignore[assignment]
        app.calls.clear()
        gc.collect()
        garbage = [type(item).__name__ for item in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        served.connect()
    assert [name for name in garbage if name.startswith(("Http", "Head", "Request", "Write"))] == []


def test_a_background_task_survives_its_client(serve: Serve) -> None:
    app = Stepper()
    served = serve(app, Settings(disconnect_grace_s=3))
    served.send(GET)
    app.step(head(), last(b"x"))
    served.settle()
    served.transport.lose()
    served.pass_time(100)
    assert app.ended == [False]
    app.step(None)
    served.settle()
    assert app.ended == [True]


def test_a_cancelled_receive_loses_nothing(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(3):
            task = asyncio.ensure_future(receive())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.sleep(0)
        await echo(scope, receive, send)

    served = serve(app)
    served.send(POST_5)
    served.send(b"hello")
    assert served.answer().body == b"hello"
