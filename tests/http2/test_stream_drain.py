"""gasgi_stream_drain_s over HTTP/2, and the grace period of apps whose stream the server gives up."""

from __future__ import annotations

from typing import Any

import pytest

from gasgi.errors import ClientDisconnected
from gasgi.http2_codes import CANCEL
from gasgi.settings import Settings
from tests.support.http2 import frame, number
from tests.support.http2_rig import Http2Rig, request

LENGTH_5 = (b"content-length", b"5")


def rig(grace_s: float = 3.0, **keys: Any) -> Http2Rig:
    return Http2Rig(settings=Settings(disconnect_grace_s=grace_s, body_timeout_s=5.0, write_timeout_s=5.0), **keys)


def begin_stream(it: Http2Rig, method: bytes = b"GET") -> int:
    one = it.ask(request(method))
    it.call.start()
    it.call.say("body", body=b"data: 1\n\n", more_body=True)
    return one


def stop_streams(it: Http2Rig) -> None:
    it.runtime.is_draining = True
    it.runtime.ends_streams = True
    it.pass_time(1)


def test_a_stream_hears_disconnect_and_may_still_end_well():
    with rig() as it:
        one = begin_stream(it)
        assert it.call.hear()["type"] == "http.request"
        listening = it.call.listen()
        stop_streams(it)
        assert listening.result() == {"type": "http.disconnect"}
        it.call.say("body", body=b"data: bye\n\n")
        it.call.finish()
        answer = it.answer(one)
        assert (answer.body, answer.is_whole) == (b"data: 1\n\ndata: bye\n\n", True)
        assert it.errors == []


def test_a_stream_that_returns_is_reset_without_a_complaint():
    with rig() as it:
        one = begin_stream(it)
        stop_streams(it)
        it.call.finish()
        assert it.answer(one).reset_code == CANCEL
        assert it.errors == []


def test_a_stream_that_does_not_listen_is_cancelled_after_its_grace_period():
    with rig(grace_s=3) as it:
        one = begin_stream(it)
        stop_streams(it)
        it.pass_time(2)
        assert not it.call.was_cancelled
        it.pass_time(2)
        assert it.call.was_cancelled
        assert it.answer(one).reset_code == CANCEL
        assert it.errors == []


def test_without_a_grace_period_it_is_cancelled_at_once():
    with rig(grace_s=0) as it:
        begin_stream(it)
        stop_streams(it)
        assert it.call.was_cancelled


def test_a_client_that_leaves_meanwhile_gives_no_second_grace_period():
    with rig(grace_s=3) as it:
        one = begin_stream(it)
        stop_streams(it)
        it.pass_time(2)
        it.client.reset_stream(one, 8)
        it.sync()
        it.pass_time(1)
        assert it.call.was_cancelled


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_an_answer_of_known_length_goes_on(method):
    with rig() as it:
        one = it.ask(request(method))
        it.call.start(200, LENGTH_5)
        it.call.say("body", body=b"he", more_body=True)
        stop_streams(it)
        it.pass_time(60)
        assert not it.call.was_cancelled
        it.call.say("body", body=b"llo")
        it.call.finish()
        assert it.answer(one).is_whole
        assert it.errors == []


def test_a_stream_to_a_head_request_ends_too():
    with rig() as it:
        begin_stream(it, b"HEAD")
        stop_streams(it)
        it.pass_time(5)
        assert it.call.was_cancelled


def test_a_request_that_has_no_answer_yet_goes_on_until_it_streams():
    with rig() as it:
        it.ask()
        stop_streams(it)
        it.pass_time(60)
        assert not it.call.was_cancelled
        it.call.start()
        it.call.say("body", body=b"data", more_body=True)
        it.pass_time(5)
        assert it.call.was_cancelled


def test_only_the_streams_without_an_end_of_a_connection_are_ended():
    with rig() as it:
        begin_stream(it)
        streaming = it.call
        one = it.ask()
        stop_streams(it)
        it.pass_time(5)
        assert streaming.was_cancelled
        assert not it.call.was_cancelled
        it.call.start()
        it.call.say("body", body=b"ok")
        assert it.answer(one).body == b"ok"


def test_what_the_app_has_said_waits_for_the_client():
    with rig(takes=False) as it:
        it.client.increment_flow_control_window(100_000)
        one = it.ask()
        it.call.start()
        it.call.say("body", body=bytes(70_000))
        stop_streams(it)
        it.pass_time(2)
        it.client.increment_flow_control_window(100_000, one)
        assert it.answer(one).is_whole


def test_without_the_setting_streams_go_on():
    with rig() as it:
        begin_stream(it)
        it.runtime.is_draining = True
        it.pass_time(60)
        assert not it.call.was_cancelled


def test_a_stream_that_the_server_gives_up_has_a_grace_period_too():
    with rig(grace_s=3, takes=False) as it:
        one = it.ask()
        it.call.start()
        sending = it.call.say("body", body=bytes(100_000), more_body=True)
        it.pass_time(6)
        assert isinstance(sending.exception(), ClientDisconnected)
        assert it.answer(one).reset_code == CANCEL
        assert not it.call.was_cancelled
        it.pass_time(4)
        assert it.call.was_cancelled


def test_an_upload_that_stalls_behind_the_begin_of_its_answer_has_one_too():
    with rig(grace_s=3) as it:
        one = it.ask(request(b"POST"), ends=False)
        it.call.start()
        it.call.say("body", body=b"a", more_body=True)
        it.pass_time(6)
        assert it.answer(one).reset_code == CANCEL
        it.pass_time(4)
        assert it.call.was_cancelled


def test_a_worker_out_of_time_cancels_apps_whose_streams_were_given_up():
    with rig(grace_s=60) as it:
        it.ask(request(b"POST"), ends=False)
        it.call.start()
        it.call.say("body", body=b"a", more_body=True)
        it.pass_time(6)
        it.connection.abort()
        it.settle()
        assert it.call.was_cancelled


def test_a_reset_that_the_client_provokes_has_one_as_well():
    with rig(grace_s=3) as it:
        begin_stream(it)
        it.feed(frame(8, 0, 1, number(0)))
        it.pass_time(2)
        assert not it.call.was_cancelled
        it.pass_time(2)
        assert it.call.was_cancelled
