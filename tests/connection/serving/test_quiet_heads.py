"""The head of an answer whose app falls silent behind http.response.start leaves by itself, soon and once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.http_apps import Stepper, head, last, piece
from tests.support.served import Served

Serve = Callable[..., Served]

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"


@pytest.mark.parametrize(
    ("request_head", "headers", "expected"),
    [
        (GET, [], b"transfer-encoding: chunked\r\n\r\n"),
        (GET, [(b"content-length", b"5")], b"content-length: 5\r\n\r\n"),
        (HEAD, [], b"HTTP/1.1 200 OK\r\n\r\n"),
        (OLD, [], b"connection: close\r\n\r\n"),
    ],
)
def test_a_held_head_leaves_when_the_app_is_silent(
    serve: Serve, request_head: bytes, headers: Any, expected: bytes
) -> None:
    app = Stepper()
    served = serve(app)
    served.send(request_head)
    app.step(head(headers=headers))
    served.settle()
    assert served.written == b""
    served.wait_for(lambda: bool(served.written))
    assert served.written.endswith(expected)
    app.step(last(b"hello"), None)
    served.settle()
    answer = served.answer("HEAD" if request_head == HEAD else "GET")
    assert answer.is_whole
    assert answer.body == (b"" if request_head == HEAD else b"hello")


def test_a_failure_before_the_head_leaves_is_a_500_and_behind_it_cuts_the_answer(serve: Serve) -> None:
    app = Stepper()
    served = serve(app)
    served.send(GET)
    app.step(head(), ValueError())
    served.settle()
    assert served.answer().status == 500
    served.connect()
    served.send(GET)
    app.step(head(), call=1)
    served.settle()
    served.wait_for(lambda: bool(served.written))
    app.step(ValueError(), call=1)
    served.settle()
    assert (served.answer().status, served.answer().is_whole) == (200, False)


def test_nothing_leaves_for_a_client_that_is_gone(serve: Serve) -> None:
    app = Stepper()
    served = serve(app)
    served.send(GET)
    app.step(head())
    served.settle()
    served.transport.lose()
    served.loop.run_until_complete(asyncio.sleep(0.1))
    assert served.written == b""
    assert served.errors == []


def test_an_answer_that_comes_at_once_is_not_touched(serve: Serve) -> None:
    app = Stepper()
    served = serve(app)
    for call in range(3):
        served.send(GET)
        app.step(head(), last(b"hi"), None, call=call)
        served.settle()
    served.loop.run_until_complete(asyncio.sleep(0.1))
    assert [answer.body for answer in served.answers()] == [b"hi"] * 3


def test_the_head_of_the_next_answer_gets_its_own_time(serve: Serve) -> None:
    """A timer that was set for one answer does not send the head of the next."""
    app = Stepper()
    served = serve(app)
    served.send(GET)
    app.step(head())
    served.settle()
    app.step(last(b"1"), None)
    served.settle()
    before = served.written
    served.send(GET)
    app.step(head(), call=1)
    served.settle()
    assert served.written == before
    served.wait_for(lambda: served.written != before)
    app.step(piece(b"2"), last(), None, call=1)
    served.settle()
    assert [answer.body for answer in served.answers()] == [b"1", b"2"]


def test_a_head_waits_while_the_client_waits_for_a_100(serve: Serve) -> None:
    app = Stepper()
    served = serve(app)
    served.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    app.step(head())
    served.settle()
    served.loop.run_until_complete(asyncio.sleep(0.1))
    assert served.written == b""
    app.step("receive")
    served.settle()
    assert served.written == b"HTTP/1.1 100 Continue\r\n\r\n"
