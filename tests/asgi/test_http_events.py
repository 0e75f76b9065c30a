"""ASGI HTTP, events of requests and responses: rows C1 to C21 of docs/asgi.md."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import http
import weakref
from typing import Any

import pytest

from gasgi.errors import ASGIMisuse, ClientDisconnected
from gasgi.settings import Settings
from tests.support.answers import read_response
from tests.support.served import GET, Served

POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n"
EXPECTING = b"POST / HTTP/%b\r\nHost: h\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n"
REQUEST = {"type": "http.request", "body": b"", "more_body": False}
DISCONNECT = {"type": "http.disconnect"}


def request(body: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


# --- the request ---


def test_c1_a_request_without_a_body_is_one_empty_event() -> None:
    with Served() as rig:
        rig.ask()
        assert rig.call.hear() == REQUEST


def test_c1_reading_pauses_while_the_app_leaves_the_body_alone() -> None:
    with Served(settings=Settings(body_buffer_bytes=1024)) as rig:
        rig.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6000\r\n\r\n")
        rig.send(bytes(1000))
        assert not rig.transport.is_reading_paused
        rig.send(bytes(1000))
        assert rig.transport.is_reading_paused
        assert rig.call.hear() == request(bytes(2000), True)
        assert not rig.transport.is_reading_paused


def test_c2_pieces_come_in_order_and_one_is_the_last() -> None:
    with Served() as rig:
        rig.send(POST + b"a")
        assert rig.call.hear() == request(b"a", True)
        rig.send(b"bc")
        rig.send(b"d")
        assert rig.call.hear() == request(b"bcd", True)
        rig.send(b"ef")
        assert rig.call.hear() == request(b"ef")
        assert not rig.call.listen().done()


def test_c2_a_body_whose_end_comes_late_ends_with_an_empty_piece() -> None:
    with Served() as rig:
        rig.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        assert rig.call.hear() == request(b"abc", True)
        task = rig.call.listen()
        rig.send(b"0\r\n\r\n")
        assert task.result() == request(b"")


def test_c3_the_app_starts_with_the_head_and_not_with_the_connection() -> None:
    with Served() as rig:
        rig.settle()
        rig.send(POST[:-2])
        assert not rig.calls
        rig.send(POST[-2:])
        assert len(rig.calls) == 1


def test_c4_continue_is_sent_when_the_app_asks_for_the_body() -> None:
    with Served() as rig:
        assert rig.ask(EXPECTING % b"1.1") == b""
        task = rig.call.listen()
        assert rig.transport.take() == b"HTTP/1.1 100 Continue\r\n\r\n"
        rig.send(b"abcdef")
        assert task.result() == request(b"abcdef")
        assert rig.transport.take() == b""


def test_c4_no_continue_for_an_app_that_answers_at_once() -> None:
    with Served() as rig:
        rig.ask(EXPECTING % b"1.1")
        rig.call.start(401, (b"content-length", b"0"))
        rig.call.say("body")
        status, fields, _ = read_response(rig.transport.take())
        assert status == 401
        assert fields[b"connection"] == b"close"


def test_c4_no_continue_to_http_1_0() -> None:
    with Served() as rig:
        rig.ask(EXPECTING % b"1.0")
        rig.call.listen()
        assert rig.transport.take() == b""


# --- the response ---


@pytest.mark.parametrize(
    "headers",
    [
        [(b"x-a", b"1"), (b"x-b", b"2")],
        ((b"x-a", b"1"), (b"x-b", b"2")),
        [[b"x-a", b"1"], [b"x-b", b"2"]],
        iter([(b"x-a", b"1"), (b"x-b", b"2")]),
        {b"x-a": b"1", b"x-b": b"2"}.items(),
    ],
    ids=lambda headers: type(headers).__name__,
)
def test_c5_headers_are_any_iterable_of_pairs(headers: Any) -> None:
    with Served() as rig:
        rig.ask()
        rig.call.say("start", status=200, headers=headers)
        rig.call.say("body", body=b"ok")
        fields = read_response(rig.transport.take())[1]
        assert (fields[b"x-a"], fields[b"x-b"]) == (b"1", b"2")


@pytest.mark.parametrize("keys", [{}, {"headers": None}, {"headers": []}], ids=str)
def test_c5_headers_are_optional(keys: Any) -> None:
    with Served() as rig:
        rig.ask()
        rig.call.say("start", status=200, **keys)
        rig.call.say("body")
        assert read_response(rig.transport.take())[0] == 200


def test_c5_status_may_be_an_http_status() -> None:
    with Served() as rig:
        rig.ask()
        rig.call.say("start", status=http.HTTPStatus.IM_A_TEAPOT)
        rig.call.say("body")
        assert read_response(rig.transport.take())[0] == 418


def test_c6_the_start_is_held_until_the_first_body_piece_and_leaves_with_it() -> None:
    with Served() as rig:
        rig.ask()
        rig.call.start(200)
        assert rig.transport.take() == b""
        rig.call.say("body", body=b"ok")
        assert len(rig.transport.writes) == 1


@pytest.mark.parametrize("coding", [b"chunked", b"gzip", b"identity"])
def test_c7_the_app_s_transfer_encoding_is_ignored(coding: bytes) -> None:
    with Served() as rig:
        rig.ask()
        rig.call.start(200, (b"Transfer-Encoding", coding))
        rig.call.say("body", body=b"ok")
        _, fields, body = read_response(rig.transport.take())
        assert b"transfer-encoding" not in fields
        assert body == b"ok"


def test_c8_header_order_is_kept_and_names_leave_in_lower_case() -> None:
    with Served() as rig:
        rig.ask()
        rig.call.start(200, (b"X-B", b"1"), (b"set-cookie", b"a"), (b"x-a", b"2"), (b"Set-Cookie", b"b"))
        rig.call.say("body")
        assert b"\r\nx-b: 1\r\nset-cookie: a\r\nx-a: 2\r\nset-cookie: b\r\n" in rig.transport.take()


def test_c9_trailers_announced_are_waited_for() -> None:
    with Served() as rig:
        rig.ask(b"GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n\r\n")
        rig.call.start(trailers=True)
        rig.call.say("body", body=b"ok")
        assert not rig.transport.take().endswith(b"0\r\n\r\n")
        with pytest.raises(ASGIMisuse):
            rig.call.say("body", body=b"late")
        rig.call.say("trailers", headers=[(b"x-sum", b"1")])
        assert rig.transport.take() == b"0\r\nx-sum: 1\r\n\r\n"


@pytest.mark.parametrize(
    "body", [b"data", bytearray(b"data"), memoryview(b"data")], ids=lambda body: type(body).__name__
)
def test_c10_body_is_bytes_or_like_bytes(body: Any) -> None:
    with Served() as rig:
        rig.ask()
        rig.call.start()
        rig.call.say("body", body=body)
        assert read_response(rig.transport.take())[2] == b"data"


def test_c10_a_buffer_may_be_used_again_once_send_returned() -> None:
    with Served() as rig:
        rig.ask()
        rig.call.start()
        buffer = bytearray(b"one")
        rig.call.say("body", body=buffer, more_body=True)
        buffer[:] = b"two"
        rig.call.say("body", body=buffer)
        assert read_response(rig.transport.take())[2] == b"onetwo"


def test_c10_body_and_more_body_are_optional() -> None:
    with Served() as rig:
        rig.ask()
        rig.call.start()
        rig.call.say("body")
        assert read_response(rig.transport.take())[::2] == (200, b"")


def test_c11_send_waits_while_the_client_takes_nothing() -> None:
    with Served() as rig:
        rig.ask()
        rig.call.start()
        rig.connection.pause_writing()
        task = rig.call.say("body", body=b"one", more_body=True)
        assert not task.done()
        rig.connection.resume_writing()
        rig.settle()
        assert task.done()
        assert rig.transport.take().endswith(b"3\r\none\r\n")


def test_c12_wrong_order_raises_before_the_end_and_is_ignored_behind_it() -> None:
    with Served() as rig:
        rig.ask()
        with pytest.raises(ASGIMisuse):
            rig.call.say("body")
        rig.call.start()
        with pytest.raises(ASGIMisuse):
            rig.call.start()
        rig.call.say("body", more_body=True)
        with pytest.raises(ASGIMisuse):
            rig.call.start()
        rig.call.say("body")
        rig.transport.take()
        rig.call.start()
        rig.call.say("body")
        assert rig.transport.take() == b""


@pytest.mark.parametrize(("asked", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304), (b"HEAD", 404)], ids=str)
def test_c13_answers_without_a_body_have_none(asked: bytes, status: int) -> None:
    with Served() as rig:
        rig.ask(b"%b / HTTP/1.1\r\nHost: h\r\n\r\n" % asked)
        rig.call.start(status, (b"x-a", b"1"))
        rig.call.say("body", body=b"body", more_body=True)
        rig.call.say("body", body=b"body")
        assert rig.transport.take().endswith(b"\r\n\r\n")
        assert not rig.transport.is_closing()


def test_c13_head_keeps_the_content_length() -> None:
    with Served() as rig:
        rig.ask(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
        rig.call.start(200, (b"content-length", b"5"))
        rig.call.say("body", body=b"")
        assert b"\r\ncontent-length: 5\r\n" in rig.transport.take()


@pytest.mark.parametrize("body", [b"four", b"sixsix"])
def test_c14_a_body_of_another_length_than_announced_raises_before_anything_is_sent(body: bytes) -> None:
    with Served() as rig:
        rig.ask()
        rig.call.start(200, (b"content-length", b"5"))
        with pytest.raises(ASGIMisuse):
            rig.call.say("body", body=body)
        assert rig.transport.take() == b""
        rig.call.finish()
        assert read_response(rig.transport.take())[0] == 500


def test_c14_a_later_piece_too_many_raises_and_the_client_sees_a_cut() -> None:
    with Served() as rig:
        rig.ask()
        rig.call.start(200, (b"content-length", b"5"))
        rig.call.say("body", body=b"four", more_body=True)
        with pytest.raises(ASGIMisuse):
            rig.call.say("body", body=b"four")
        rig.call.finish()
        assert rig.transport.take().endswith(b"\r\n\r\nfour")
        assert rig.transport.is_closing()


def test_c14_trailers_do_not_hide_a_short_body() -> None:
    with Served() as rig:
        rig.ask()
        rig.call.start(200, (b"content-length", b"5"), trailers=True)
        rig.call.say("body", body=b"four")
        with pytest.raises(ASGIMisuse):
            rig.call.say("trailers", headers=[])
        rig.call.finish()
        assert rig.transport.is_closing()


@pytest.mark.parametrize("begins", [False, True])
def test_c15_an_app_that_returns_without_an_answer_gives_500(begins: bool) -> None:
    with Served() as rig:
        rig.ask()
        if begins:
            rig.call.start()
        rig.call.finish()
        assert read_response(rig.transport.take())[0] == 500
        assert rig.log.levels("error") == ["ASGI app returned without completing the response to GET /"]


def test_c15_an_app_that_returns_within_the_answer_ends_the_connection() -> None:
    with Served() as rig:
        rig.ask()
        rig.call.start()
        rig.call.say("body", body=b"half", more_body=True)
        rig.call.finish()
        assert not rig.transport.take().endswith(b"0\r\n\r\n")
        assert rig.transport.is_closing()
        assert rig.log.levels("error")


@pytest.mark.parametrize("kind", ["start", "body", "trailers", "pathsend", "zerocopysend", "early_hint"])
def test_c16_send_raises_an_os_error_once_the_client_left(kind: str) -> None:
    keys = {"status": 200, "path": __file__, "file": 0, "links": [b"</a>"]}
    with Served() as rig:
        rig.ask()
        if kind != "start":
            rig.call.start(trailers=kind == "trailers")
        if kind == "trailers":
            rig.call.say("body")
        rig.lose()
        for _ in range(2):
            with pytest.raises(OSError, match="client disconnected") as caught:
                rig.call.say(kind, **keys)
            assert type(caught.value) is ClientDisconnected
        rig.call.finish()
        assert rig.log.levels("error", "exception", "warning") == []


def test_c17_receive_gives_disconnect_behind_the_response_at_once_and_again() -> None:
    with Served() as rig:
        rig.ask(POST)
        rig.call.start()
        rig.call.say("body")
        assert rig.call.hear() == DISCONNECT
        assert rig.call.hear() == DISCONNECT


def test_c17_receive_gives_disconnect_after_the_client_left_again_and_again() -> None:
    with Served() as rig:
        rig.send(POST + b"abc")
        rig.lose()
        assert [rig.call.hear() for _ in range(3)] == [DISCONNECT] * 3


def test_c17_a_body_that_is_whole_comes_before_the_disconnect() -> None:
    with Served() as rig:
        rig.send(POST + b"abcdef")
        rig.lose()
        assert rig.call.hear() == request(b"abcdef")
        assert rig.call.hear() == DISCONNECT


def test_c18_every_pending_receive_wakes_when_the_client_leaves() -> None:
    with Served() as rig:
        rig.ask()
        rig.call.hear()
        tasks = [rig.call.listen() for _ in range(3)]
        rig.lose()
        assert [task.result() for task in tasks] == [DISCONNECT] * 3


def test_c18_a_pending_receive_wakes_when_the_response_is_complete() -> None:
    with Served() as rig:
        rig.ask()
        rig.call.hear()
        task = rig.call.listen()
        rig.call.start()
        rig.call.say("body")
        assert task.result() == DISCONNECT


def test_c19_a_cancelled_receive_takes_nothing_with_it() -> None:
    with Served() as rig:
        rig.send(POST)
        for _ in range(3):
            task = rig.call.listen()
            task.cancel()
            rig.settle()
            assert task.cancelled()
        rig.send(b"abcdef")
        assert rig.call.hear() == request(b"abcdef")


def test_c19_a_receive_cancelled_in_the_turn_that_wakes_it_takes_nothing_with_it() -> None:
    with Served() as rig:
        rig.send(POST)
        task = rig.call.listen()

        async def race() -> None:
            rig.connection.data_received(b"abcdef")
            task.cancel()

        rig.run(race())
        rig.settle()
        assert task.cancelled()
        assert rig.call.hear() == request(b"abcdef")


def test_c19_many_cancelled_receives_leave_nothing_behind() -> None:
    with Served() as rig:
        rig.send(POST)
        futures = []
        create = rig.loop.create_future

        def counting() -> Any:
            future = create()
            futures.append(weakref.ref(future))
            return future

        rig.loop.create_future = counting  # type: ignore[method-assign]
        for _ in range(20):
            rig.call.listen().cancel()
            rig.settle()
        rig.loop.create_future = create  # type: ignore[method-assign]
        gc.collect()
        assert len(futures) == 20
        assert [future for future in futures if future() is not None] == []


def test_c20_pipelined_requests_are_answered_one_after_the_other() -> None:
    with Served() as rig:
        rig.send(b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert [call.scope["path"] for call in rig.calls] == ["/1"]
        first = rig.call
        first.start()
        first.say("body", body=b"1")
        assert [call.scope["path"] for call in rig.calls] == ["/1", "/2"]
        rig.call.start()
        rig.call.say("body", body=b"2")
        data = rig.transport.take()
        assert data.index(b"\r\n\r\n1") < data.index(b"\r\n\r\n2")


def test_c21_work_behind_the_response_does_not_hold_up_the_next_request() -> None:
    with Served() as rig:
        for path in (b"/1", b"/2"):
            rig.send(GET.replace(b"/", path, 1))
            rig.call.start()
            rig.call.say("body")
        assert [call.scope["path"] for call in rig.calls] == ["/1", "/2"]
        assert not any(call.was_cancelled for call in rig.calls)


# --- finished awaitables ---


WRAPS = ["await", "create_task", "ensure_future", "wait_for", "gather", "shield"]


async def take(wrap: str, awaitable: Any) -> Any:
    if wrap == "create_task":
        return await asyncio.create_task(awaitable)
    if wrap == "ensure_future":
        return await asyncio.ensure_future(awaitable)
    if wrap == "wait_for":
        return await asyncio.wait_for(awaitable, 5)
    if wrap == "gather":
        return (await asyncio.gather(awaitable))[0]
    if wrap == "shield":
        return await asyncio.shield(awaitable)
    return await awaitable


@pytest.mark.parametrize("wrap", WRAPS)
def test_c22_what_send_and_receive_return_is_as_good_as_a_coroutine(wrap: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        event = await take(wrap, receive())
        await take(wrap, send({"type": "http.response.start", "status": 200}))
        await take(wrap, send({"type": "http.response.body", "body": event["body"], "more_body": True}))
        await take(wrap, send({"type": "http.response.body"}))
        assert await take(wrap, receive()) == DISCONNECT

    with Served(app) as rig:
        assert read_response(rig.ask(POST + b"abcdef"))[2] == b"abcdef"
        assert rig.log.lines == []


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("is_client_there", [True, False])
def test_c22_send_raises_where_it_is_awaited(wrap: str, is_client_there: bool) -> None:
    caught = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if not is_client_there:
            rig.connection.connection_lost(None)
        wrong = {"type": "http.response.body"}  # before the start
        awaitable = send(wrong if is_client_there else {"type": "http.response.start", "status": 200})
        caught.append(None)
        try:
            await take(wrap, awaitable)
        except Exception as exc:
            caught.append(type(exc))
        if is_client_there:
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"went on"})

    with Served(app) as rig:
        rig.send(GET)
        assert caught == [None, ASGIMisuse if is_client_there else ClientDisconnected]


def test_c22_sends_that_are_gathered_take_effect_in_their_order_and_each_has_its_outcome() -> None:
    outcomes = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        outcomes.extend(
            await asyncio.gather(
                send({"type": "http.response.start", "status": 200}),
                send({"type": "http.response.start", "status": 200}),
                send({"type": "http.response.body", "body": b"both"}),
                return_exceptions=True,
            )
        )

    with Served(app) as rig:
        assert read_response(rig.ask(GET))[2] == b"both"
    assert [type(outcome) for outcome in outcomes] == [type(None), ASGIMisuse, type(None)]


@pytest.mark.filterwarnings("error")
def test_c22_a_wrong_event_whose_send_nobody_awaits_is_logged_once_for_its_request() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(3):
            send({"type": "http.response.body"})
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    with Served(app) as rig:
        for path in (b"/%22", b"/b"):
            assert read_response(rig.ask(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % path))[0] == 204
        assert rig.log.levels("error", "exception") == [
            f"ASGI app did not await a send() that failed during GET {path}: "
            "ASGIMisuse: http.response.body was sent before http.response.start"
            for path in ('/\\"', "/b")
        ]


def test_c22_a_wrong_event_whose_send_is_closed_or_cancelled_is_not_logged() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send({"type": "http.response.body"}).close()
        with contextlib.suppress(asyncio.CancelledError):
            send({"type": "http.response.body"}).throw(asyncio.CancelledError())
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    with Served(app) as rig:
        rig.ask(GET)
        assert rig.log.levels("error", "exception") == []


@pytest.mark.filterwarnings("error")
def test_c22_a_send_to_a_client_that_left_may_be_dropped_without_a_word() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        rig.connection.connection_lost(None)
        send({"type": "http.response.start", "status": 200})

    with Served(app) as rig:
        rig.send(GET)
        assert rig.log.levels("error", "exception") == []
