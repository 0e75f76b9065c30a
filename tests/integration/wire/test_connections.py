"""One request behind the other: order, unread bodies, clients that shut their side, work behind an answer."""

from __future__ import annotations

import json
import socket

import pytest

from tests.integration.wire.conftest import PLACES
from tests.support.answers import read_answers
from tests.support.endpoint import Endpoint, read_all, read_to_the_end, read_until
from tests.support.gunicorn import wait_until

CLOSE = b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
POST = b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"


def get(target: str) -> bytes:
    return b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % target.encode()


def test_answers_keep_the_order_of_the_requests(wire: Endpoint) -> None:
    *answers, _ = wire.talk(b"".join(get(f"/later?{i}") for i in range(10)) + CLOSE)
    assert [answer.body for answer in answers] == [b"%d" % i for i in range(10)]


def test_a_connection_serves_many_requests_one_after_the_other(wire: Endpoint) -> None:
    with wire.connect() as sock:
        for i in range(100):
            sock.sendall(get(f"/later?{i % 10}"))
            read_until(sock, b"\r\n\r\n%d" % (i % 10))


def test_a_small_body_left_unread_is_read_away(wire: Endpoint) -> None:
    assert [answer.status for answer in wire.talk(POST % 1000 + b"x" * 1000 + CLOSE)] == [200, 200]


def test_a_large_body_left_unread_ends_the_connection_behind_the_answer(wire: Endpoint) -> None:
    with wire.connect() as sock:
        sock.sendall(POST % 10_000_000 + b"x" * 1000)
        (answer,) = read_to_the_end(sock)
    assert (answer.body, answer["connection"]) == (b"hello", b"close")


def test_a_request_does_not_wait_for_the_background_task_before_it(wire: Endpoint) -> None:
    wire.ask("/release")
    assert [answer.body for answer in wire.talk(get("/background") + CLOSE)] == [b"hello", b"hello"]
    # Nor did its client take the task along when it left.
    wire.ask("/release")
    wait_until(lambda: json.loads(wire.ask("/release")) == ["background"], "the background task")


def test_an_app_that_sends_nothing_without_a_pause_does_not_keep_the_loop(wire: Endpoint) -> None:
    with wire.connect() as sock:
        sock.sendall(get("/spin").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        read_until(sock, b"spinning\r\n")
        assert wire.ask("/hello") == b"hello"
        wire.ask("/release")
        assert sock.recv(100).startswith(b"0\r\n\r\n")


HALVES = [place for place in PLACES if "tls" not in str(place.id)]  # TLS has no half: close_notify ends both sides


@pytest.mark.parametrize("place", HALVES, indirect=True)
def test_a_client_that_shut_its_side_gets_its_answers(wire: Endpoint) -> None:
    with wire.connect() as sock:
        sock.sendall(get("/later?0") * 3)
        sock.shutdown(socket.SHUT_WR)
        assert [answer.body for answer in read_answers(read_all(sock), [], True)] == [b"0"] * 3


@pytest.mark.parametrize("place", HALVES, indirect=True)
def test_a_client_that_shut_its_side_is_answered_behind_the_grace_period_too(wire: Endpoint) -> None:
    # The grace period is one second.
    with wire.connect() as sock:
        sock.sendall(get("/slow?3"))
        sock.shutdown(socket.SHUT_WR)
        assert [answer.body for answer in read_answers(read_all(sock), [], True)] == [b"hello"]
