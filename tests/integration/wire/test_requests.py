"""What is read from the wire: the whole corpus, upgrades that are not taken, limits. RFC 9112."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from gasgi import _parser_py
from tests.support.answers import Answer
from tests.support.corpus import Case, load_cases
from tests.support.endpoint import Endpoint, read_to_the_end
from tests.support.gunicorn import Gunicorn
from tests.support.wire import read_stream

# Sent behind every message: served where the connection is in step and kept, and never behind a refusal.
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
TOLD = ("method", "path", "raw_path", "query_string", "http_version", "body")
# Its body never ends.
VALID = [case for case in load_cases("valid") if case.name != "length-largest"]


def whole(sock: socket.socket, case: Case) -> None:
    sock.sendall(case.raw + NEXT)


def byte_by_byte(sock: socket.socket, case: Case) -> None:
    if ends_the_connection(case):
        whole(sock, case)  # the server would have closed before the last byte, and reset what comes then
        return
    raw = case.raw + NEXT
    for i in range(len(raw)):
        sock.sendall(raw[i : i + 1])


def ends_the_connection(case: Case) -> bool:
    requests, _ = read_stream(_parser_py, [case.raw])
    return case.status is None and (not requests[-1]["keep_alive"] or requests[-1]["upgrade"] == b"websocket")


def exchange(wire: Endpoint, cases: list[Case], send: Any) -> Iterator[tuple[Case, list[Answer]]]:
    """Send each case over a connection of its own."""
    for case in cases:
        with wire.connect() as sock:
            send(sock, case)
            yield case, read_to_the_end(sock, [request.get("method", "GET") for request in case.requests])


def told(answer: Answer) -> dict[str, Any]:
    return dict(json.loads(answer.body)) if answer.body else {}


def expected(case: Case) -> list[Any]:
    """Status and what the app was told, for each request of a case."""
    return [
        (403, {})  # a WebSocket, which the app does not want
        if request.get("upgrade") == "websocket" and request.get("http_version") != "1.0"
        else (200, {name: request[name] for name in TOLD if name in request and request.get("method") != "HEAD"})
        for request in case.requests
    ]


def seen(case: Case, answers: list[Answer]) -> list[Any]:
    return [
        (answer.status, {name: value for name, value in told(answer).items() if name in request})
        if answer.status == 200
        else (answer.status, {})
        for request, answer in zip(case.requests, answers, strict=False)
    ]


@pytest.mark.parametrize("send", [whole, byte_by_byte])
def test_valid_messages_are_served_and_leave_the_connection_in_step(wire: Endpoint, send: Any) -> None:
    for case, answers in exchange(wire, VALID, send):
        assert seen(case, answers) == expected(case), case.name
        behind = [told(answer)["path"] for answer in answers[len(case.requests) :]]
        assert behind == ([] if ends_the_connection(case) else ["/next"]), case.name


@pytest.mark.parametrize("send", [whole, byte_by_byte])
def test_invalid_messages_are_refused_and_nothing_behind_them_is_answered(wire: Endpoint, send: Any) -> None:
    for case, (*served, refusal) in exchange(wire, load_cases("invalid"), send):
        assert seen(case, served) == expected(case), case.name
        assert (refusal.status, refusal["connection"], refusal.is_whole) == (case.status, b"close", True), case.name


def test_refusals_are_logged_like_any_answer(wire: Endpoint, log: Gunicorn) -> None:
    count = log.log.count("answered 501 ")
    wire.talk(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: unheard-of\r\n\r\n")
    log.wait_for("answered 501 ", count + 1)


@pytest.mark.parametrize("protocol", ["h2c", "TLS/1.0", "unheard/of, h2c"])
@pytest.mark.parametrize(
    "body",
    [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
    ids=["length", "chunked"],
)
def test_an_upgrade_not_taken_is_served_with_its_whole_body(wire: Endpoint, protocol: str, body: bytes) -> None:
    # As Java's and Spring's clients begin by default.
    head = b"POST /first HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n"
    first, behind = wire.talk(head + b"Upgrade: " + protocol.encode() + b"\r\n" + body + NEXT)
    assert (first.status, told(first)["body"]) == (200, "hello")
    assert told(behind)["path"] == "/next"


def test_trailers_are_not_added_to_the_headers(wire: Endpoint) -> None:
    # RFC 9112, 7.1.2: a client could smuggle past a proxy in them what the proxy takes out of heads.
    head = b"POST /first HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    with wire.connect() as sock:
        sock.sendall(head)
        sock.sendall(b"0\r\nX-Admin: yes\r\n\r\n" + NEXT)
        first, behind = read_to_the_end(sock)
    assert (told(first)["names"], told(first)["body"]) == ("host transfer-encoding", "hello")
    assert told(behind)["path"] == "/next"


def line_of(size: int) -> bytes:
    return b"GET /" + b"a" * (size - len("GET / HTTP/1.1")) + b" HTTP/1.1\r\n"


LIMITS = {  # gunicorn's defaults, and one more of each; only the line is counted without its end
    "line": (line_of(4094), line_of(4095), 414),
    "fields": (line_of(20) + b"a: b\r\n" * 98, line_of(20) + b"a: b\r\n" * 99, 431),
    "field": (
        line_of(20) + b"a: " + b"b" * (8190 - 5) + b"\r\n",
        line_of(20) + b"a: " + b"b" * (8190 - 4) + b"\r\n",
        431,
    ),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_are_held_to_the_byte(wire: Endpoint, name: str) -> None:
    allowed, refused, status = LIMITS[name]
    end = b"Host: a\r\nConnection: close\r\n\r\n"
    assert [answer.status for answer in wire.talk(allowed + end)] == [200]
    assert [answer.status for answer in wire.talk(refused + end)] == [status]


@pytest.mark.parametrize(
    ("start", "piece", "status"),
    [
        (b"GET /", b"a" * 4096, 414),
        (b"GET / HTTP/1.1\r\n", b"a: " + b"b" * 4096, 431),
        (b"GET / HTTP/1.1\r\n", b"a: b\r\n" * 100, 431),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"a" * 4096, 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\na: ", b"b" * 4096, 431),
    ],
    ids=["line", "field", "fields", "chunk-extension", "trailers"],
)
def test_limits_are_held_while_bytes_arrive(wire: Endpoint, start: bytes, piece: bytes, status: int) -> None:
    # Refused although the line never ends.
    (answer,) = wire.talk(start + piece * 3)
    assert (answer.status, answer["connection"]) == (status, b"close")
