"""What leaves for what an app sends: framing, fields, interim answers and failures. RFC 9110 and 9112."""

from __future__ import annotations

import re

import pytest

from tests.support.answers import Answer
from tests.support.endpoint import Endpoint, read_to_the_end, read_until
from tests.support.gunicorn import Gunicorn

NEXT = b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def request(path: str, *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: a", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def ask(wire: Endpoint, raw: bytes, *methods: str) -> tuple[Answer, list[bytes]]:
    """Send a request and another one; return the first answer and the bodies of those behind it."""
    first, *behind = wire.talk(raw + NEXT, methods)
    return first, [answer.body for answer in behind]


IN_STEP = [b"hello"]


@pytest.mark.parametrize(("path", "length"), [("/hello", b"5"), ("/status?404", b"5"), ("/stream", None)])
def test_head_is_answered_without_a_body(wire: Endpoint, path: str, length: bytes | None) -> None:
    answer, behind = ask(wire, request(path, method="HEAD"), "HEAD")
    assert (answer.framing, answer.body, answer["content-length"]) == ("none", b"", length)
    assert behind == IN_STEP


@pytest.mark.parametrize(("status", "length"), [(204, None), (304, b"5"), (205, b"0")])
def test_statuses_that_allow_no_content_get_none(wire: Endpoint, status: int, length: bytes | None) -> None:
    # RFC 9110, 15.3.5, 15.3.6, 15.4.5. Clients read a body behind 205, so its length says that there is none.
    answer, behind = ask(wire, request(f"/status?{status}"))
    assert (answer.status, answer.body, answer["content-length"], answer["transfer-encoding"]) == (
        status,
        b"",
        length,
        None,
    )
    assert behind == IN_STEP


def test_interim_answers_come_before_the_final_one_and_never_to_http_1_0(wire: Endpoint) -> None:
    answer, behind = ask(wire, request("/hints"))
    assert (answer.interim, answer.status, behind) == ([103], 200, IN_STEP)
    (answer,) = wire.talk(request("/hints", version="1.0"))
    assert (answer.interim, answer.body) == ([], b"hello")


def test_http_1_0_is_closed_unless_it_asks_to_be_kept(wire: Endpoint) -> None:
    (answer,) = wire.talk(request("/hello", version="1.0"))
    assert (answer["connection"], answer["content-length"]) == (b"close", b"5")
    answer, behind = ask(wire, request("/hello", "Connection: keep-alive", version="1.0"))
    assert (answer["connection"], behind) == (b"keep-alive", IN_STEP)


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_http_1_0_gets_a_body_without_length_until_the_end(wire: Endpoint, connection: str) -> None:
    # Kept open, nothing would tell where the next answer begins.
    (answer,) = wire.talk(request("/stream", f"Connection: {connection}", version="1.0"))
    assert (answer.framing, answer.body, answer["connection"]) == ("close", b"hello", b"close")


def test_a_stream_is_chunked(wire: Endpoint) -> None:
    answer, behind = ask(wire, request("/stream"))
    assert (answer.framing, answer.body, answer.is_whole, behind) == ("chunked", b"hello", True, IN_STEP)


@pytest.mark.parametrize(("path", "body", "is_whole"), [("/longer", b"hello", True), ("/shorter", b"he", False)])
def test_a_length_is_kept_to_or_the_connection_closes(wire: Endpoint, path: str, body: bytes, is_whole: bool) -> None:
    answer, behind = ask(wire, request(path))
    assert (answer["content-length"], answer.body, answer.is_whole) == (b"5", body, is_whole)
    assert behind == []


@pytest.mark.parametrize(("path", "fields"), [("/close", ()), ("/hello", ("Connection: close",))])
def test_close_is_announced_and_done(wire: Endpoint, path: str, fields: tuple[str, ...]) -> None:
    answer, behind = ask(wire, request(path, *fields))
    assert (answer["connection"], behind) == (b"close", [])


def test_the_apps_transfer_encoding_is_ignored(wire: Endpoint) -> None:
    answer, behind = ask(wire, request("/own-coding"))
    assert (answer["transfer-encoding"], answer.body, behind) == (b"chunked", b"hello", IN_STEP)


def test_nothing_of_an_injected_field_leaves(wire: Endpoint) -> None:
    answer, behind = ask(wire, request("/inject"))
    assert (answer.status, answer["x-good"], answer["x-injected"]) == (500, None, None)
    assert behind == []


def test_date_and_server_are_there_and_the_apps_own_win(wire: Endpoint) -> None:
    answer, _ = ask(wire, request("/hello"))
    assert re.fullmatch(rb"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", answer["date"] or b"")
    assert answer["server"] == b"gasgi"
    answer, _ = ask(wire, request("/own-fields"))
    assert (answer["date"], answer["server"]) == (b"then", b"mine")


def post(path: str, expectation: str = "100-continue", version: str = "1.1") -> bytes:
    return request(path, "Content-Length: 5", f"Expect: {expectation}", method="POST", version=version)


def test_100_continue_is_sent_when_the_app_asks_for_the_body(wire: Endpoint) -> None:
    with wire.connect() as sock:
        sock.sendall(post("/echo"))
        assert read_until(sock, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"hello" + NEXT)
        assert [answer.status for answer in read_to_the_end(sock)] == [200, 200]


def test_no_100_continue_for_an_app_that_does_not_ask(wire: Endpoint) -> None:
    # The client may send the body or not: only a new connection is in step.
    (answer,) = wire.talk(post("/hello"))
    assert (answer.interim, answer.status, answer["connection"]) == ([], 200, b"close")


def test_no_100_continue_for_http_1_0_and_for_a_body_that_has_come(wire: Endpoint) -> None:
    (answer,) = wire.talk(post("/echo", version="1.0") + b"hello")
    assert (answer.interim, answer.status) == ([], 200)
    answer, behind = ask(wire, post("/echo") + b"hello")
    assert (answer.interim, answer.status, behind) == ([], 200, IN_STEP)


def test_other_expectations_are_refused(wire: Endpoint) -> None:
    (answer,) = wire.talk(post("/echo", "200-ok"))
    assert (answer.status, answer["connection"]) == (417, b"close")


def test_an_app_that_fails_first_gives_a_500_without_a_word_of_why(wire: Endpoint, log: Gunicorn) -> None:
    answer, behind = ask(wire, request("/fail"))
    assert (answer.status, answer["connection"], answer.body, behind) == (500, b"close", b"Internal Server Error\n", [])
    log.wait_for("answered 500 GET /fail ")
    log.wait_for(r"Exception in ASGI app during GET /fail\nTraceback")


def test_an_app_that_fails_later_cuts_its_answer_off(wire: Endpoint, log: Gunicorn) -> None:
    answer, behind = ask(wire, request("/fail-late"))
    assert (answer.status, answer.framing, answer.is_whole, behind) == (200, "chunked", False, [])
    log.wait_for(r"Exception in ASGI app during GET /fail-late\nTraceback")


def test_an_app_that_fails_behind_its_answer_leaves_the_connection_alone(wire: Endpoint, log: Gunicorn) -> None:
    answer, behind = ask(wire, request("/fail-behind"))
    assert (answer.status, answer.is_whole, behind) == (200, True, IN_STEP)
    log.wait_for(r"Exception in ASGI app during GET /fail-behind\nTraceback")
