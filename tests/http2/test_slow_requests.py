"""Slow requests and the counts of requests over HTTP/2: in the words of HTTP/1.1, for each stream by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gasgi.reporting.slot_layout import BYTES_OUT, RUNNING, STATUSES
from gasgi.settings import Settings
from tests.support.http2_rig import Http2Rig, request
from tests.support.http2_websockets import StreamWebSocket
from tests.support.metered import Metered
from tests.support.slow import parts, slow_rigs


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    return slow_rigs(Http2Rig, monkeypatch)


def test_says_nothing_of_a_quick_request(slow):
    with slow() as rig:
        rig.ask()
        rig.clock.now += 0.4
        rig.call.start()
        rig.call.say("body", body=b"hi")
        rig.call.finish()
        rig.clock.now += 1.0
        rig.pass_time(1)
        assert rig.lines == []


def test_says_how_long_the_application_took(slow):
    with slow() as rig:
        rig.ask(request(b"GET", b"/a?b"))
        rig.clock.now += 1.5
        rig.call.start()
        rig.call.say("body", body=b"hi")
        (line,) = rig.lines
        assert line.startswith("GET /a took 1500 ms (gasgi_slow_request_ms = 500), status 200: ")
        assert parts(line) == [0, 0, 1500, 0]


def test_says_how_long_the_client_took_to_send(slow):
    with slow() as rig:
        one = rig.ask(request(b"POST"), ends=False)
        listening = rig.call.listen()
        rig.clock.now += 2.0
        rig.say(one, b"abcd", ends=True)
        assert listening.done()
        rig.clock.now += 0.3
        rig.call.start()
        rig.call.say("body")
        assert parts(rig.lines[0]) == [0, 2000, 300, 0]


@pytest.mark.parametrize("more", [True, False])
def test_says_how_long_the_client_kept_its_window_shut(slow, more):
    with slow(takes=False) as rig:
        one = rig.ask()
        rig.call.start()
        rig.call.say("body", body=bytes(70_000), more_body=more)
        rig.clock.now += 3.0
        rig.client.increment_flow_control_window(70_000)
        rig.client.increment_flow_control_window(70_000, one)
        rig.sync()
        if more:
            rig.clock.now += 0.2
            rig.call.say("body")
        assert rig.answer(one).is_whole
        assert parts(rig.lines[0]) == [0, 0, 200 if more else 0, 3000]


def test_says_how_long_the_connection_was_full(slow):
    with slow() as rig:
        one = rig.ask(request(b"HEAD"))
        rig.call.start()
        rig.call.say("body", body=b"", more_body=True)
        rig.connection.pause_writing()
        sending = rig.call.say("body", body=b"", more_body=True)
        assert not sending.done()
        rig.clock.now += 3.0
        rig.connection.resume_writing()
        rig.settle()
        assert sending.done()
        rig.call.say("body")
        assert rig.answer(one).is_whole
        assert parts(rig.lines[0]) == [0, 0, 0, 3000]


def test_says_how_long_a_request_waited_for_its_turn(slow):
    with slow() as rig:
        rig.runtime.turns.unstarted = 32
        for path in (b"/first", b"/second", b"/third"):
            rig.client.send_headers(rig.client.get_next_available_stream_id(), request(b"GET", path), end_stream=True)
        rig.connection.data_received(rig.client.data_to_send())
        rig.clock.now += 0.7
        rig.runtime.turns.unstarted = 0
        rig.settle()
        for call in rig.calls:
            call.start()
            call.say("body")
        assert [parts(line)[0] for line in rig.lines] == [700, 700, 700]
        rig.ask()
        rig.call.start()
        rig.call.say("body")
        assert len(rig.lines) == 3, "the time of those before it"


def test_says_nothing_of_a_websocket(slow):
    with slow() as rig:
        early = StreamWebSocket(rig, accept=False)
        one = StreamWebSocket(rig)
        rig.clock.now += 5.0
        rig.pass_time(2)
        rig.client.reset_stream(one.number, 8)
        early.say({"type": "websocket.close"})
        rig.pass_time(2)
        assert early.answer.status == 403
        assert rig.lines == []


def test_says_once_of_each_stream_where_its_application_waits(slow):
    with slow() as rig:
        rig.ask(request(b"GET", b"/a"))
        rig.clock.now += 1.0
        rig.ask(request(b"GET", b"/b"))
        rig.pass_time(2)
        (line,) = rig.lines
        assert line.startswith("GET /a has been running for 1000 ms (gasgi_slow_request_ms = 500): ")
        assert "; waiting in " in line
        rig.clock.now += 1.0
        rig.pass_time(2)
        assert [line.split(" has ")[0] for line in rig.lines] == ["GET /a", "GET /b"]


def test_a_client_that_resets_is_told_with_499(slow):
    with slow(settings=Settings(disconnect_grace_s=0.0)) as rig:
        one = rig.ask()
        rig.clock.now += 1.0
        rig.client.reset_stream(one, 8)
        rig.sync()
        assert ", status 499: " in rig.lines[0]
        rig.clock.now += 1.0
        rig.pass_time(2)
        assert len(rig.lines) == 1


def test_the_metrics_count_each_stream():
    metered = Metered()
    counted = metered.counted
    with Http2Rig(prepare=metered.prepare) as rig:
        answered, left = rig.ask(), rig.ask()
        assert counted(RUNNING) == 2
        rig.calls[0].start()
        rig.calls[0].say("body", body=b"hello")
        rig.client.reset_stream(left, 8)
        rig.sync()
        assert rig.answer(answered).is_whole
        assert [counted(STATUSES + kind) for kind in range(6)] == [1, 0, 1, 0, 0, 0]
        assert (counted(RUNNING), counted(BYTES_OUT)) == (0, 5)
        rig.ask(request(b"FOO"))
        assert counted(RUNNING) == 0
