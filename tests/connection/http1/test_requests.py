"""What reaches the app for what a client sends, however it is cut: the corpus, smuggling, upgrades, limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gasgi.settings import Settings
from tests.support.corpus import Case, load_cases
from tests.support.http_apps import Recorder, echo, hello
from tests.support.served import RecordingObserver, Served
from tests.support.wire import split_everywhere

Serve = Callable[..., Served]

NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
WEBSOCKET = b"upgrade-websocket"  # taken, so not answered as a request
BROKEN_IN_THE_BODY = ("chunk", "trailer", "length-largest")  # the head is sound: cut behind it, it reaches the app


def served_bytes(serve: Serve, pieces: list[bytes]) -> tuple[bytes, list[str], bool]:
    app = Recorder(echo)
    served = serve(app)
    served.send(*pieces)
    served.settle(len(app.scopes) * 8)
    return served.written, app.paths, served.is_closed


@pytest.mark.parametrize("loop", ["asyncio"], indirect=True)
@pytest.mark.parametrize(
    "case",
    [case for kind in ("valid", "invalid") for case in load_cases(kind) if case.name.encode() != WEBSOCKET],
    ids=lambda case: case.name,
)
def test_answers_the_corpus_the_same_however_it_is_cut(serve: Serve, case: Case) -> None:
    """Each request read is answered once, a refusal once behind them, and then nothing."""
    app = Recorder(echo)
    served = serve(app)
    served.send(case.raw)
    served.settle(40)
    whole = served.written
    methods = [request.get("method", "GET") for request in case.requests]
    answers = served.answers(*methods)
    statuses = [200] * len(case.requests) + ([] if case.status is None else [case.status])
    assert [answer.status for answer in answers] == statuses
    if not case.name.startswith(BROKEN_IN_THE_BODY):
        assert len(app.scopes) == len(case.requests)
    if case.status is not None:
        assert served.is_closed or served.transport.eof_written
        assert answers[-1]["connection"] == b"close"
        served.send(NEXT)
        assert served.written == whole
    for pieces in split_everywhere(case.raw):
        served.close()
        served.connect()
        served.send(*pieces)
        assert served.written == whole, pieces


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Content-Length: 5\r\nContent-Length: 5",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 5, 5",
        b"Content-Length: +5",
        b"Content-Length: -5",
        b"Content-Length: 5 5",
        b"Content-Length: 0x5",
        b"Content-Length: 5\x0b",
        b"Content-Length : 5",
        b"Content-Length:\r\n 5",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: chunked, chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"Transfer-Encoding: \x0bchunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding:\r\n chunked",
        b"Transfer-Encoding\r\n : chunked",
        b"X: y\nTransfer-Encoding: chunked",
        b"X: y\rTransfer-Encoding: chunked",
        b"X: \0y",
        b" X: y",
        b": y",
        b"X",
    ],
)
def test_a_smuggling_attempt_gets_one_400_and_the_connection_ends(serve: Serve, fields: bytes) -> None:
    app = Recorder(echo)
    observer = RecordingObserver()
    served = serve(app, observer=observer)
    served.send(b"POST / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n\r\n0\r\n\r\n" + SMUGGLED, SMUGGLED)
    assert (served.answer().status, served.answer()["connection"]) == (400, b"close")
    assert app.scopes == []
    assert observer.statuses == [400]
    served.transport.client_shuts_its_side()
    served.settle()
    assert served.transport.is_lost


@pytest.mark.parametrize("behind", [b"", SMUGGLED])
@pytest.mark.parametrize(
    "chunks", [b"5\r\nhelloX\r\n0\r\n\r\n", b"-1\r\n", b"FFFFFFFFFFFFFFFFF\r\n", b"5;a\n=b\r\nhello\r\n0\r\n\r\n"]
)
def test_a_broken_body_that_came_with_its_head_never_reaches_the_app(
    serve: Serve, chunks: bytes, behind: bytes
) -> None:
    app = Recorder(echo)
    served = serve(app)
    served.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + behind)
    assert served.answer().status == 400
    assert app.scopes == []


def test_a_body_that_breaks_later_is_answered_and_ends_for_the_app(serve: Serve) -> None:
    app = Recorder(echo)
    served = serve(app)
    served.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")
    served.send(b"loX", SMUGGLED)
    assert served.answer().status == 400
    assert app.received[-1] == {"type": "http.disconnect"}
    assert len(app.scopes) == 1


def test_a_body_that_breaks_after_its_answer_gets_no_second_answer(serve: Serve) -> None:
    app = Recorder(hello)
    served = serve(app)
    served.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")
    served.send(b"loX", SMUGGLED)
    assert served.answer().body == b"hello"
    assert len(app.scopes) == 1
    assert served.transport.eof_written


@pytest.mark.parametrize(
    "upgrade",
    [H2C, b"Connection: Upgrade\r\nUpgrade: TLS/1.0, HTTP/1.1\r\n", b"connection: upgrade\r\nUpgrade: foo/2\r\n"],
)
@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 5\r\n\r\nhello",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    ],
)
def test_an_upgrade_not_taken_is_served_with_its_whole_body(serve: Serve, upgrade: bytes, body: bytes) -> None:
    raw = b"POST / HTTP/1.1\r\nHost: a\r\n" + upgrade + body + NEXT
    for pieces in split_everywhere(raw) if upgrade is H2C else [[raw]]:
        written, paths, is_closed = served_bytes(serve, pieces)
        assert paths == ["/", "/next"]
        assert b"\r\n\r\nhello" in written
        assert b"upgrade" not in written
        assert not is_closed


def test_an_upgrade_not_taken_without_a_body_is_served(serve: Serve) -> None:
    _, paths, is_closed = served_bytes(serve, [b"GET / HTTP/1.1\r\nHost: a\r\n" + H2C + b"\r\n" + NEXT])
    assert (paths, is_closed) == (["/", "/next"], False)


def test_connect_is_refused_and_what_follows_is_no_request(serve: Serve) -> None:
    app = Recorder(echo)
    served = serve(app)
    served.send(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n" + SMUGGLED)
    assert served.answer().status == 501
    assert app.scopes == []


def test_a_websocket_handshake_with_a_body_is_refused(serve: Serve) -> None:
    app = Recorder(echo)
    served = serve(app)
    served.send(
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 5\r\n\r\nhello" + SMUGGLED
    )
    assert served.answer().status == 400
    assert app.scopes == []


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /" + b"a" * 100 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET /" + b"a" * 100, 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 4 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 4, 431),
    ],
)
def test_limits_are_held_before_the_head_is_whole(serve: Serve, raw: bytes, status: int) -> None:
    settings = Settings(limit_request_line=64, limit_request_field_bytes=64, limit_request_fields=4)
    for pieces in ([raw], [raw[i : i + 1] for i in range(len(raw))]):
        app = Recorder(echo)
        served = serve(app, settings)
        served.send(*pieces)
        assert served.answer().status == status
        assert app.scopes == []


def test_the_refusal_of_a_pipelined_request_follows_the_answers_before_it(serve: Serve) -> None:
    app = Recorder(echo)
    served = serve(app)
    served.send(NEXT + NEXT + b"GET / HTTP/3.0\r\n\r\n" + NEXT)
    assert [answer.status for answer in served.answers()] == [200, 200, 505]
    assert app.paths == ["/next", "/next"]


def test_one_empty_line_before_a_request_is_ignored(serve: Serve) -> None:
    # RFC 9112, 2.2.
    _, paths, is_closed = served_bytes(serve, [b"\r\n" + NEXT + b"\r\n" + NEXT])
    assert (paths, is_closed) == (["/next", "/next"], False)


def test_scopes_share_nothing_that_can_be_changed(serve: Serve) -> None:
    app = Recorder(echo)
    served = serve(app)
    served.runtime.state = {"a": 1}
    served.send(NEXT + NEXT)
    first, second = app.scopes
    shared = {id(value) for value in first.values() if isinstance(value, (dict, list))}
    shared &= {id(value) for value in second.values() if isinstance(value, (dict, list))}
    assert not shared


def test_more_requests_than_limit_concurrency_get_503(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await receive()

    observer = RecordingObserver()
    served = serve(app, Settings(limit_concurrency=1), observer)
    first = served.transport
    served.send(NEXT)
    served.connect()
    served.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
    assert (served.answer().status, served.answer()["retry-after"]) == (503, b"1")
    # The body is on its way: a close would reset the connection before the answer is read.
    assert (served.is_closed, served.transport.eof_written) == (False, True)
    assert observer.statuses == [503]
    first.lose()
