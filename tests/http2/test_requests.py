"""Requests and answers on an HTTP/2 connection, with another implementation as the client."""

from __future__ import annotations

import gc
from typing import Any

import h2.settings
import pytest

from gasgi.errors import ClientDisconnected
from gasgi.http2_codes import CANCEL, ENHANCE_YOUR_CALM, INTERNAL_ERROR, NO_ERROR, PROTOCOL_ERROR
from gasgi.reporting.slot_layout import BYTES_IN, REFUSED
from gasgi.settings import Settings
from tests.support.http2 import frame, frames_of, number
from tests.support.http2_rig import Http2Rig, request
from tests.support.metered import Metered


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"hello " + scope["path"].encode()})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return
        body += message["body"]
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def test_answers_a_request():
    with Http2Rig(hello) as rig:
        answer = rig.answer(rig.ask(request(b"GET", b"/a")))
    assert (answer.status, answer.body, answer.is_whole) == (200, b"hello /a", True)
    assert answer.fields == {b"content-type": b"text/plain", b"server": b"s", b"date": b"d"}


def test_answers_many_requests_of_one_turn_in_one_write():
    with Http2Rig(hello) as rig:
        numbers = []
        for i in range(20):
            one = rig.client.get_next_available_stream_id()
            numbers.append(one)
            rig.client.send_headers(one, request(b"GET", b"/%d" % i), end_stream=True)
        rig.feed(rig.client.data_to_send())
        assert len(rig.transport.writes) == 1
        assert [rig.answer(one).body for one in numbers] == [b"hello /%d" % i for i in range(20)]
        assert rig.runtime.requests_completed == 20


def test_the_scope_says_what_it_is():
    with Http2Rig() as rig:
        rig.ask(request(b"GET", b"/a%20b?c", (b"cookie", b"a=b"), (b"cookie", b"c=d")))
        scope = rig.call.scope
        assert (scope["type"], scope["http_version"], scope["method"]) == ("http", "2", "GET")
        assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a b", b"/a%20b", b"c")
        assert scope["headers"] == [(b"host", b"h"), (b"cookie", b"a=b; c=d")]


@pytest.mark.parametrize("size", [0, 5, 65535, 300_000])
def test_echoes_a_body_of_any_size(size):
    body = bytes(i % 251 for i in range(size))
    with Http2Rig(echo) as rig:
        one = rig.ask(request(b"POST"), ends=False)
        left = body
        while left:
            room = min(rig.client.local_flow_control_window(one), rig.client.max_outbound_frame_size)
            assert room > 0
            rig.say(one, left[:room])
            left = left[room:]
        rig.say(one, b"", ends=True)
        answer = rig.answer(one)
        assert (answer.status, answer.is_whole) == (200, True)
        assert answer.body == body
        assert max(answer.pieces, default=0) <= 16384


def test_an_upload_that_nobody_reads_takes_its_window_and_stops_nobody():
    with Http2Rig() as rig:
        stalled = rig.ask(request(b"POST"), ends=False)
        for _ in range(4):
            rig.say(stalled, bytes(16383))
        assert rig.client.local_flow_control_window(stalled) < 4
        other = rig.ask()
        rig.call.start()
        rig.call.say("body", body=b"ok")
        assert rig.answer(other).body == b"ok"
        first = rig.calls[0].hear()
        assert (len(first["body"]), first["more_body"]) == (65532, True)
        rig.sync()
        assert rig.client.local_flow_control_window(stalled) == 65535


def test_waits_for_the_window_of_the_client():
    with Http2Rig(takes=False) as rig:
        one = rig.ask()
        rig.call.start()
        waiting = rig.call.say("body", body=bytes(100_000), more_body=True)
        assert len(rig.answer(one).body) == 65535
        assert not waiting.done()
        rig.client.increment_flow_control_window(100_000)
        rig.client.increment_flow_control_window(10_000, one)
        rig.sync()
        assert len(rig.answer(one).body) == 75535
        assert not waiting.done()
        rig.client.increment_flow_control_window(90_000, one)
        rig.sync()
        assert waiting.done()
        rig.call.say("body", body=b"end")
        answer = rig.answer(one)
        assert (len(answer.body), answer.is_whole) == (100_003, True)


def test_streams_share_the_connection_frame_by_frame():
    with Http2Rig() as rig:
        rig.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 10**6})
        rig.client.increment_flow_control_window(10**6)
        rig.sync()
        numbers = [rig.ask() for _ in range(3)]
        for call in rig.calls:
            call.start()
        for call in rig.calls:
            rig.loop.create_task(call.send({"type": "http.response.body", "body": bytes(100_000)}))
        rig.sync()
        assert [len(rig.answer(one).body) for one in numbers] == [100_000] * 3
        assert rig.order[:6] == numbers * 2


def test_sends_as_the_app_does_with_the_head_in_the_first_write():
    with Http2Rig() as rig:
        one = rig.ask()
        rig.call.start(201, (b"x-a", b"b"))
        assert rig.answer(one).status == 0
        rig.call.say("body", body=b"a", more_body=True)
        assert (rig.answer(one).status, rig.answer(one).body) == (201, b"a")
        rig.call.say("body", body=b"b")
        assert (rig.answer(one).body, rig.answer(one).is_whole) == (b"ab", True)


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
def test_sends_no_body_where_there_is_none(method, status):
    with Http2Rig() as rig:
        one = rig.ask(request(method))
        rig.call.start(status)
        rig.call.say("body", body=b"dropped", more_body=True)
        rig.call.say("body", body=b"")
        answer = rig.answer(one)
        assert (answer.status, answer.body, answer.is_whole) == (status, b"", True)


def test_sends_trailers():
    with Http2Rig() as rig:
        one = rig.ask(request(b"GET", b"/", (b"te", b"trailers")))
        rig.call.start(200, trailers=True)
        rig.call.say("body", body=b"a")
        rig.call.say("trailers", headers=[(b"Grpc-Status", b"0")])
        answer = rig.answer(one)
        assert (answer.body, answer.trailers, answer.is_whole) == (b"a", {b"grpc-status": b"0"}, True)


def test_sends_trailers_behind_a_body_that_waits():
    with Http2Rig(takes=False) as rig:
        one = rig.ask()
        rig.call.start(200, trailers=True)
        rig.call.say("body", body=bytes(70_000))
        rig.call.say("trailers", headers=[(b"a", b"b")])
        assert not rig.answer(one).is_whole
        rig.client.increment_flow_control_window(70_000)
        rig.client.increment_flow_control_window(70_000, one)
        answer = rig.answer(one)
        assert (len(answer.body), answer.trailers, answer.is_whole) == (70_000, {b"a": b"b"}, True)


def test_sends_early_hints_and_a_continue():
    with Http2Rig() as rig:
        one = rig.ask(request(b"POST", b"/", (b"expect", b"100-continue")), ends=False)
        rig.call.say("early_hint", links=[b"</a>; rel=preload"])
        assert rig.answer(one).interim == [103]
        listening = rig.call.listen()
        assert rig.answer(one).interim == [103, 100]
        rig.say(one, b"body", ends=True)
        assert listening.result()["body"] == b"body"


def test_an_early_answer_does_not_wait_for_the_request():
    with Http2Rig() as rig:
        one = rig.ask(request(b"POST"), ends=False)
        rig.call.start(413)
        rig.call.say("body", body=b"no")
        answer = rig.answer(one)
        assert (answer.status, answer.body, answer.is_whole) == (413, b"no", True)
        assert answer.reset_code == NO_ERROR


def test_answers_500_when_the_app_fails():
    with Http2Rig() as rig:
        one = rig.ask()
        rig.call.crash(ValueError("x"))
        answer = rig.answer(one)
        assert (answer.status, answer.is_whole) == (500, True)


def test_a_held_head_of_an_app_that_failed_is_out_of_step_with_nothing():
    with Http2Rig() as rig:
        one = rig.ask()
        rig.call.start(200, (b"x-a", b"b"))
        rig.call.crash(ValueError("x"))
        assert rig.answer(one).status == 500
        for _ in range(3):
            two = rig.ask()
            rig.call.start(200, (b"x-a", b"b"))
            rig.call.say("body")
            assert rig.answer(two).fields[b"x-a"] == b"b"


def test_cuts_off_an_answer_that_has_begun():
    with Http2Rig() as rig:
        one = rig.ask()
        rig.call.start()
        rig.call.say("body", body=b"a", more_body=True)
        rig.call.crash(ValueError("x"))
        assert rig.answer(one).reset_code == INTERNAL_ERROR


def test_a_reset_disconnects_its_app_alone():
    with Http2Rig(settings=Settings(disconnect_grace_s=5.0)) as rig:
        one = rig.ask()
        two = rig.ask()
        first, second = rig.calls
        rig.client.reset_stream(one, 8)
        rig.sync()
        assert [first.hear()["type"] for _ in range(2)] == ["http.request", "http.disconnect"]
        second.start()
        second.say("body", body=b"ok")
        assert rig.answer(two).body == b"ok"
        rig.pass_time(6)
        assert first.was_cancelled
        assert not second.was_cancelled


def test_refuses_a_request_and_goes_on():
    with Http2Rig(hello) as rig:
        rig.feed(rig.client.data_to_send())
        one = rig.ask(request(b"GET", b"/a b"))
        assert rig.answer(one).status == 400
        two = rig.ask(request(b"FOO"))
        assert rig.answer(two).status == 501
        three = rig.ask(request(b"GET", b"/", (b"x", b"y" * 9000)))
        assert rig.answer(three).status == 431
        four = rig.ask(request(b"GET", b"/", *[(b"x-%d" % i, b"y" * 4000) for i in range(20)]))
        assert rig.answer(four).status == 431
        assert rig.answer(rig.ask()).status == 200


def test_resets_a_stream_that_breaks_the_rules_and_goes_on():
    with Http2Rig(hello) as rig:
        rig.client.config.validate_outbound_headers = False
        rig.client.config.normalize_outbound_headers = False
        one = rig.ask(request(b"GET", b"/", (b"connection", b"close")))
        assert rig.answer(one).reset_code == PROTOCOL_ERROR
        assert rig.answer(rig.ask()).status == 200


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (frame(6, 0, 0, bytes(8)), 2000),
        (frame(4), 1000),
        (frame(2, 0, 1, number(3) + b"\x00"), 4000),
        (frame(0xAA), 2000),
        (frame(8, 0, 0, number(1)), 4000),
    ],
)
def test_ends_floods(data, count):
    with Http2Rig(hello) as rig:
        rig.ask()
        rig.feed(data * count)
        assert rig.goaways() == [(ENHANCE_YOUR_CALM, 1)]
        assert rig.transport.is_closing()


def test_ends_a_flood_of_resets():
    # CVE-2023-44487; the apps that still run are bounded too.
    with Http2Rig(settings=Settings(disconnect_grace_s=0.0)) as rig:
        block = frame(1, 5, 1, rig.client.encoder.encode(request()))[9:]
        running = 0
        for i in range(1500):
            if rig.transport.is_closing():
                break
            rig.feed(frame(1, 5, 2 * i + 1, block) + frame(3, 0, 2 * i + 1, number(8)))
            running = max(running, len(rig.runtime.conversations))
        assert rig.goaways()[0][0] == ENHANCE_YOUR_CALM
        assert running <= 200


def test_ends_a_flood_of_provoked_resets():
    # CVE-2025-8671: the client breaks its streams and has the server reset them.
    with Http2Rig(hello) as rig:
        block = frame(1, 4, 1, rig.client.encoder.encode(request(b"POST")))[9:]
        for i in range(1500):
            if rig.transport.is_closing():
                break
            rig.feed(frame(1, 4, 2 * i + 1, block) + frame(8, 0, 2 * i + 1, number(0)))
        data = rig.transport.take()
        assert frames_of(data)[-1] == (7, 0, 0, number(2001) + number(ENHANCE_YOUR_CALM) + b"too many stream errors")


def test_an_app_that_outlives_its_client_keeps_its_place():
    with Http2Rig(settings=Settings(disconnect_grace_s=60.0)) as rig:
        block = frame(1, 5, 1, rig.client.encoder.encode(request()))[9:]
        for i in range(300):
            rig.feed(frame(1, 5, 2 * i + 1, block) + frame(3, 0, 2 * i + 1, number(8)))
        assert len(rig.calls) == 200


def test_ends_a_flood_of_empty_data():
    with Http2Rig() as rig:
        one = rig.ask(request(b"POST"), ends=False)
        rig.feed(frame(0, 0, one) * 1000)
        assert rig.goaways() == [(ENHANCE_YOUR_CALM, one)]


def test_answers_pings_and_settings():
    with Http2Rig(hello) as rig:
        rig.feed(frame(6, 0, 0, b"12345678") + frame(4))
        assert rig.transport.take() == frame(6, 1, 0, b"12345678") + frame(4, 1)


def test_closes_an_idle_connection():
    with Http2Rig(hello) as rig:
        rig.ask()
        rig.pass_time(5)
        assert rig.goaways() == [(NO_ERROR, 1)]
        assert rig.transport.is_closing()


def test_keeps_a_connection_whose_requests_come_between_the_sweeps():
    with Http2Rig(hello) as rig:
        for _ in range(10):
            assert rig.answer(rig.ask()).status == 200
            rig.pass_time(1)
        assert not rig.transport.is_closing()


def test_waits_for_a_first_request_no_longer_than_for_the_next():
    with Http2Rig(hello) as rig:
        rig.pass_time(1)
        assert not rig.transport.is_closing()
        rig.pass_time(2)
        assert rig.goaways() == [(NO_ERROR, 0)]


def test_closes_a_connection_that_never_begins():
    with Http2Rig(hello, settings=Settings(first_byte_timeout_s=10.0)) as rig:
        silent = rig.protocol(rig.runtime)
        silent.connection_made(rig.transport)
        for seconds, is_closing in ((9, False), (2, True)):
            rig.runtime.now += seconds
            silent.sweep(rig.runtime.now)
            assert rig.transport.is_closing() is is_closing
        silent.connection_lost(None)


def test_answers_408_when_a_body_stalls():
    with Http2Rig(settings=Settings(body_timeout_s=10.0)) as rig:
        one = rig.ask(request(b"POST"), ends=False)
        rig.pass_time(9)
        rig.say(one, b"more")
        assert rig.call.hear()["body"] == b"more"
        rig.pass_time(9)
        assert rig.answer(one).status == 0
        rig.pass_time(2)
        answer = rig.answer(one)
        assert (answer.status, answer.reset_code) == (408, NO_ERROR)
        assert rig.call.hear() == {"type": "http.disconnect"}


def test_a_client_may_be_silent_while_the_app_takes_nothing():
    with Http2Rig(settings=Settings(body_timeout_s=10.0)) as rig:
        one = rig.ask(request(b"POST"), ends=False)
        for size in (16384, 16384, 16384, 16383):
            rig.say(one, bytes(size))
        rig.pass_time(30)
        assert rig.answer(one).status == 0


def test_resets_a_stream_whose_client_takes_nothing():
    with Http2Rig(settings=Settings(write_timeout_s=10.0), takes=False) as rig:
        one = rig.ask()
        rig.call.start()
        waiting = rig.call.say("body", body=bytes(100_000), more_body=True)
        rig.pass_time(9)
        rig.client.increment_flow_control_window(1)
        rig.client.increment_flow_control_window(1, one)
        rig.sync()
        rig.pass_time(9)
        assert rig.answer(one).reset_code is None
        rig.pass_time(2)
        assert rig.answer(one).reset_code == CANCEL
        assert isinstance(waiting.exception(), ClientDisconnected)


def test_a_slow_reader_that_takes_something_is_served():
    with Http2Rig(settings=Settings(write_timeout_s=10.0)) as rig:
        one = rig.ask()
        rig.call.start()
        rig.call.say("body", body=b"a", more_body=True)
        rig.pass_time(30)
        rig.call.say("body", body=b"b")
        assert (rig.answer(one).body, rig.answer(one).is_whole) == (b"ab", True)


def test_finishes_what_it_has_begun_when_the_worker_stops():
    with Http2Rig() as rig:
        one = rig.ask()
        rig.connection.drain()
        assert frames_of(rig.transport.take()) == [(7, 0, 0, number(2**31 - 1) + number(NO_ERROR))]
        rig.pass_time(2)
        assert frames_of(rig.transport.take()) == [(7, 0, 0, number(one) + number(NO_ERROR))]
        assert not rig.transport.is_closing()
        rig.call.start()
        rig.call.say("body", body=b"last")
        assert rig.answer(one).body == b"last"
        assert rig.transport.is_closing()


def test_sends_the_head_of_an_app_that_falls_silent():
    with Http2Rig() as rig:
        silent, failing, slow = rig.ask(), rig.ask(), rig.ask()
        for call in rig.calls:
            call.start(200, (b"x-a", b"b"))
        rig.calls[1].crash(ValueError("x"))
        assert rig.answer(silent).status == 0
        rig.sync_until(lambda: rig.answer(silent).status != 0 and rig.answer(slow).status != 0)
        assert rig.answer(silent).fields[b"x-a"] == b"b"
        assert (rig.answer(failing).status, rig.answer(slow).status) == (500, 200)
        rig.calls[2].say("body", body=b"late")
        assert rig.answer(slow).body == b"late"
        again = rig.ask()
        rig.call.start(201)
        rig.sync_until(lambda: rig.answer(again).status != 0)
        assert rig.answer(again).status == 201


class Heard:
    """An observer that writes down what it hears."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []

    def begin(self, head: Any, *who: Any) -> Any:
        return None if head is None else head.path, who[2]

    def end(self, view: Any, status: int, fields: Any, sent_bytes: int, duration_s: float) -> None:
        self.lines.append((*view, status, dict(fields).get(b"content-type"), sent_bytes))


def observed(app: Any = None, **keys: Any) -> tuple[Http2Rig, Heard]:
    heard = Heard()

    def prepare(runtime: Any) -> None:
        runtime.observer = heard

    return Http2Rig(app, prepare=prepare, **keys), heard


def test_the_observer_hears_of_each_request_once():
    rig, heard = observed(hello)
    with rig:
        rig.ask(request(b"GET", b"/a"))
        rig.ask(request(b"HEAD", b"/b"))
        rig.ask(request(b"FOO"))
    assert heard.lines == [
        ("/a", "http", 200, b"text/plain", 8),
        ("/b", "http", 200, b"text/plain", 0),
        (None, "http", 501, b"text/plain; charset=utf-8", 16),
    ]


def test_the_observer_hears_of_clients_that_left():
    rig, heard = observed(takes=False, settings=Settings(disconnect_grace_s=0.0))
    with rig:
        early, late, waiting = (rig.ask() for _ in range(3))
        for call in rig.calls[1:]:
            call.start(200, (b"content-type", b"a"))
        rig.calls[1].say("body", body=b"abc", more_body=True)
        rig.calls[2].say("body", body=bytes(70_000))
        for one in (early, late, waiting):
            rig.client.reset_stream(one, 8)
        rig.sync()
    assert heard.lines == [("/", "http", 499, None, 0), ("/", "http", 200, b"a", 3), ("/", "http", 200, b"a", 65_532)]


@pytest.mark.parametrize("app", [hello, echo])
def test_a_finished_stream_does_not_wait_for_the_collector(app):
    with Http2Rig(app) as rig:
        block = frame(1, 5, 1, rig.client.encoder.encode(request()))[9:]
        rig.feed(frame(1, 5, 1, block))
        block = rig.client.encoder.encode(request())
        gc.collect()
        gc.disable()
        try:
            for number_of in range(3, 203, 2):
                rig.feed(frame(1, 5, number_of, block))
            assert rig.runtime.requests_completed == 101
            found = gc.collect()
        finally:
            gc.enable()
        assert found < 100  # fewer than there were streams


def test_a_stop_ends_idle_streams_and_stalled_ones_alike():
    with Http2Rig(settings=Settings(body_timeout_s=5.0)) as rig:
        for _ in range(3):
            rig.ask(request(b"POST"), ends=False)
        rig.connection.drain()
        rig.pass_time(7)
        assert rig.transport.is_closing()


def test_nothing_is_written_behind_the_end():
    with Http2Rig() as rig:
        rig.ask()
        rig.call.start()
        rig.feed(frame(6, 0, 1, bytes(8)))
        assert frames_of(rig.transport.take())[-1][0] == 7
        assert rig.transport.is_closing()
        with pytest.raises(ClientDisconnected):
            rig.call.say("body", body=b"late")
        assert rig.transport.take() == b""


def test_a_closing_connection_that_takes_nothing_is_aborted():
    with Http2Rig(settings=Settings(write_timeout_s=10.0)) as rig:
        rig.transport.is_client_reading = False
        rig.feed(frame(6, 0, 1, bytes(8)))
        rig.pass_time(11)
        assert rig.transport.was_aborted


def test_a_client_that_takes_nothing_is_read_no_more():
    with Http2Rig(hello, settings=Settings(write_timeout_s=10.0)) as rig:
        rig.connection.pause_writing()
        assert rig.transport.is_reading_paused
        rig.connection.resume_writing()
        assert not rig.transport.is_reading_paused
        rig.transport.is_client_reading = False
        rig.connection.pause_writing()
        rig.pass_time(15)
        assert rig.transport.was_aborted


def test_nothing_is_written_behind_an_abort():
    """The stream has its deadline in the same sweep, and is reset."""
    with Http2Rig(settings=Settings(write_timeout_s=10.0), takes=False) as rig:
        rig.ask()
        rig.call.start()
        rig.call.say("body", body=bytes(60_000), more_body=True)
        rig.transport.is_client_reading = False
        sending = rig.call.say("body", body=bytes(10_000), more_body=True)
        rig.connection.pause_writing()
        rig.pass_time(11)
        assert rig.transport.was_aborted
        assert isinstance(sending.exception(), ClientDisconnected)


def test_holds_back_while_the_transport_is_full():
    with Http2Rig() as rig:
        one = rig.ask()
        rig.call.start()
        rig.connection.pause_writing()
        waiting = rig.call.say("body", body=b"abc", more_body=True)
        assert not waiting.done()
        rig.connection.resume_writing()
        assert rig.answer(one).body == b"abc"
        assert waiting.done()


def test_a_lost_connection_disconnects_every_app():
    with Http2Rig(settings=Settings(disconnect_grace_s=5.0)) as rig:
        rig.ask()
        rig.ask()
        rig.lose()
        for call in rig.calls:
            assert call.hear() in (
                {"type": "http.disconnect"},
                {"type": "http.request", "body": b"", "more_body": False},
            )
            call.finish()
        rig.pass_time(6)


def test_the_metrics_hear_of_bytes_and_refusals():
    metered = Metered()
    counted = metered.counted
    with Http2Rig(hello, prepare=metered.prepare) as rig:
        before = counted(BYTES_IN)
        assert before > 24
        rig.answer(rig.ask())
        assert counted(REFUSED) == 0
        rig.answer(rig.ask(request(b"GET", b"/a b")))
        assert counted(BYTES_IN) > before
        assert counted(REFUSED) == 1
