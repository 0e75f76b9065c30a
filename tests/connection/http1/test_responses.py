"""What leaves for what the app sends: framing (RFC 9112, 6), fields, refusals of what must not leave."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest

from gasgi.errors import ASGIMisuse
from tests.support.http_apps import Stepper, answering, head, hello, last, piece
from tests.support.served import Served

Serve = Callable[..., Served]

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"
OLD_KEPT = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
GET_TRAILERS = b"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n"
LENGTH_5 = [(b"content-length", b"5")]


def test_head_and_only_piece_leave_in_one_write(serve: Serve) -> None:
    served = serve(hello)
    served.send(GET)
    assert served.transport.writes == [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"]


def test_an_empty_piece_is_not_given_to_the_transport(serve: Serve) -> None:
    given: list[list[bytes]] = []
    served = serve(answering(head(200, [(b"content-length", b"20000")]), piece(b"x" * 20_000), last(b"")))
    served.transport.writelines = given.append  # type: ignore[method-assign, assignment]
    served.send(GET)
    assert all(all(pieces) for pieces in given)
    assert sum(len(data) for pieces in given for data in pieces) + len(served.written) > 20_000


def test_a_streamed_body_is_chunked(serve: Serve) -> None:
    served = serve(answering(head(), piece(b"he"), piece(b""), piece(b"llo"), last()))
    served.send(GET)
    assert served.written == (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")
    assert not served.is_closed


def test_the_last_piece_of_a_streamed_body_may_hold_bytes(serve: Serve) -> None:
    served = serve(answering(head(), piece(b"he"), last(b"llo")))
    served.send(GET)
    assert (served.answer().body, served.answer().is_whole) == (b"hello", True)


@pytest.mark.parametrize("headers", [[], LENGTH_5])
@pytest.mark.parametrize("request_head", [GET, HEAD, OLD])
def test_an_app_that_sends_nothing_without_a_pause_leaves_the_loop_to_others(
    serve: Serve, request_head: bytes, headers: Any
) -> None:
    sent: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(head(headers=headers))
        for i in range(10_000):
            await send(piece())
            sent.append(i)

    served = serve(app)
    served.transport.client_sends(request_head)
    served.settle(5)
    assert len(sent) < 10


def test_an_app_that_sends_hints_without_a_pause_leaves_the_loop_to_others(serve: Serve) -> None:
    sent: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for i in range(10_000):
            await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
            sent.append(i)

    served = serve(app)
    served.transport.client_sends(GET)
    served.settle(5)
    assert len(sent) < 10


def test_a_large_chunk_arrives_whole(serve: Serve) -> None:
    body = bytes(range(256)) * 1024
    served = serve(answering(head(), piece(body), piece(body[:5000]), last(body[:4096])))
    served.send(GET)
    served.settle()
    assert served.answer().body == body + body[:5000] + body[:4096]


def test_the_apps_length_frames_a_streamed_body(serve: Serve) -> None:
    served = serve(answering(head(headers=LENGTH_5), piece(b"he"), last(b"llo")))
    served.send(GET)
    assert served.written == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
    assert not served.is_closed


@pytest.mark.parametrize("status", [200, 404, 500])
def test_head_gets_the_length_and_no_body(serve: Serve, status: int) -> None:
    served = serve(answering(head(status, LENGTH_5), last(b"hello")))
    served.send(HEAD, GET)
    first, second = served.answers("HEAD", "GET")
    assert (first.status, first["content-length"], first.body) == (status, b"5", b"")
    assert second.body == b"hello"


@pytest.mark.parametrize("messages", [(piece(b"he"), last(b"llo")), (last(b"hello"),), (piece(), piece(), last())])
def test_head_gets_no_byte_of_a_body_without_length(serve: Serve, messages: Any) -> None:
    served = serve(answering(head(), *messages))
    served.send(HEAD, GET)
    first, second = served.answers("HEAD", "GET")
    assert (first.framing, first.body) == ("none", b"")
    assert second.is_whole


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("messages", [(last(b"hello"),), (piece(b"hello"), last())])
def test_204_and_304_have_no_body(serve: Serve, status: int, messages: Any) -> None:
    served = serve(answering(head(status), *messages))
    served.send(GET, GET)
    assert [(answer.status, answer.body, answer["transfer-encoding"]) for answer in served.answers()] == [
        (status, b"", None)
    ] * 2


@pytest.mark.parametrize("headers", [[], LENGTH_5])
@pytest.mark.parametrize("messages", [(last(b"hello"),), (piece(b"he"), last(b"llo"))])
def test_205_says_that_it_has_no_body_and_has_none(serve: Serve, headers: Any, messages: Any) -> None:
    # RFC 9110, 15.3.6. Clients read behind it what the framing says.
    served = serve(answering(head(205, headers), *messages))
    served.send(GET, GET)
    assert [(answer["content-length"], answer.body) for answer in served.answers()] == [(b"0", b"")] * 2


def test_304_keeps_the_length_of_what_was_not_sent_and_204_does_not(serve: Serve) -> None:
    # RFC 9110, 8.6: 204 must not have one.
    for status, length in ((304, b"5"), (204, None)):
        served = serve(answering(head(status, LENGTH_5), last()))
        served.send(GET)
        assert served.answer()["content-length"] == length


def test_http_1_0_without_keep_alive_is_closed(serve: Serve) -> None:
    served = serve(hello)
    served.send(OLD)
    assert (served.answer()["connection"], served.answer()["content-length"]) == (b"close", b"5")
    assert served.is_closed


def test_http_1_0_keep_alive_is_kept_and_announced(serve: Serve) -> None:
    served = serve(hello)
    served.send(OLD_KEPT, OLD_KEPT)
    assert [answer["connection"] for answer in served.answers()] == [b"keep-alive"] * 2
    assert not served.is_closed


@pytest.mark.parametrize("request_head", [OLD, OLD_KEPT])
def test_http_1_0_without_length_ends_with_the_connection(serve: Serve, request_head: bytes) -> None:
    served = serve(answering(head(), piece(b"he"), last(b"llo")))
    served.send(request_head)
    assert served.written == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello"
    assert served.is_closed
    assert not served.transport.was_aborted


def test_close_asked_by_the_client_is_announced_and_done(serve: Serve) -> None:
    served = serve(hello)
    served.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert served.answer()["connection"] == b"close"
    assert served.is_closed


@pytest.mark.parametrize("value", [b"close", b"Close", b"x, CLOSE", b"keep-alive,close"])
def test_close_said_by_the_app_is_announced_and_done(serve: Serve, value: bytes) -> None:
    served = serve(answering(head(headers=[(b"Connection", value)]), last(b"hello")))
    served.send(GET)
    assert served.answer()["connection"] == b"close"
    assert served.is_closed


def test_keep_alive_said_by_the_app_changes_nothing(serve: Serve) -> None:
    served = serve(answering(head(headers=[(b"connection", b"keep-alive")]), last(b"hello")))
    served.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert served.answer()["connection"] == b"close"
    assert served.is_closed


@pytest.mark.parametrize("value", [b"chunked", b"gzip", b"identity", b"gzip, chunked"])
def test_the_apps_transfer_encoding_is_ignored(serve: Serve, value: bytes) -> None:
    served = serve(answering(head(headers=[(b"Transfer-Encoding", value)]), last(b"hello")))
    served.send(GET)
    assert served.written == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


@pytest.mark.parametrize(
    "headers",
    [
        [(b"x", b"a\r\nset-cookie: b")],
        [(b"x", b"a\nb")],
        [(b"x", b"a\rb")],
        [(b"x", b"a\0b")],
        [(b"x\r\ny", b"a")],
        [(b"x y", b"a")],
        [(b"x:", b"a")],
        [(b"", b"a")],
        [("x", "a")],
        [(b"x", b"a", b"b")],
        [b"x"],
        [(b"content-length", b"5\r\n")],
        [(b"content-length", b"-1")],
        [(b"content-length", b"5, 5")],
        [(b"content-length", b"5"), (b"content-length", b"6")],
    ],
)
def test_a_bad_field_is_refused_before_anything_is_sent(serve: Serve, headers: Any) -> None:
    app = Stepper()
    served = serve(app)
    served.send(GET)
    app.step(head(headers=headers))
    served.settle()
    assert isinstance(app.calls[0][0], ASGIMisuse)
    assert served.written == b""
    app.step(head(500), last(b"sorry"), None)
    served.settle()
    assert (served.answer().status, served.answer().body) == (500, b"sorry")


@pytest.mark.parametrize("status", [0, 99, 100, 101, 199, 1000, True, "200", 200.0, None])
def test_a_status_that_is_no_final_one_is_refused(serve: Serve, status: Any) -> None:
    served = serve(answering(head(status), last()))
    served.send(GET)
    assert served.answer().status == 500
    assert len(served.errors) == 1


def test_date_and_server_are_defaults(serve: Serve) -> None:
    served = serve(hello)
    served.runtime.server_field = b"server: gasgi\r\n"
    served.runtime.date_field = b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    served.send(GET)
    assert (served.answer()["server"], served.answer()["date"]) == (b"gasgi", b"Sun, 06 Nov 1994 08:49:37 GMT")


def test_date_and_server_of_the_app_replace_the_defaults(serve: Serve) -> None:
    served = serve(answering(head(headers=[(b"Server", b"mine"), (b"Date", b"today")]), last()))
    served.runtime.server_field = b"server: gasgi\r\n"
    served.runtime.date_field = b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    served.send(GET)
    assert (served.answer()["server"], served.answer()["date"]) == (b"mine", b"today")


@pytest.mark.parametrize("status", [status for status in HTTPStatus if status >= 200])
def test_every_registered_status_has_its_phrase(serve: Serve, status: HTTPStatus) -> None:
    served = serve(answering(head(status), last()))
    served.send(GET)
    line = served.written.partition(b"\r\n")[0]
    assert line.startswith(b"HTTP/1.1 %d " % status)
    assert len(line) > len(b"HTTP/1.1 200 ")


def test_an_unregistered_status_has_an_empty_phrase(serve: Serve) -> None:
    # RFC 9112, 4: the blank behind the status is not optional.
    served = serve(answering(head(799), last()))
    served.send(GET)
    assert served.written.startswith(b"HTTP/1.1 799 \r\n")


@pytest.mark.parametrize("body", [b"hell", b"hello!"])
def test_a_first_and_only_piece_of_the_wrong_length_is_500(serve: Serve, body: bytes) -> None:
    served = serve(answering(head(headers=LENGTH_5), last(body)))
    served.send(GET)
    assert served.answer().status == 500
    assert "content-length" not in served.written.decode().partition("\r\n\r\n")[2]
    assert served.is_closed
    assert len(served.errors) == 1


def test_no_byte_beyond_the_length_leaves(serve: Serve) -> None:
    served = serve(answering(head(headers=LENGTH_5), piece(b"hel"), piece(b"loXX"), last()))
    served.send(GET, GET)
    assert (served.answer().body, served.answer().is_whole) == (b"hel", False)
    assert served.is_closed


def test_a_body_shorter_than_its_length_closes_the_connection(serve: Serve) -> None:
    served = serve(answering(head(headers=LENGTH_5), piece(b"hel"), last()))
    served.send(GET, GET)
    assert (served.answer().body, served.answer().is_whole) == (b"hel", False)
    assert served.is_closed
    assert len(served.errors) == 1


def test_a_length_that_trailers_leave_short_closes_the_connection(serve: Serve) -> None:
    messages = (head(headers=LENGTH_5, trailers=True), last(b"hel"), {"type": "http.response.trailers", "headers": []})
    served = serve(answering(*messages))
    served.send(GET_TRAILERS, GET_TRAILERS)
    assert (served.answer().body, served.answer().is_whole) == (b"hel", False)
    assert served.is_closed


def test_trailers_follow_the_last_chunk_when_the_client_takes_them(serve: Serve) -> None:
    messages = (
        head(trailers=True),
        last(b"hello"),
        {"type": "http.response.trailers", "headers": [(b"X-Sum", b"1")], "more_trailers": True},
        {"type": "http.response.trailers", "headers": [(b"x-more", b"2")]},
    )
    served = serve(answering(*messages))
    served.send(GET_TRAILERS, GET)
    first, second = served.answers()
    assert (first.body, first.trailers) == (b"hello", [(b"x-sum", b"1"), (b"x-more", b"2")])
    assert (second.body, second.trailers) == (b"hello", [])


def test_trailers_of_one_response_are_not_in_the_next(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(head(trailers=True))
        await send(last(b"hello"))
        await send({"type": "http.response.trailers", "headers": [(b"x-path", scope["raw_path"])]})

    served = serve(app)
    served.send(GET_TRAILERS.replace(b"/ ", b"/secret "), GET_TRAILERS)
    assert [answer.trailers for answer in served.answers()] == [[(b"x-path", b"/secret")], [(b"x-path", b"/")]]


@pytest.mark.parametrize("name", [b"Content-Length", b"transfer-encoding", b"host", b"set-cookie"])
def test_a_trailer_that_frames_routes_or_authenticates_is_refused(serve: Serve, name: bytes) -> None:
    messages = (head(trailers=True), last(b"x"), {"type": "http.response.trailers", "headers": [(name, b"1")]})
    served = serve(answering(*messages))
    served.send(GET_TRAILERS)
    assert not served.answer().is_whole
    assert served.is_closed


def test_early_hints_precede_the_answer_and_never_reach_http_1_0(serve: Serve) -> None:
    hint = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]}
    served = serve(answering(hint, head(), hint, last(b"hello")))
    served.send(GET, OLD_KEPT)
    assert served.written.startswith(b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n")
    assert [(answer.interim, answer.body) for answer in served.answers()] == [([103, 103], b"hello"), ([], b"hello")]


def test_an_informational_status_that_would_switch_protocols_is_refused(serve: Serve) -> None:
    for status in (100, 101, 200):
        served = serve(answering({"type": "http.response.informational", "status": status, "headers": []}))
        served.send(GET)
        assert served.answer().status == 500


def test_a_file_leaves_as_it_is(serve: Serve, tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 4096)
    headers = [(b"content-length", b"%d" % path.stat().st_size)]
    served = serve(answering(head(headers=headers), {"type": "http.response.pathsend", "path": str(path)}))
    served.send(GET)
    served.wait_for(lambda: not served.runtime.conversations)
    assert served.answer().body == path.read_bytes()
    assert not served.is_closed


def test_a_file_shorter_than_announced_is_500(serve: Serve, tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"hell")
    served = serve(answering(head(headers=LENGTH_5), {"type": "http.response.pathsend", "path": str(path)}))
    served.send(GET)
    served.wait_for(lambda: not served.runtime.conversations)
    assert served.answer().status == 500
    assert served.is_closed


def test_a_file_that_is_not_there_is_500(serve: Serve, tmp_path: Any) -> None:
    served = serve(answering(head(), {"type": "http.response.pathsend", "path": str(tmp_path / "none")}))
    served.send(GET)
    served.wait_for(lambda: not served.runtime.conversations)
    assert served.answer().status == 500


@pytest.mark.parametrize("size", [5, 1024 * 1024])
def test_a_file_that_nobody_waits_for_is_not_sent_once_the_app_has_ended(
    serve: Serve, tmp_path: Any, size: int
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)
    forgotten: list[asyncio.Task[None]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def late() -> None:
            await file
            await send(last(b"later"))

        await send(head())
        file = send({"type": "http.response.pathsend", "path": str(path)})
        forgotten.append(asyncio.ensure_future(late()))

    served = serve(app)
    served.transport.is_client_reading = False  # a client that stays, so that the connection is there all the while
    served.send(GET)
    served.wait_for(lambda: forgotten[0].done())
    assert forgotten[0].exception() is None
    assert served.answer().status == 500


def test_a_pipe_that_nobody_waits_for_is_not_sent_once_the_app_has_ended(serve: Serve) -> None:
    source, sink = os.pipe()
    forgotten: list[asyncio.Task[None]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(head())
        forgotten.append(asyncio.ensure_future(send({"type": "http.response.zerocopysend", "file": source})))
        await asyncio.sleep(0)

    served = serve(app)
    served.transport.is_client_reading = False
    served.send(GET)
    os.write(sink, b"hello")
    os.close(sink)
    served.wait_for(lambda: forgotten[0].done())
    os.close(source)
    assert forgotten[0].exception() is None
    assert served.answer().status == 500


def test_an_endless_answer_to_head_leaves_the_loop_to_others(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(head())
        while True:
            await send(piece(b"x" * 1000))

    served = serve(app)
    served.send(HEAD)
    assert served.written == b"HTTP/1.1 200 OK\r\n\r\n"
    served.transport.lose()
    served.settle()
    assert not served.runtime.conversations


def test_an_endless_answer_leaves_the_loop_to_others(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(head())
        while True:
            await send(piece(b"x" * 1000))

    served = serve(app)
    served.send(GET)
    served.transport.lose()
    served.settle()
    assert not served.runtime.conversations


def test_small_pieces_of_one_turn_leave_in_one_write(serve: Serve) -> None:
    served = serve(answering(head(), *[piece(b"x")] * 100, last()))
    served.send(GET)
    assert len(served.transport.writes) == 1
    assert served.answer().body == b"x" * 100


def test_a_piece_does_not_wait_for_the_next(serve: Serve) -> None:
    app = Stepper()
    served = serve(app)
    served.send(GET)
    app.step(head(), piece(b"first"))
    served.settle()
    assert served.written.endswith(b"5\r\nfirst\r\n")
    app.step(last(), None)
    served.settle()
    assert served.answer().is_whole
