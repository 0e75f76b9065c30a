"""What a client, the error log and the access log see when something goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gasgi.errors import ASGIMisuse, ClientDisconnected
from gasgi.settings import Settings
from tests.support.http_apps import Stepper, answering, echo, head, hello, last, piece
from tests.support.served import RecordingObserver, Served

Serve = Callable[..., Served]

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"
POST_5 = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
SECRET = "the password is 1234"


@pytest.fixture
def observer() -> RecordingObserver:
    return RecordingObserver()


def failing(*messages: Any, exc: BaseException | None = None) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)
        raise ValueError(SECRET) if exc is None else exc

    return app


def test_an_error_answer_is_small_and_says_nothing_of_the_cause(serve: Serve, observer: RecordingObserver) -> None:
    served = serve(failing(), observer=observer)
    served.send(GET)
    assert served.written == (
        b"HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 22\r\n"
        b"connection: close\r\n\r\nInternal Server Error\n"
    )
    assert served.is_closed
    assert observer.answers == [(b"/", 500, 22)]
    assert served.log.lines == [("exception", "Exception in ASGI app during GET /")]


def test_a_refusal_is_small_and_says_nothing_of_the_cause(serve: Serve, observer: RecordingObserver) -> None:
    served = serve(hello, observer=observer)
    served.send(b"GET / HTTP/1.1\r\nHost: a\r\nX" + SECRET.encode() + b"\r\n\r\n")
    assert served.written == (
        b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 12\r\n"
        b"connection: close\r\n\r\nBad Request\n"
    )
    assert observer.answers == [(None, 400, 12)]
    assert observer.headers == [[(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"12")]]


def test_head_gets_the_error_without_its_body(serve: Serve, observer: RecordingObserver) -> None:
    served = serve(failing(), observer=observer)
    served.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (served.answer("HEAD").status, served.answer("HEAD")["content-length"]) == (500, b"22")
    assert observer.answers == [(b"/", 500, 0)]


def test_a_start_that_was_not_sent_yet_gives_way_to_500(serve: Serve) -> None:
    served = serve(failing(head(headers=[(b"x-secret", b"1")])))
    served.send(GET)
    assert (served.answer().status, served.answer()["x-secret"]) == (500, None)


@pytest.mark.parametrize(
    ("request_head", "headers", "framing"),
    [(GET, [], "chunked"), (GET, [(b"content-length", b"9")], "length"), (OLD, [], "close")],
)
def test_a_failure_in_the_middle_is_seen_by_the_client(
    serve: Serve, observer: RecordingObserver, request_head: bytes, headers: Any, framing: str
) -> None:
    served = serve(failing(head(headers=headers), piece(b"hello")), observer=observer)
    served.send(request_head + request_head)
    answers = served.answers()
    assert [(answer.framing, answer.body) for answer in answers] == [(framing, b"hello")]
    assert served.is_closed
    if framing == "close":
        assert served.transport.was_aborted  # a close would mean that the body is whole
    else:
        assert not answers[0].is_whole
    assert observer.answers == [(b"/", 200, 5)]
    assert len(served.errors) == 1


def test_a_failure_after_the_response_is_logged_and_nothing_else(serve: Serve, observer: RecordingObserver) -> None:
    served = serve(failing(head(), last(b"hello")), observer=observer)
    served.send(GET)
    served.send(GET)
    assert [answer.status for answer in served.answers()] == [200, 200]
    assert served.log.levels("exception") == ["Exception in ASGI app during GET /"] * 2
    assert observer.statuses == [200, 200]
    assert not served.is_closed


@pytest.mark.parametrize(
    "exc",
    [SystemExit(3), BaseException("odd"), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()],
    ids=repr,
)
def test_an_exception_that_is_no_error_is_500_too_and_the_worker_goes_on(serve: Serve, exc: BaseException) -> None:
    served = serve(failing(exc=exc))
    served.send(GET)
    assert served.answer().status == 500
    assert len(served.errors) == 1
    served.connect()
    served.send(GET)
    assert served.answer().status == 500


class Odd(Exception):
    """Whose every part raises."""

    @property
    def exceptions(self) -> Any:
        raise RuntimeError("no exceptions")

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize("exc", [ValueError(), Odd()], ids=["ValueError", "Odd"])
@pytest.mark.parametrize("has_left", [False, True])
def test_what_an_app_does_to_its_scope_and_its_exceptions_breaks_nothing(
    serve: Serve, exc: Exception, has_left: bool
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope.clear()
        if has_left:
            await receive()
        raise exc

    served = serve(app)
    served.send(GET.replace(b" / ", b" /where "))
    if has_left:
        served.transport.lose()
        served.settle()
    else:
        assert served.answer().status == 500
    (line,) = served.log.levels("error", "exception")
    assert line.splitlines()[0] == "Exception in ASGI app during GET /where"
    assert not served.runtime.conversations


@pytest.mark.parametrize("messages", [(), (head(),), (head(), piece(b"x")), (head(trailers=True), last(b"x"))])
def test_an_app_that_returns_early_fails(serve: Serve, observer: RecordingObserver, messages: Any) -> None:
    served = serve(answering(*messages), observer=observer)
    served.send(GET)
    answer = served.answer()
    assert answer.status == 500 or not answer.is_whole
    assert served.log.lines == [("error", "ASGI app returned without completing the response to GET /")]
    assert len(observer.answers) == 1


@pytest.mark.parametrize(
    "message",
    [
        last(),
        {"type": "http.response.trailers", "headers": []},
        {"type": "websocket.accept"},
        {"type": "http.response.start"},
        {"type": "http.response.start", "status": 200, "headers": 5},
        {"type": None},
        {},
    ],
)
def test_a_wrong_event_raises_out_of_send(serve: Serve, message: Any) -> None:
    app = Stepper()
    served = serve(app)
    served.send(GET)
    app.step(message, head(), last(), None)
    served.settle()
    assert isinstance(app.calls[0][0], (ASGIMisuse, TypeError))
    assert served.answer().status == 200


def test_events_after_the_end_are_ignored(serve: Serve) -> None:
    app = Stepper()
    served = serve(app)
    served.send(GET)
    app.step(head(), last(b"a"), last(b"b"), head(), piece(b"c"), "receive", "receive", None)
    served.settle()
    assert app.calls[0] == [None] * 5 + [{"type": "http.disconnect"}] * 2
    assert served.answer().body == b"a"


def test_a_client_that_left_before_its_answer_is_499(serve: Serve, observer: RecordingObserver) -> None:
    app = Stepper()
    served = serve(app, observer=observer)
    served.send(GET)
    app.step("receive", "receive", head(), last(), None)
    served.transport.lose()
    served.settle()
    assert [message["type"] for message in app.calls[0][:2]] == ["http.request", "http.disconnect"]
    assert isinstance(app.calls[0][2], ClientDisconnected)
    assert observer.answers == [(b"/", 499, 0)]
    assert served.errors == []


@pytest.mark.parametrize("cancels", [False, True])
def test_a_client_that_closed_its_socket_is_499(serve: Serve, observer: RecordingObserver, cancels: bool) -> None:
    # A close looks like a client that only shut its side, until something is sent.
    app = Stepper()
    served = serve(app, Settings(disconnect_grace_s=3), observer=observer)
    served.send(GET)
    served.transport.client_shuts_its_side()
    served.settle()
    if cancels:
        served.pass_time(3.1)
    else:
        app.step("receive", "receive", None)
        served.settle()
    assert (served.written, served.is_closed) == (b"", True)
    assert observer.answers == [(b"/", 499, 0)]
    assert served.errors == []


def test_a_failure_for_a_client_that_shut_its_side_is_500(serve: Serve, observer: RecordingObserver) -> None:
    app = Stepper()
    served = serve(app, observer=observer)
    served.send(GET)
    served.transport.client_shuts_its_side()
    app.step(ValueError(SECRET))
    served.settle()
    assert served.answer().status == 500
    assert observer.statuses == [500]
    assert len(served.errors) == 1


def test_a_client_that_left_in_the_middle_keeps_the_status_and_bytes(serve: Serve, observer: RecordingObserver) -> None:
    app = Stepper()
    served = serve(app, observer=observer)
    served.send(GET)
    app.step(head(201), piece(b"hello"))
    served.settle()
    served.transport.lose()
    app.step(piece(b"more"), None)
    served.settle()
    assert observer.answers == [(b"/", 201, 5)]
    assert isinstance(app.calls[0][2], ClientDisconnected)
    assert served.errors == []


def test_an_app_that_lets_client_disconnected_out_is_not_logged(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(head())
        while True:
            await send(piece(b"x"))
            await asyncio.sleep(0)

    served = serve(app)
    served.send(GET)
    served.transport.lose()
    served.settle()
    assert not served.runtime.conversations
    assert served.errors == []


def test_every_answer_is_reported_once(serve: Serve, observer: RecordingObserver) -> None:
    served = serve(echo, observer=observer)
    served.send(GET + POST_5 + b"hello" + b"GET / HTTP/3.0\r\n\r\n")
    served.settle()
    assert observer.answers == [(b"/", 200, 0), (b"/", 200, 5), (None, 505, 27)]
    assert observer.begun == 3


def test_100_continue_only_when_the_app_asks(serve: Serve) -> None:
    app = Stepper()
    served = serve(app)
    expecting = POST_5.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
    served.send(expecting)
    assert served.written == b""
    app.step("receive")
    served.settle()
    assert served.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    served.send(b"hello")
    app.step(head(), last(), None)
    served.settle()
    assert (served.answer().interim, served.is_closed) == ([100], False)


def test_no_100_continue_behind_a_final_answer(serve: Serve) -> None:
    app = Stepper()
    served = serve(app)
    served.send(POST_5.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    app.step(head(), piece(b"a"), "receive")
    served.settle()
    assert (b"100" in served.written, b"connection: close" in served.written) == (False, True)
    served.send(b"hello" + GET)
    app.step(last(), None)
    served.settle()
    assert len(app.calls) == 1
    assert app.calls[0][2]["body"] == b"hello"


def test_no_100_continue_when_the_body_came_without_it(serve: Serve) -> None:
    served = serve(echo)
    served.send(POST_5.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n") + b"hello" + GET)
    assert [(answer.interim, answer.body) for answer in served.answers()] == [([], b"hello"), ([], b"")]


def test_an_empty_body_that_came_with_its_head_leaves_nothing_to_continue(serve: Serve) -> None:
    served = serve(echo)
    served.send(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n0\r\n\r\n" + GET
    )
    assert [(answer.status, answer["connection"]) for answer in served.answers("POST", "GET")] == [(200, None)] * 2


def test_no_100_continue_to_http_1_0(serve: Serve) -> None:
    served = serve(echo)
    served.send(b"POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert served.written == b""


def test_an_answer_without_reading_an_expected_body_ends_the_connection(serve: Serve) -> None:
    served = serve(hello)
    served.send(POST_5.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    assert served.answer()["connection"] == b"close"
    served.send(b"hello" + GET)
    assert len(served.answers()) == 1


def test_other_expectations_get_417(serve: Serve) -> None:
    served = serve(echo)
    served.send(POST_5.replace(b"\r\n\r\n", b"\r\nExpect: 200-ok\r\n\r\n"))
    assert served.answer().status == 417
