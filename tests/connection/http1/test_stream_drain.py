"""gasgi_stream_drain_s: a worker that stops tells the apps of answers without a known end that their clients left."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gasgi.settings import Settings
from tests.support.served import GET, Served

LENGTH_5 = (b"content-length", b"5")


def rig(grace_s: float = 3.0, app: Any = None) -> Served:
    return Served(app, Settings(disconnect_grace_s=grace_s))


def begin_stream(it: Served, request: bytes = GET) -> None:
    it.send(request)
    it.call.start()
    it.call.say("body", body=b"data: 1\n\n", more_body=True)


def stop_streams(it: Served) -> None:
    it.runtime.is_draining = True
    it.runtime.ends_streams = True
    it.pass_time(1)


def test_a_stream_hears_disconnect_and_may_still_end_well():
    with rig() as it:
        begin_stream(it)
        assert it.call.hear()["type"] == "http.request"
        listening = it.call.listen()
        stop_streams(it)
        assert listening.result() == {"type": "http.disconnect"}
        it.call.say("body", body=b"data: bye\n\n")
        it.call.finish()
        assert it.transport.written.endswith(b"data: bye\n\n\r\n0\r\n\r\n")
        assert it.log.lines == []


def test_a_stream_that_returns_is_cut_off_without_a_complaint():
    with rig() as it:
        begin_stream(it)
        stop_streams(it)
        it.call.finish()
        assert it.transport.is_closing()
        assert not it.transport.written.endswith(b"0\r\n\r\n"), "it looks whole"
        assert it.log.lines == []


def test_a_stream_that_does_not_listen_is_cancelled_after_its_grace_period():
    with rig(grace_s=3) as it:
        begin_stream(it)
        stop_streams(it)
        it.pass_time(2)
        assert not it.call.was_cancelled
        it.pass_time(3)
        assert it.call.was_cancelled
        assert it.transport.is_closing()
        assert it.log.lines == []


def test_without_a_grace_period_it_is_cancelled_at_once():
    with rig(grace_s=0) as it:
        begin_stream(it)
        stop_streams(it)
        assert it.call.was_cancelled


def test_the_stream_of_a_client_that_has_shut_its_side_has_no_second_grace_period():
    with rig(grace_s=2) as it:
        begin_stream(it)
        it.shut()
        stop_streams(it)
        for _ in range(5):
            if not it.call.was_cancelled:
                it.call.say("body", body=b"more", more_body=True)
                it.pass_time(1)
        assert it.call.was_cancelled


def test_a_stream_to_an_old_client_ends_with_a_reset():
    """Its end would look like that of the body otherwise."""
    with rig() as it:
        begin_stream(it, b"GET / HTTP/1.0\r\n\r\n")
        stop_streams(it)
        it.call.finish()
        assert it.transport.was_aborted


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_an_answer_of_known_length_goes_on(method):
    with rig() as it:
        it.send(GET.replace(b"GET", method))
        it.call.start(200, LENGTH_5)
        it.call.say("body", body=b"he", more_body=True)
        stop_streams(it)
        it.pass_time(60)
        assert not it.call.was_cancelled
        it.call.hear()
        assert not it.call.listen().done()
        it.call.say("body", body=b"llo")
        it.call.finish()
        assert it.log.lines == []


def test_a_stream_to_a_head_request_ends_too():
    with rig() as it:
        it.send(GET.replace(b"GET", b"HEAD"))
        it.call.start()
        it.call.say("body", body=b"data", more_body=True)
        stop_streams(it)
        it.pass_time(5)
        assert it.call.was_cancelled


def test_a_request_that_has_no_answer_yet_goes_on_until_it_streams():
    with rig() as it:
        it.send(GET)
        stop_streams(it)
        it.pass_time(60)
        assert not it.call.was_cancelled
        it.call.start()
        it.call.say("body", body=b"data", more_body=True)
        it.pass_time(5)
        assert it.call.was_cancelled


def test_without_the_setting_streams_go_on():
    with rig() as it:
        begin_stream(it)
        it.runtime.is_draining = True
        it.pass_time(60)
        assert not it.call.was_cancelled


def test_the_next_request_of_the_connection_is_another():
    """A stream that ends well leaves a connection on which another request may have come."""
    with rig() as it:
        begin_stream(it)
        first = it.call
        it.send(GET)
        stop_streams(it)
        first.say("body", body=b"")
        first.finish()
        assert len(it.calls) == 2
        it.call.start()
        it.call.say("body", body=b"data", more_body=True)
        it.pass_time(5)
        assert it.call.was_cancelled


def test_a_stream_whose_client_reads_nothing_ends_too():
    ended: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x" * 10_000, "more_body": True})
                await asyncio.sleep(0)
        finally:
            ended.append(True)

    with rig(app=app) as it:
        it.send(GET)
        it.connection.pause_writing()
        stop_streams(it)
        it.pass_time(5)
        assert ended == [True]
