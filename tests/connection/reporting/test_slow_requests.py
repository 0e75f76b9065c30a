"""What is said of a slow request: where its time went, and where one that still runs waits."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from gasgi.reporting.slow_requests import PULSE_S
from tests.support.served import GET, Served
from tests.support.slow import parts, slow_rigs

POST = b"POST /up%0aload?token=secret HTTP/1.1\r\nHost: h\r\nCookie: secret\r\nContent-Length: 4\r\n\r\n"


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    return slow_rigs(Served, monkeypatch)


def test_says_nothing_of_a_quick_request(slow):
    with slow() as rig:
        rig.send(GET)
        rig.clock.now += 0.4
        rig.call.start()
        rig.call.say("body", body=b"hi")
        rig.call.finish()
        rig.clock.now += 1.0
        rig.pass_time(2)
        assert rig.lines == []


def test_says_how_long_the_application_took(slow):
    with slow() as rig:
        rig.send(GET)
        rig.clock.now += 1.5
        rig.call.start()
        rig.call.say("body", body=b"hi")
        (line,) = rig.lines
        assert line.startswith("GET / took 1500 ms (gasgi_slow_request_ms = 500), status 200: ")
        assert parts(line) == [0, 0, 1500, 0]


def test_says_how_long_the_client_took_to_send_and_to_take(slow):
    with slow() as rig:
        rig.send(POST + b"ab")
        call = rig.call
        rig.clock.now += 0.1
        call.hear()
        waiting = call.listen()
        rig.clock.now += 2.0
        rig.send(b"cd")
        assert waiting.done()
        call.start()
        rig.connection.pause_writing()
        sending = call.say("body", body=b"x" * 10, more_body=True)
        rig.clock.now += 3.0
        rig.connection.resume_writing()
        rig.settle()
        assert sending.done()
        rig.clock.now += 0.2
        call.say("body", body=b"")
        (line,) = rig.lines
        assert parts(line) == [0, 2000, 300, 3000]


def test_says_neither_query_nor_field_and_escapes_the_path(slow):
    with slow() as rig:
        rig.send(POST + b"abcd")
        rig.clock.now += 1.0
        rig.pass_time(1)
        rig.call.start()
        rig.call.say("body")
        assert len(rig.lines) == 2
        for line in rig.lines:
            assert line.startswith("POST /up\\nload ")
            assert "secret" not in line
            assert "\n" not in line


def test_says_how_long_a_request_waited_for_its_turn(slow):
    with slow() as rig:
        rig.runtime.turns.unstarted = 32
        rig.connection.data_received(GET)
        rig.clock.now += 0.7
        rig.runtime.turns.unstarted = 0
        rig.settle()
        rig.call.start()
        rig.call.say("body")
        assert parts(rig.lines[0]) == [700, 0, 0, 0]


def test_says_for_how_long_the_loop_was_blocked(slow):
    with slow() as rig:
        watch = rig.runtime.slow
        watch.pulse(rig.clock.now)
        rig.send(GET)
        rig.clock.now += PULSE_S + 0.4
        watch.pulse(rig.clock.now)
        rig.clock.now += PULSE_S + 0.3  # and still is
        rig.call.start()
        rig.call.say("body")
        assert rig.lines[0].endswith("; the event loop was blocked for 700 ms in the meantime")


async def waits_for_a_lock(scope: Any, receive: Any, send: Any) -> None:
    lock = asyncio.Lock()
    await lock.acquire()
    await lock.acquire()


async def waits_for_the_body(scope: Any, receive: Any, send: Any) -> None:
    while (await receive())["more_body"]:
        pass


async def streams(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"x" * 100, "more_body": True})
        await asyncio.sleep(0)


def test_says_once_where_the_application_of_a_running_request_waits(slow):
    with slow(waits_for_a_lock) as rig:
        rig.send(GET)
        rig.pass_time(1)
        assert rig.lines == []
        rig.clock.now += 1.0
        rig.pass_time(3)
        (line,) = rig.lines
        assert line.startswith("GET / has been running for 1000 ms (gasgi_slow_request_ms = 500): ")
        assert re.search(r"; waiting in asyncio/locks.py:\d+ acquire < \S+test_slow_requests.py:\d+ waits_for", line)


def test_says_that_the_application_waits_for_the_clients_body(slow):
    with slow(waits_for_the_body) as rig:
        rig.send(POST)
        rig.clock.now += 1.0
        rig.pass_time(1)
        (line,) = rig.lines
        assert parts(line) == [0, 1000, 0, 0]
        assert "; waiting for the request body, in " in line
        assert line.endswith(" waits_for_the_body")


def test_says_that_the_client_takes_nothing(slow):
    with slow(streams) as rig:
        rig.send(GET)
        rig.connection.pause_writing()
        rig.settle()
        rig.clock.now += 1.0
        rig.pass_time(1)
        (line,) = rig.lines
        assert parts(line) == [0, 0, 0, 1000]
        assert "; waiting for the client to read the response, in " in line
        assert line.endswith(" streams")


def test_an_application_that_waits_for_the_client_to_leave_waits_for_no_body(slow):
    with slow() as rig:
        rig.send(GET)
        rig.call.hear()
        rig.call.listen()
        rig.clock.now += 1.0
        rig.call.start()
        rig.call.say("body")
        assert parts(rig.lines[0]) == [0, 0, 1000, 0]


def test_a_request_whose_client_has_left_is_told_with_499(slow):
    with slow() as rig:
        rig.send(GET)
        rig.clock.now += 1.0
        rig.lose()
        assert ", status 499: " in rig.lines[0]
        rig.clock.now += 1.0
        rig.pass_time(2)
        assert len(rig.lines) == 1


def test_a_websocket_is_no_slow_request(slow):
    with slow() as rig:
        rig.send(
            b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        rig.clock.now += 10.0
        rig.pass_time(3)
        assert rig.lines == []


def test_no_more_than_a_few_lines_a_second(slow):
    with slow() as rig:
        for _ in range(15):
            rig.send(GET)
            arrived = rig.clock.now
            rig.clock.now += 0.9
            rig.call.start()
            rig.call.say("body")
            rig.call.finish()
            rig.clock.now = arrived
        assert len(rig.lines) == 10
        rig.clock.now += 2.0
        rig.send(GET)
        rig.clock.now += 0.9
        rig.call.start()
        rig.call.say("body")
        assert rig.lines[-1].endswith(" (and 5 lines like this left out)")


def test_the_next_request_of_a_connection_has_times_of_its_own(slow):
    with slow() as rig:
        for _ in range(2):
            rig.send(GET)
            rig.clock.now += 0.3
            rig.call.start()
            rig.call.say("body")
            rig.call.finish()
            rig.clock.now += 5.0
        assert rig.lines == []
