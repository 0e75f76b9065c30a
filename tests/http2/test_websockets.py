"""WebSockets over HTTP/2 (RFC 8441), with another implementation as the client."""

from __future__ import annotations

import asyncio
import zlib

import h2.settings
import pytest

from gasgi.errors import ASGIMisuse, ClientDisconnected
from gasgi.http2.wire import DATA
from gasgi.http2_codes import CANCEL, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM
from gasgi.settings import Settings
from tests.support.frames import (
    BINARY,
    CLOSE,
    FIN,
    PING,
    PONG,
    TEXT,
    Frame,
    client_frame,
    close_frame,
    close_payload,
)
from tests.support.http2 import frame, frames_of
from tests.support.http2_rig import Http2Rig, request
from tests.support.http2_websockets import StreamWebSocket, connect_fields
from tests.support.served import RecordingObserver
from tests.support.websocket_rig import disconnect

ACCEPT = {"type": "websocket.accept"}
HELLO = client_frame(FIN | TEXT, b"hello")


def text_event(text: str) -> dict[str, str]:
    return {"type": "websocket.receive", "text": text}


# --- the opening: RFC 8441, 3 to 5 ---


def test_the_settings_announce_it():
    with Http2Rig() as rig:
        assert rig.client.remote_settings[h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL] == 1


def test_the_scope_is_that_of_a_websocket():
    with Http2Rig() as rig:
        fields = [(b"origin", b"https://h"), (b"sec-websocket-protocol", b"chat, other")]
        StreamWebSocket(rig, *fields, accept=False)
        scope = rig.call.scope
        assert (scope["type"], scope["http_version"], scope["scheme"]) == ("websocket", "2", "ws")
        assert (scope["path"], scope["query_string"]) == ("/chat", b"room=1")
        assert scope["subprotocols"] == ["chat", "other"]
        assert scope["headers"] == [(b"host", b"h"), (b"sec-websocket-version", b"13"), *fields]
        assert "method" not in scope
        assert scope["extensions"] == {"websocket.http.response": {}}


def test_a_200_with_fields_and_the_subprotocol_accepts():
    with Http2Rig() as rig:
        one = StreamWebSocket(rig, (b"sec-websocket-protocol", b"chat"), accept=False)
        one.say({**ACCEPT, "subprotocol": "chat", "headers": [(b"X-A", b"b"), (b"content-length", b"5")]})
        assert one.answer.status == 200
        assert one.answer.fields == {
            b"x-a": b"b", b"sec-websocket-protocol": b"chat", b"server": b"s", b"date": b"d"
        }  # fmt: skip
        assert not one.answer.is_whole


@pytest.mark.parametrize(
    "event",
    [
        {**ACCEPT, "subprotocol": "other"},
        {**ACCEPT, "headers": [(b"sec-websocket-protocol", b"chat")]},
        {**ACCEPT, "headers": [(b"bad name", b"x")]},
    ],
)
def test_what_must_not_stand_in_the_answer_is_misuse_and_may_be_mended(event):
    with Http2Rig() as rig:
        one = StreamWebSocket(rig, (b"sec-websocket-protocol", b"chat"), accept=False)
        with pytest.raises(ASGIMisuse):
            one.say(event)
        one.say(ACCEPT)
        assert one.answer.status == 200


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([*connect_fields(), (b"content-length", b"5")], 400),
        ([*connect_fields(), (b"sec-websocket-extensions", b"a b")], 400),
        ([(b":method", b"CONNECT"), (b":authority", b"h")], 501),
        ([(name, b"connect-udp" if name == b":protocol" else value) for name, value in connect_fields()], 501),
    ],
)
def test_a_handshake_that_is_not_in_order_is_refused(fields, status):
    with Http2Rig() as rig:
        one = rig.ask(fields, ends=False)
        assert (rig.answer(one).status, rig.answer(one).is_whole) == (status, True)
        assert not rig.calls


@pytest.mark.parametrize("version", [None, b"8"])
def test_a_version_that_is_not_spoken_is_refused_with_the_one_that_is(version):
    fields = connect_fields()[:-1] + ([] if version is None else [(b"sec-websocket-version", version)])
    with Http2Rig() as rig:
        answer = rig.answer(rig.ask(fields, ends=False))
        assert (answer.status, answer.fields[b"sec-websocket-version"]) == (400, b"13")


def test_a_handshake_that_ends_the_stream_is_refused():
    with Http2Rig() as rig:
        one = rig.ask(connect_fields())
        assert rig.answer(one).status == 400
        assert not rig.calls


def test_what_comes_before_the_answer_waits_for_it():
    with Http2Rig() as rig:
        one = StreamWebSocket(rig, accept=False)
        one.send(HELLO[:3])
        one.send(HELLO[3:])
        assert one.hear() == {"type": "websocket.connect"}
        one.say(ACCEPT)
        assert one.hear() == text_event("hello")


def test_what_comes_before_the_answer_is_bounded_by_the_window():
    with Http2Rig() as rig:
        one = StreamWebSocket(rig, accept=False)
        for _ in range(4):
            one.send(bytes(16383))
        assert rig.client.local_flow_control_window(one.number) < 4
        one.say(ACCEPT)
        rig.sync()
        assert rig.client.local_flow_control_window(one.number) == 65535


def test_a_client_that_ends_its_side_before_the_answer_has_left():
    observer = RecordingObserver()
    with Http2Rig(observer=observer) as rig:
        one = StreamWebSocket(rig, accept=False)
        one.send(b"", ends=True)
        assert one.answer.reset_code == CANCEL
        assert one.hear() == {"type": "websocket.connect"}
        assert one.hear() == disconnect(1006)
        with pytest.raises(ClientDisconnected):
            one.say(ACCEPT)
        assert observer.answers == [(b"/chat?room=1", 499, 0)]


# --- denial ---


def test_the_app_refuses():
    with Http2Rig() as rig:
        one = StreamWebSocket(rig, accept=False)
        one.say({"type": "websocket.close"})
        assert (one.answer.status, one.answer.is_whole, one.answer.body) == (403, True, b"")
        assert one.hear()["type"] == "websocket.connect"
        assert one.hear() == disconnect(1006)


def test_the_app_answers_as_over_http():
    observer = RecordingObserver()
    with Http2Rig(observer=observer) as rig:
        one = StreamWebSocket(rig, accept=False)
        one.say({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-a", b"b")]})
        one.say({"type": "websocket.http.response.body", "body": b"who ", "more_body": True})
        one.send(HELLO)  # of no interest
        one.say({"type": "websocket.http.response.body", "body": b"are you?"})
        assert (one.answer.status, one.answer.is_whole, one.answer.body) == (401, True, b"who are you?")
        assert one.answer.fields[b"x-a"] == b"b"
        assert observer.answers == [(b"/chat?room=1", 401, 12)]


@pytest.mark.parametrize("status", [200, 204, 299])
def test_a_denial_cannot_be_a_2xx_which_would_accept(status):
    with Http2Rig() as rig:
        one = StreamWebSocket(rig, accept=False)
        with pytest.raises(ASGIMisuse, match="would accept"):
            one.say({"type": "websocket.http.response.start", "status": status, "headers": []})
        one.say({"type": "websocket.close"})
        assert one.answer.status == 403


def test_an_app_that_ends_without_an_answer_gets_a_500():
    with Http2Rig() as rig:
        one = StreamWebSocket(rig, accept=False)
        one.call.crash(ValueError("oh"))
        assert one.answer.status == 500


# --- messages ---


def test_messages_go_both_ways():
    with Http2Rig() as rig:
        one = StreamWebSocket(rig)
        one.send(HELLO + client_frame(FIN | BINARY, b"\0\1"))
        assert one.hear() == text_event("hello")
        assert one.hear() == {"type": "websocket.receive", "bytes": b"\0\1"}
        one.text("é")
        one.binary(b"\xff")
        assert one.frames() == [Frame(TEXT, "é".encode()), Frame(BINARY, b"\xff")]


def test_messages_may_come_byte_by_byte():
    with Http2Rig() as rig:
        one = StreamWebSocket(rig)
        for byte in HELLO:
            one.send(bytes([byte]))
        assert one.hear() == text_event("hello")


def test_frames_must_be_masked_here_too():
    with Http2Rig() as rig:
        one = StreamWebSocket(rig)
        one.send(b"\x81\x01a")
        (close,) = one.frames()
        assert close.payload[:2] == (1002).to_bytes(2, "big")
        assert one.answer.is_whole


@pytest.mark.parametrize("size", [16384, 65536, 300_000])
def test_large_messages_pass_in_both_directions(size):
    data = bytes(i % 251 for i in range(size))
    with Http2Rig() as rig:
        one = StreamWebSocket(rig)
        left = client_frame(FIN | BINARY, data)
        while left:
            room = min(rig.client.local_flow_control_window(one.number), rig.client.max_outbound_frame_size)
            assert room > 0
            one.send(left[:room])
            left = left[room:]
        assert one.hear() == {"type": "websocket.receive", "bytes": data}
        one.binary(data)
        assert one.frames() == [Frame(BINARY, data)]
        assert max(one.answer.pieces) <= 16384


def test_compression_is_agreed_on_and_used():
    with Http2Rig() as rig:
        one = StreamWebSocket(rig, (b"sec-websocket-extensions", b"permessage-deflate; client_max_window_bits"))
        assert one.answer.fields[b"sec-websocket-extensions"].startswith(b"permessage-deflate")
        one.text("x" * 1000)
        (found,) = one.frames()
        assert found.is_compressed
        assert zlib.decompressobj(-15).decompress(found.payload + b"\0\0\xff\xff") == b"x" * 1000


def test_many_live_on_one_connection_beside_requests():
    with Http2Rig() as rig:
        many = [StreamWebSocket(rig) for _ in range(50)]
        other = rig.ask(request(b"POST", b"/up"), ends=False)
        call = rig.call
        for i, one in enumerate(many):
            one.send(client_frame(FIN | TEXT, b"%d" % i))
        rig.say(other, b"body", ends=True)
        for i, one in enumerate(many):
            assert one.hear() == text_event(f"{i}")
            one.text(f"to {i}")
        assert call.hear()["body"] == b"body"
        call.start()
        call.say("body", body=b"ok")
        assert rig.answer(other).body == b"ok"
        for i, one in enumerate(many):
            assert one.frames() == [Frame(TEXT, b"to %d" % i)]


# --- back-pressure, both ways ---


def test_what_the_app_does_not_receive_closes_the_window():
    with Http2Rig(settings=Settings(websocket_queue_messages=2)) as rig:
        one = StreamWebSocket(rig)
        message = client_frame(FIN | BINARY, bytes(1000))
        sent = 0
        while rig.client.local_flow_control_window(one.number) >= len(message):
            one.send(message)
            sent += 1
            assert sent < 1000
        # Another stream is not held up by it.
        other = StreamWebSocket(rig)
        other.send(HELLO)
        assert other.hear() == text_event("hello")
        for _ in range(sent):
            assert one.hear()["bytes"] == bytes(1000)
        rig.sync()
        assert rig.client.local_flow_control_window(one.number) > 30_000


def test_what_comes_while_reading_is_paused_is_read_behind_it_with_the_end():
    with Http2Rig(settings=Settings(websocket_queue_messages=1)) as rig:
        one = StreamWebSocket(rig)
        for i in range(10):
            one.send(client_frame(FIN | TEXT, b"%d" % i))
        one.send(client_frame(FIN | CLOSE, close_payload(4001, "bye")), ends=True)
        for i in range(10):
            assert one.hear() == text_event(f"{i}")
        assert one.hear() == disconnect(4001, "bye")
        assert one.frames() == [close_frame(4001, "bye")]
        assert one.answer.is_whole


def test_a_client_that_takes_nothing_holds_the_app_back():
    with Http2Rig(takes=False, settings=Settings(write_buffer_bytes=10_000)) as rig:
        one = StreamWebSocket(rig)
        sends: list[asyncio.Task[None]] = []
        while not sends or sends[-1].done():
            sends.append(one.binary(bytes(4000)))
            assert len(sends) < 100
        assert 65535 + 10_000 <= len(sends) * 4000 <= 65535 + 20_000
        other = StreamWebSocket(rig, accept=False)  # its head is not under flow control
        other.say(ACCEPT)
        assert other.answer.status == 200
        rig.client.increment_flow_control_window(100_000)
        rig.client.increment_flow_control_window(100_000, one.number)
        rig.sync()
        assert sends[-1].done()
        assert [found.payload for found in one.frames()] == [bytes(4000)] * len(sends)


def test_a_client_that_takes_nothing_for_too_long_is_dropped():
    with Http2Rig(takes=False, settings=Settings(write_buffer_bytes=10_000, write_timeout_s=30)) as rig:
        one = StreamWebSocket(rig)
        for size in (16_000, 16_000, 16_000, 16_000, 5000, 14_000):
            one.binary(bytes(size))
        task = one.binary(b"x")
        rig.pass_time(29)
        assert not task.done()
        rig.pass_time(3)
        assert one.answer.reset_code == CANCEL
        assert isinstance(task.exception(), ClientDisconnected)
        assert one.hear() == disconnect(1006, "the client did not read for too long")


def test_a_slow_client_is_not_dropped():
    with Http2Rig(takes=False, settings=Settings(write_buffer_bytes=10_000, write_timeout_s=30)) as rig:
        one = StreamWebSocket(rig)
        task = one.binary(bytes(200_000))
        rig.client.increment_flow_control_window(200_000)
        for _ in range(6):
            rig.pass_time(25)
            rig.client.increment_flow_control_window(5000, one.number)
            rig.sync()
        assert not task.done()
        assert one.answer.reset_code is None


def test_what_waits_for_the_connection_leaves_when_it_is_read_again():
    with Http2Rig() as rig:
        one = StreamWebSocket(rig)
        rig.connection.pause_writing()
        for _ in range(3):
            one.text("hello")
        assert one.frames() == []
        rig.connection.resume_writing()
        assert one.frames() == [Frame(TEXT, b"hello")] * 3


# --- bounds ---


def test_a_message_that_is_too_big_is_1009():
    with Http2Rig(settings=Settings(websocket_max_message_bytes=100)) as rig:
        one = StreamWebSocket(rig)
        one.send(client_frame(FIN | BINARY, bytes(101)))
        (close,) = one.frames()
        assert close.payload[:2] == (1009).to_bytes(2, "big")
        assert not one.answer.is_whole
        one.send(client_frame(FIN | CLOSE, close_payload(1009)))
        assert one.answer.is_whole
        assert one.hear()["code"] == 1009


def test_they_count_among_the_streams_of_a_connection():
    with Http2Rig(settings=Settings(http2_max_streams=2)) as rig:
        StreamWebSocket(rig)
        second = StreamWebSocket(rig)
        rig.client.remote_settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS] = 100
        rig.client.remote_settings.acknowledge()
        third = rig.ask(connect_fields(), ends=False)
        assert rig.answer(third).reset_code == REFUSED_STREAM
        second.send(HELLO)
        assert second.hear() == text_event("hello")


def test_apps_whose_clients_have_left_are_bounded():
    with Http2Rig(settings=Settings(http2_max_streams=2)) as rig:
        for _ in range(4):
            one = StreamWebSocket(rig)
            rig.client.reset_stream(one.number)
            rig.sync()
        last = rig.ask(connect_fields(), ends=False)
        assert rig.answer(last).reset_code == REFUSED_STREAM
        for call in rig.calls:
            call.finish()
        StreamWebSocket(rig)


# --- pings and ends ---


def test_a_ping_of_the_client_is_answered():
    with Http2Rig() as rig:
        one = StreamWebSocket(rig)
        one.send(client_frame(FIN | PING, b"abc"))
        assert one.frames() == [Frame(PONG, b"abc")]


def test_a_silent_client_is_pinged_and_given_up():
    settings = Settings(websocket_ping_interval_s=20, websocket_ping_timeout_s=10, keep_alive_s=60)
    with Http2Rig(settings=settings) as rig:
        one = StreamWebSocket(rig)
        rig.pass_time(21)
        assert one.frames() == [Frame(PING, b"")]
        one.send(client_frame(FIN | PONG))
        rig.pass_time(21)
        assert one.frames() == [Frame(PING, b"")]
        rig.pass_time(11)
        assert one.frames() == [close_frame(1011, "ping timeout")]
        assert one.answer.reset_code == CANCEL
        assert one.hear() == disconnect(1006, "ping timeout")
        assert not rig.is_closed


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_the_client_closes(code):
    with Http2Rig() as rig:
        one = StreamWebSocket(rig)
        one.send(HELLO + client_frame(FIN | CLOSE, close_payload(code, "why é")))
        assert one.frames() == [close_frame(code, "why é")]
        assert one.answer.is_whole
        assert one.answer.reset_code is None
        assert one.hear() == text_event("hello")
        assert one.hear() == disconnect(code, "why é")
        with pytest.raises(ClientDisconnected):
            one.text("late")
        one.send(b"", ends=True)
        rig.pass_time(10)
        assert one.answer.reset_code is None


def test_the_app_closes():
    with Http2Rig() as rig:
        one = StreamWebSocket(rig)
        one.say({"type": "websocket.close", "code": 4001, "reason": "bye"})
        assert one.frames() == [close_frame(4001, "bye")]
        assert not one.answer.is_whole
        one.send(client_frame(FIN | CLOSE, close_payload(4001)), ends=True)
        assert one.answer.is_whole
        assert one.answer.reset_code is None


def test_what_waits_for_the_window_leaves_before_the_end():
    with Http2Rig(takes=False) as rig:
        one, other = StreamWebSocket(rig), StreamWebSocket(rig)
        rig.client.increment_flow_control_window(200_000)
        for each in (one, other):
            each.binary(bytes(70_000))
            each.send(client_frame(FIN | CLOSE, close_payload(1000)), ends=each is one)
            assert not each.answer.is_whole
            rig.client.increment_flow_control_window(10_000, each.number)
            assert each.frames() == [Frame(BINARY, bytes(70_000)), close_frame(1000)]
            assert each.answer.is_whole
        other.send(HELLO)
        assert other.answer.reset_code is None
        other.send(b"", ends=True)
        rig.pass_time(10)
        assert other.answer.reset_code is None


def test_a_client_that_does_not_end_its_side_is_reset_without_an_error_in_the_end():
    with Http2Rig() as rig:
        one = StreamWebSocket(rig)
        one.send(client_frame(FIN | CLOSE, close_payload(1000)))
        assert one.answer.is_whole
        one.send(HELLO)  # read away
        rig.pass_time(4)
        assert one.answer.reset_code is None
        rig.pass_time(3)
        assert one.answer.reset_code == NO_ERROR


def test_a_client_that_does_not_answer_a_close_is_reset():
    with Http2Rig(settings=Settings(websocket_close_timeout_s=5, keep_alive_s=60)) as rig:
        one = StreamWebSocket(rig)
        one.say({"type": "websocket.close"})
        rig.pass_time(7)
        assert one.answer.reset_code == CANCEL


def test_a_close_that_waits_for_a_shut_window_has_its_time_too():
    settings = Settings(websocket_close_timeout_s=5, keep_alive_s=60)
    with Http2Rig(takes=False, settings=settings) as rig:
        one = StreamWebSocket(rig)
        one.binary(bytes(60_000))
        one.text("x" * 10_000)
        one.send(client_frame(FIN | CLOSE, close_payload(1000)), ends=True)
        rig.pass_time(4)
        assert one.answer.reset_code is None
        rig.pass_time(3)
        assert one.answer.reset_code == CANCEL


def test_end_stream_without_a_close_frame_is_1006():
    with Http2Rig() as rig:
        one = StreamWebSocket(rig)
        one.send(HELLO, ends=True)
        assert one.hear() == text_event("hello")
        assert one.hear() == disconnect(1006)
        assert one.answer.is_whole
        assert one.answer.reset_code is None


def test_a_reset_is_1006_and_leaves_the_others():
    observer = RecordingObserver()
    with Http2Rig(observer=observer) as rig:
        one, other = StreamWebSocket(rig), StreamWebSocket(rig)
        waiting = one.call.listen()
        rig.client.reset_stream(one.number)
        rig.sync()
        assert waiting.result() == disconnect(1006)
        rig.pass_time(15)
        assert not one.call.was_cancelled  # as on a connection of its own
        other.send(HELLO + client_frame(FIN | PONG))
        assert other.hear() == text_event("hello")
        assert observer.answers == [(b"/chat?room=1", 200, 0)]


def test_a_lost_connection_is_1006_to_all_and_does_not_count_any_more():
    with Http2Rig() as rig:
        many = [StreamWebSocket(rig) for _ in range(3)]
        early = StreamWebSocket(rig, accept=False)
        rig.lose(ConnectionResetError())
        assert not rig.runtime.connections  # although the apps run
        assert early.hear()["type"] == "websocket.connect"
        for one in [*many, early]:
            assert one.hear() == disconnect(1006)
        with pytest.raises(ClientDisconnected):
            early.say(ACCEPT)
        assert rig.runtime.connections_ended == 1


def test_a_connection_that_breaks_the_protocol_is_1006():
    with Http2Rig() as rig:
        one = StreamWebSocket(rig)
        rig.feed(b"\0\0\0\0\0\0\0\0\0")  # DATA on stream 0
        assert rig.goaways() == [(PROTOCOL_ERROR, one.number)]
        assert one.hear() == disconnect(1006)


def test_trailers_end_it_as_end_stream_does():
    with Http2Rig() as rig:
        one = StreamWebSocket(rig)
        rig.client.send_headers(one.number, [(b"x-a", b"b")], end_stream=True)
        rig.sync()
        assert one.hear() == disconnect(1006)


def data_of(rig: Http2Rig) -> list[tuple[int, int, bytes]]:
    """Flags, stream and payload of the DATA that was written."""
    rig.settle()
    return [(flags, stream, data) for kind, flags, stream, data in frames_of(rig.transport.take()) if kind == DATA]


def test_a_stop_says_1012_to_each_and_closes_behind_the_last():
    goodbye = b"\x88\x02" + close_payload(1012)
    with Http2Rig() as rig:
        many = [StreamWebSocket(rig) for _ in range(3)]
        early = StreamWebSocket(rig, accept=False)
        rig.runtime.is_draining = True
        rig.inside(rig.connection.drain)
        assert data_of(rig) == [(0, one.number, goodbye) for one in many]
        assert [one.hear() for one in many] == [disconnect(1012)] * 3
        early.say(ACCEPT)  # late
        assert data_of(rig) == [(0, early.number, goodbye)]
        for one in [*many, early]:
            rig.feed(frame(DATA, 1, one.number, client_frame(FIN | CLOSE, close_payload(1012))))
            assert data_of(rig) == [(1, one.number, b"")]
            one.call.finish()
        assert not rig.is_closed
        rig.pass_time(2)
        assert rig.is_closed


def test_the_end_of_the_time_of_a_stop_cancels_them():
    with Http2Rig() as rig:
        one, early = StreamWebSocket(rig), StreamWebSocket(rig, accept=False)
        rig.inside(rig.connection.abort)
        rig.settle()
        assert one.call.was_cancelled
        assert early.call.was_cancelled


def test_the_observer_hears_of_one_request_and_its_quota_counts_it_once():
    observer = RecordingObserver()
    with Http2Rig(observer=observer) as rig:
        one = StreamWebSocket(rig, accept=False)
        one.say({**ACCEPT, "headers": [(b"X-A", b"b")]})
        assert rig.runtime.requests_completed == 1
        one.text("hello")
        one.send(client_frame(FIN | CLOSE, close_payload(1000)), ends=True)
        assert one.answer.is_whole
        assert observer.answers == [(b"/chat?room=1", 200, 7 + 4)]
        assert (b"x-a", b"b") in observer.headers[0]
        assert rig.runtime.requests_completed == 1


def test_no_answer_is_reset_while_its_end_is_on_its_way():
    """RFC 8441, 5: the frames behind a close, to the letter."""
    with Http2Rig() as rig:
        one = StreamWebSocket(rig)
        rig.client.send_data(one.number, client_frame(FIN | CLOSE, close_payload(1000)))
        rig.feed(rig.client.data_to_send())
        found = frames_of(rig.transport.take())
        assert [(kind, flags, stream) for kind, flags, stream, _ in found] == [(0, 0, one.number), (0, 1, one.number)]
        assert found[0][3] == b"\x88\x02\x03\xe8"
