"""Requests behind one another: order, one at a time, few writes, nothing that waits for what it need not."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

import pytest

from gasgi.settings import Settings
from tests.support.http_apps import Recorder, Stepper, echo, head, hello, last, piece
from tests.support.served import Served
from tests.support.websocket_rig import HANDSHAKE

Serve = Callable[..., Served]

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST_5 = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
MIB = 1024 * 1024
# http_connection's and http_writer's own: compiled, they are no attributes of the modules.
MAX_UNFINISHED = 16
HOLD_BYTES = 64 * 1024
HOLD_S = 0.001
FLUSH_BYTES = 64 * 1024


def get(path: object) -> bytes:
    return b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n" % str(path).encode()


def paths(served: Served) -> list[bytes | None]:
    return [answer["x-path"] for answer in served.answers()]


def test_answers_come_in_the_order_of_the_requests(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(9 - int(scope["path"][1:])):
            await asyncio.sleep(0)
        await echo(scope, receive, send)

    served = serve(app)
    served.send(b"".join(get(i) for i in range(10)))
    served.settle(200)
    assert paths(served) == [b"/%d" % i for i in range(10)]


def test_one_request_runs_at_a_time(serve: Serve) -> None:
    app = Stepper()
    served = serve(app)
    served.send(get(0) + get(1), get(2))
    assert len(app.calls) == 1
    app.step(head(), piece(b"x"))
    served.settle()
    assert len(app.calls) == 1
    app.step(last(), None)
    served.settle()
    assert len(app.calls) == 2


def test_a_burst_of_ten_thousand_is_answered_in_few_writes(serve: Serve) -> None:
    app = Recorder(echo)
    served = serve(app)
    began = time.monotonic()
    served.send(b"".join(get(i) for i in range(10_000)))
    served.wait_for(lambda: len(app.scopes) == 10_000)
    served.settle()
    assert paths(served) == [b"/%d" % i for i in range(10_000)]
    # An answer waits for those behind it, HOLD_S at most: how many join in that time is up to the machine.
    most = (time.monotonic() - began) / HOLD_S + len(served.written) / FLUSH_BYTES
    assert len(served.transport.writes) < most + 10
    assert not served.transport.is_reading_paused


def test_a_burst_in_small_segments_is_held_back_at_the_socket(serve: Serve) -> None:
    app = Stepper()
    served = serve(app)
    served.send(*[get("x" * 90) for _ in range(2000)])
    assert served.transport.is_reading_paused
    # What was taken in before reading stopped; the rest waits in the kernel.
    held = sum(len(data) for data in served.transport._inbox if data)
    assert 2000 * len(get("x" * 90)) - held < 2 * HOLD_BYTES
    for call in range(2000):
        app.step(head(204), last(), None, call=call)
        served.settle(4)
    assert len(served.answers()) == 2000


@pytest.mark.parametrize(
    "request_", [POST_5 + b"small", CHUNKED + b"5\r\nsmall\r\n0\r\n\r\n"], ids=["length", "chunked"]
)
def test_a_burst_of_small_bodies_is_held_back_at_the_socket(serve: Serve, request_: bytes) -> None:
    app = Stepper()
    served = serve(app)
    served.send(*[request_ * 20] * 200)
    for answered in range(1, 41):
        held = sum(len(data) for data in served.transport._inbox if data)
        assert 4000 * len(request_) - held - answered * len(request_) < 3 * HOLD_BYTES
        app.step(head(204), last(), None, call=answered - 1)
        served.settle()
        assert len(served.answers()) == answered


def test_bodies_in_a_burst_reach_their_requests_whole(serve: Serve) -> None:
    app = Recorder(echo)
    served = serve(app)
    bodies = [b"%d" % i * (i % 300 + 1) for i in range(1000)]
    heads = [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) for body in bodies]
    served.send(b"".join(head + body for head, body in zip(heads, bodies, strict=True)))
    served.wait_for(lambda: len(app.scopes) == 1000)
    served.settle()
    assert [answer.body for answer in served.answers()] == bodies


def test_tasks_that_run_at_once_do_not_run_within_one_another(serve: Serve) -> None:
    depths = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        depths.append(len(inspect.stack(0)))
        await hello(scope, receive, send)

    class Done(asyncio.Future):  # type: ignore[type-arg]
        def set_name(self, name: object) -> None:
            """As a task has it: Python 3.13 calls it."""

    def run_at_once(loop: asyncio.AbstractEventLoop, coro: Any, **_: Any) -> asyncio.Future[None]:
        # As asyncio.eager_task_factory (3.12) does for what never waits.
        with pytest.raises(StopIteration):
            coro.send(None)
        done = Done(loop=loop)
        done.set_result(None)
        return done

    served = serve(app)
    served.loop.set_task_factory(run_at_once)  # type: ignore[arg-type]
    served.runtime.has_task_factory = True
    try:
        served.send(GET * 300)
        served.settle(2000)
    finally:
        served.loop.set_task_factory(None)
    assert len(served.answers()) == 300
    assert max(depths) < min(depths) + 20


def test_a_websocket_behind_a_client_that_shut_its_side_does_not_begin(serve: Serve) -> None:
    app = Stepper()
    served = serve(app)
    served.send(GET + HANDSHAKE + b"\r\n")
    served.transport.client_shuts_its_side()
    served.settle()
    app.step(head(204), last(), None)
    served.settle()
    assert len(app.calls) == 1
    assert [answer.status for answer in served.answers()] == [204]
    assert served.is_closed


def test_an_answer_does_not_wait_for_a_slow_handler_behind_it(serve: Serve) -> None:
    app = Stepper()
    served = serve(app)
    served.send(get(0) + get(1) + get(2))
    app.step(head(), last(b"0"), None)
    served.settle()
    assert [answer.body for answer in served.answers()] == [b"0"]
    app.step(head(), last(b"1"), None)
    served.settle()
    assert [answer.body for answer in served.answers()] == [b"0", b"1"]


def test_an_answer_waits_for_at_most_one_handler_that_blocks_the_loop(serve: Serve) -> None:
    seen: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(len(served.answers()))
        start = time.monotonic()
        while time.monotonic() - start < HOLD_S:
            pass
        await hello(scope, receive, send)

    served = serve(app)
    served.send(GET * 20)
    served.settle(200)
    assert len(served.answers()) == 20
    assert all(i - answered <= 3 for i, answered in enumerate(seen)), seen


def test_a_body_left_unread_is_read_away(serve: Serve) -> None:
    app = Recorder(hello)
    served = serve(app)
    served.send(POST_5)
    served.send(b"hel")
    served.send(b"lo" + get("next"))
    assert app.paths == ["/", "/next"]
    assert not served.is_closed


@pytest.mark.parametrize("start", [POST_5 + b"hel", CHUNKED + b"5\r\nhel"])
def test_requests_behind_a_body_left_unread_are_served(serve: Serve, start: bytes) -> None:
    app = Recorder(hello)
    served = serve(app)
    served.send(start)
    served.send(b"lo" + (b"\r\n0\r\n\r\n" if start.startswith(CHUNKED) else b"") + get(1) + get(2)[:9])
    served.send(get(2)[9:])
    assert app.paths == ["/", "/1", "/2"]


def test_a_long_body_left_unread_closes_the_connection_and_says_so(serve: Serve) -> None:
    served = serve(hello, Settings(max_body_drain_bytes=100))
    served.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n")
    assert (served.answer().body, served.answer()["connection"]) == (b"hello", b"close")
    served.send(b"x" * 101 + get("smuggled"))
    assert len(served.answers()) == 1
    assert served.transport.eof_written


def test_a_chunked_body_left_unread_is_read_away_within_the_bound(serve: Serve) -> None:
    for size, count in ((50, 2), (200, 1)):
        app = Recorder(hello)
        served = serve(app, Settings(max_body_drain_bytes=100))
        served.send(CHUNKED)
        served.send(b"%x\r\n" % size + b"x" * size + b"\r\n")
        served.send(b"0\r\n\r\n" + GET)
        assert len(app.scopes) == count
        assert (served.is_closed or served.transport.eof_written) == (count == 1)


def test_nothing_behind_an_answer_that_closes_is_served(serve: Serve) -> None:
    app = Recorder(hello)
    served = serve(app)
    served.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET)
    served.send(GET)
    assert len(app.scopes) == 1
    assert len(served.answers()) == 1


def test_half_closed_clients_get_their_answers(serve: Serve) -> None:
    app = Stepper()
    served = serve(app)
    served.send(get(0) + POST_5 + b"hello")
    served.transport.client_shuts_its_side()
    served.settle()
    app.step(head(), last(b"0"), None, call=0)
    served.settle()
    app.step("receive", "receive", head(), last(b"1"), None, call=1)
    served.settle()
    assert [answer.body for answer in served.answers()] == [b"0", b"1"]
    assert app.calls[1][:2] == [
        {"type": "http.request", "body": b"hello", "more_body": False},
        {"type": "http.disconnect"},
    ]
    assert (served.is_closed, served.transport.was_aborted) == (True, False)


def test_half_closed_in_the_middle_of_a_body_ends_the_connection(serve: Serve) -> None:
    app = Stepper()
    served = serve(app)
    served.send(POST_5 + b"he")
    served.transport.client_shuts_its_side()
    app.step("receive", None)
    served.settle()
    assert app.calls[0][0] == {"type": "http.disconnect"}
    assert (served.written, served.is_closed) == (b"", True)


def test_half_closed_in_the_middle_of_a_pipelined_body_ends_the_connection(serve: Serve) -> None:
    app = Stepper()
    served = serve(app)
    served.send(get(0) + POST_5 + b"he")
    served.transport.client_shuts_its_side()
    served.settle()
    app.step(head(), last(b"0"), None, call=0)
    served.settle()
    app.step("receive", "receive", call=1)
    served.settle()
    assert app.calls[1] == [{"type": "http.disconnect"}, {"type": "http.disconnect"}]
    for _ in range(3):
        served.pass_time(61)
    assert [answer.body for answer in served.answers()] == [b"0"]  # and no 408 behind it
    assert served.is_closed


def test_half_closed_in_the_middle_of_a_head_ends_the_connection(serve: Serve) -> None:
    served = serve(hello)
    served.send(GET[:9])
    served.transport.client_shuts_its_side()
    served.settle()
    assert (served.written, served.transport.is_lost) == (b"", True)


def test_a_request_does_not_wait_for_the_background_tasks_before_it(serve: Serve) -> None:
    app = Stepper()
    served = serve(app)
    limit = MAX_UNFINISHED
    for call in range(limit + 1):
        served.send(get(call))
        app.step(head(), last(), call=call)  # answered, but does not return
        served.settle()
        assert len(served.answers()) == call + 1
    served.send(get("waits") + get("behind"))
    assert len(app.calls) == limit + 1
    app.step(None, call=3)
    served.settle()
    assert app.scopes[-1]["path"] == "/waits"
    app.step(head(), last(), None)
    served.settle()
    assert app.scopes[-1]["path"] == "/behind"


def test_no_byte_is_lost_while_too_many_tasks_are_unfinished(serve: Serve) -> None:
    app = Stepper()
    served = serve(app)
    limit = MAX_UNFINISHED
    for call in range(limit):
        served.send(GET)
        app.step(head(), last(), call=call)
        served.settle()
    served.send(POST_5 + b"he")
    app.step(head(), last(), call=limit)  # the body is left unread
    served.settle()
    served.send(b"llo" + get("first")[:7])
    served.send(get("first")[7:] + get("second"))
    assert len(app.calls) == limit + 1
    for call in range(4):
        app.step(None, call=call)
    served.settle()
    assert app.scopes[-1]["path"] == "/first"
    app.step(head(), last(), None)
    served.settle()
    assert app.scopes[-1]["path"] == "/second"


def test_a_client_that_takes_no_answer_gets_no_further_request_served(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        calls.append(scope)
        await send(head())
        await send(last(b"x" * MIB))

    calls: list[Any] = []
    served = serve(app)
    served.transport.is_client_reading = False
    served.send(GET * 100)
    served.settle(400)
    assert len(calls) <= 2
    assert served.transport.unsent < 3 * MIB
    served.transport.client_takes(3 * MIB)
    served.settle(1000)
    assert len(served.answers()) == 100


def test_requests_one_by_one_wait_for_the_client_to_take_the_answers(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        calls.append(scope)
        await send(head())
        await send(last(b"x" * MIB))

    calls: list[Any] = []
    served = serve(app)
    served.transport.is_client_reading = False
    for _ in range(5):
        served.send(GET)
    assert len(calls) <= 2
    served.transport.client_takes(MIB * 3)
    served.settle(100)
    assert len(served.answers()) == 5


def test_app_may_read_the_body_after_its_answer_began(serve: Serve) -> None:
    app = Stepper()
    served = serve(app)
    served.send(POST_5)
    app.step(head(), piece(b"a"), "receive")
    served.settle()
    served.send(b"hello" + get("next"))
    app.step(last(b"b"), None)
    served.settle()
    assert app.calls[0][2] == {"type": "http.request", "body": b"hello", "more_body": False}
    assert app.scopes[-1]["path"] == "/next"
