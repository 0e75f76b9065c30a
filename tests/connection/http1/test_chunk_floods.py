"""Bodies whose bytes cost more than they say: tiny chunks, tiny segments, lengths at the end of the number range."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from gasgi.settings import Settings
from tests.support.http_apps import Recorder, Stepper, echo, head, hello, last, read_body
from tests.support.served import Served

Serve = Callable[..., Served]

POST = b"POST /flood HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKS = 40_000  # in one read of 256 KiB
FLOOD = b"1\r\na\r\n" * CHUNKS
END = b"0\r\n\r\n"


def settle(served: Served) -> None:
    """As many turns as all the chunks take."""
    served.settle(2 * CHUNKS // 256 + 20)


def test_tiny_chunks_are_decoded_in_many_turns(serve: Serve) -> None:
    """The bound is on the work, not on what it gives: 256 KiB of one-byte chunks are 40 KiB of a body."""
    app = Stepper()
    served = serve(app)
    served.transport.client_sends(POST + b"1\r\na\r\n")
    served.transport.client_sends(FLOOD)
    served.settle()
    app.step("receive")
    served.settle(4)
    (message,) = app.calls[0]
    assert 0 < len(message["body"]) < CHUNKS / 2
    assert message["more_body"]
    app.step(None)


@pytest.mark.parametrize("is_one_read", [True, False])
def test_a_flood_of_tiny_chunks_is_whole_and_so_is_what_follows(serve: Serve, is_one_read: bool) -> None:
    app = Recorder(echo)
    served = serve(app)
    if is_one_read:
        served.transport.client_sends(POST + FLOOD + END + GET)
    else:
        served.send(POST)
        served.transport.client_sends(FLOOD)
        served.transport.client_sends(END + GET)
    settle(served)
    first, second = served.answers("POST", "GET")
    assert first.body == b"a" * CHUNKS
    assert (second.status, second.body) == (200, b"")
    assert not served.transport.is_reading_paused


def test_the_others_are_served_between_tiny_chunks(serve: Serve, loop: asyncio.AbstractEventLoop) -> None:
    seen: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/flood":
            await read_body(receive)
            seen.append(-1)
        await hello(scope, receive, send)

    served = serve(app)
    served.transport.client_sends(POST)
    served.transport.client_sends(FLOOD + END)
    other = serve(hello)
    other.send(GET)
    assert other.answer().status == 200
    assert not seen
    settle(served)
    assert seen == [-1]
    assert served.answer().status == 200


def test_a_client_of_tiny_chunks_is_read_no_further_than_its_turns(serve: Serve) -> None:
    """An app that takes each piece at once does not make the connection read on above what it has decoded."""
    served = serve(echo)
    served.transport.client_sends(POST)
    for _ in range(5):
        served.transport.client_sends(FLOOD)
    served.settle(10)
    assert served.transport.is_reading_paused
    assert len(served.transport._inbox) == 4
    settle(served)
    settle(served)
    assert len(served.transport._inbox) < 4
    served.transport.client_sends(END)
    for _ in range(5):
        settle(served)
    assert served.answer("POST").body == b"a" * CHUNKS * 5


def test_a_body_of_tiny_chunks_is_whole_though_its_client_shut_its_side(serve: Serve) -> None:
    app = Recorder(echo)
    served = serve(app)
    served.transport.client_sends(POST)
    served.transport.client_sends(FLOOD[: 6 * 5000] + END)
    served.transport.client_shuts_its_side()
    settle(served)
    assert served.answer("POST").body == b"a" * 5000
    assert [message["type"] for message in app.received] == ["http.request"] * len(app.received)


def test_a_body_of_tiny_chunks_that_ends_in_the_middle_is_a_disconnect(serve: Serve) -> None:
    app = Recorder(echo)
    served = serve(app)
    served.transport.client_sends(POST)
    served.transport.client_sends(FLOOD[: 6 * 5000])
    served.transport.client_shuts_its_side()
    settle(served)
    assert served.is_closed
    assert app.received[-1]["type"] == "http.disconnect"
    assert not served.written or b" 500 " in served.written


def test_tiny_chunks_behind_an_answer_are_read_away_in_turns(serve: Serve) -> None:
    served = serve(hello, Settings(max_body_drain_bytes=1 << 20))
    served.transport.client_sends(POST + FLOOD[: 6 * 5000])
    served.settle()
    assert served.answer("POST").status == 200
    served.transport.client_sends(END + GET)
    settle(served)
    assert [answer.status for answer in served.answers("POST", "GET")] == [200, 200]


def test_a_mistake_behind_tiny_chunks_is_refused(serve: Serve) -> None:
    served = serve(echo)
    served.transport.client_sends(POST)
    served.transport.client_sends(FLOOD[: 6 * 5000] + b"x")
    settle(served)
    assert not served.written
    served.transport.client_sends(b"\r\n")
    settle(served)
    assert served.answer("POST").status == 400
    assert served.transport.eof_written


def test_a_client_that_leaves_between_turns_is_forgotten(serve: Serve) -> None:
    app = Recorder(echo)
    served = serve(app)
    served.transport.client_sends(POST)
    served.transport.client_sends(FLOOD)
    served.transport.lose(ConnectionResetError())
    settle(served)
    assert app.received[-1]["type"] == "http.disconnect"


def test_a_pipelined_body_of_the_largest_length_begins_where_it_begins(serve: Serve) -> None:
    """2**63 - 1 is a content-length like any other: what is added to it must not wrap round."""
    app = Stepper()
    served = serve(app)
    post = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775807\r\n\r\n"
    served.send(GET + post + b"first ", b"second")
    app.step(head(204), last(), None)
    served.settle()
    app.step("receive", call=1)
    served.settle()
    (message,) = app.calls[1]
    assert message["body"] == b"first second"
    app.step(None, call=1)


@pytest.mark.parametrize("is_body", [True, False], ids=["body", "pipelined"])
def test_tiny_segments_hold_little_more_than_their_bytes(serve: Serve, is_body: bool) -> None:
    """An object for each two bytes would take twenty times of what it holds."""
    app = Stepper()
    served = serve(app)
    served.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" if is_body else GET)
    segments = [b"%02d" % (number % 100) for number in range(30_000)]
    tracemalloc.start()
    try:
        before = tracemalloc.take_snapshot()
        for segment in segments:
            served.transport.client_sends(bytes(bytearray(segment)))
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    held = sum(difference.size_diff for difference in after.compare_to(before, "filename"))
    assert held < 3 * 60_000
    app.step(None)
