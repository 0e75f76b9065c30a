"""Whose DATA goes first (RFC 9218): what the field and PRIORITY_UPDATE say, and what bounds them."""

from __future__ import annotations

from typing import Any

import h2.settings
import pytest

from gasgi.errors import ClientDisconnected
from gasgi.http2.priorities import read_priority
from gasgi.http2_codes import CANCEL, ENHANCE_YOUR_CALM, FRAME_SIZE_ERROR, PROTOCOL_ERROR
from gasgi.proxy.policy import ProxyPolicy
from gasgi.settings import Settings
from tests.support.http2 import frame, number
from tests.support.http2_rig import Http2Rig, request
from tests.support.http2_websockets import StreamWebSocket
from tests.support.served import Call

BODY = 100_000  # seven frames


def opened(*args: Any, **keys: Any) -> Http2Rig:
    """A connection whose client takes all."""
    rig = Http2Rig(*args, **keys)
    rig.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 10**6})
    rig.client.increment_flow_control_window(10**6)
    rig.sync()
    return rig


def ask(rig: Http2Rig, priority: bytes | None = None) -> int:
    return rig.ask(request(b"GET", b"/", *([] if priority is None else [(b"priority", priority)])))


def answer_all(rig: Http2Rig) -> None:
    """Have all bodies wait at once, and then leave."""
    for call in rig.calls:
        call.start()
    for call in rig.calls:
        rig.loop.create_task(call.send({"type": "http.response.body", "body": bytes(BODY)}))
    rig.sync()


def ends(rig: Http2Rig) -> list[int]:
    """The streams, in the order of their last frames."""
    return sorted(set(rig.order), key=lambda one: -rig.order[::-1].index(one))


def update(stream_id: int, value: bytes) -> bytes:
    return frame(16, 0, 0, number(stream_id) + value)


def rank(urgency: int, is_incremental: bool = False) -> int:
    return 2 * (urgency - 3) + is_incremental


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", rank(3)),
        (b"u=0", rank(0)),
        (b"u=7, i", rank(7, True)),
        (b"i", rank(3, True)),
        (b"i=?1,u=2", rank(2, True)),
        (b"i=?0", rank(3)),
        (b"u=1;a=b , i;c", rank(1, True)),
        (b"u=5, u=2", rank(2)),
        (b"u=8", rank(3)),
        (b"u=-1", rank(3)),
        (b"u", rank(3)),
        (b"u=1.0", rank(3)),
        (b"i=1", rank(3)),
        (b"x=?1, u=4", rank(4)),
        (b"i, i", rank(3, True)),
        (b"i, i=?0", rank(3)),
        (b"u=99999999999999999999, i", rank(3, True)),
        (b"\xff\x00,=,;", rank(3)),
    ],
)
def test_reads_what_the_field_says(value, expected):
    assert read_priority(value) == expected


def test_lower_urgency_goes_first():
    with opened() as rig:
        late, first, usual = ask(rig, b"u=7, i"), ask(rig, b"u=0, i"), ask(rig)
        answer_all(rig)
        assert rig.order == [first] * 7 + [usual] * 7 + [late] * 7


def test_what_is_not_incremental_goes_one_after_the_other():
    with opened() as rig:
        numbers = [ask(rig, b"u=3"), ask(rig, b"u=4"), ask(rig), ask(rig)]
        rig.calls.reverse()
        answer_all(rig)
        assert ends(rig) == [numbers[0], numbers[2], numbers[3], numbers[1]]
        assert rig.order == [one for one in ends(rig) for _ in range(7)]


def test_what_is_incremental_shares():
    with opened() as rig:
        numbers = [ask(rig, b"i") for _ in range(3)]
        answer_all(rig)
        assert rig.order[:6] == numbers * 2


def test_both_kinds_of_one_urgency_go_on():
    with opened() as rig:
        whole, piece, other = ask(rig), ask(rig, b"i"), ask(rig, b"i")
        answer_all(rig)
        assert set(rig.order[:4]) == {whole, piece, other}
        assert rig.order[:8].count(whole) == 4


def test_without_a_word_of_priorities_all_share():
    with opened() as rig:
        numbers = [ask(rig) for _ in range(3)]
        answer_all(rig)
        assert rig.order[:6] == numbers * 2


def test_an_update_moves_a_stream_that_waits():
    with Http2Rig(takes=False) as rig:
        rig.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 10**6})
        first, second, third = ask(rig, b"u=1"), ask(rig, b"u=2"), ask(rig, b"u=2")
        answer_all(rig)
        assert set(rig.order) == {first}, "more than the window of the connection"
        rig.feed(update(third, b"u=0"))
        rig.client.increment_flow_control_window(10**6)
        rig.sync()
        assert ends(rig) == [third, first, second]


def test_an_update_may_come_before_its_request_and_says_more_than_the_field():
    with opened() as rig:
        rig.feed(update(3, b"u=0"))
        first, second = ask(rig, b"u=1"), ask(rig, b"u=7")
        answer_all(rig)
        assert second == 3
        assert ends(rig) == [second, first]


def test_no_more_updates_are_kept_than_streams_may_be_open():
    with opened(settings=Settings(http2_max_streams=2)) as rig:
        rig.feed(update(5, b"u=0") + update(7, b"u=0") + update(3, b"u=1") + update(5, b"u=6"))
        first, second = ask(rig, b"u=1"), ask(rig, b"u=2")
        answer_all(rig)
        assert (first, second) == (1, 3)
        assert ends(rig) == [first, second], "the update of stream 3 was one too many"


def test_an_update_of_a_stream_that_has_ended_is_ignored():
    with opened() as rig:
        one = ask(rig, b"u=1")
        answer_all(rig)
        rig.feed(update(one, b"u=0"))
        assert rig.answer(ask(rig)).reset_code is None
        assert not rig.transport.is_closing()


def test_an_app_that_sends_piece_by_piece_does_not_push_in():
    with opened() as rig:
        urgent, other = ask(rig, b"u=0"), ask(rig, b"u=5")
        for call in rig.calls:
            call.start()
        rig.loop.create_task(rig.calls[0].send({"type": "http.response.body", "body": bytes(500_000)}))
        rig.loop.create_task(rig.calls[1].send({"type": "http.response.body", "body": bytes(10_000)}))
        rig.sync()
        assert ends(rig) == [urgent, other]


def send_together(rig: Http2Rig, *calls: Call) -> None:
    """Have 100,000 bytes of each leave as soon as they may, and as messages where it is a WebSocket."""
    rig.order.clear()
    for call in calls:
        if call.scope["type"] == "websocket":
            message: dict[str, Any] = {"type": "websocket.send", "bytes": bytes(BODY)}
        else:
            message = {"type": "http.response.body", "body": bytes(BODY)}
        rig.loop.create_task(call.send(message))
    rig.sync()


def test_what_waits_for_more_urgent_answers_has_not_been_left_by_its_client():
    settings = Settings(write_timeout_s=10.0, write_buffer_bytes=10_000)
    with Http2Rig(takes=False, settings=settings) as rig:
        rig.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 10**6})
        urgent, late = ask(rig, b"u=0"), ask(rig, b"u=5")
        calls = [*rig.calls]
        for call in calls:
            call.start()
        websocket = StreamWebSocket(rig, (b"priority", b"u=5"))
        rig.loop.create_task(calls[0].send({"type": "http.response.body", "body": bytes(500_000)}))
        rig.loop.create_task(calls[1].send({"type": "http.response.body", "body": bytes(BODY)}))
        sending = websocket.binary(bytes(BODY))
        for _ in range(6):
            rig.pass_time(6)
            rig.client.increment_flow_control_window(20_000)
            rig.sync()
        assert [rig.answer(one).reset_code for one in (urgent, late, websocket.number)] == [None] * 3
        assert not sending.done()
        rig.pass_time(25)
        assert isinstance(sending.exception(), ClientDisconnected)
        assert [rig.answer(one).reset_code for one in (urgent, late, websocket.number)] == [CANCEL] * 3


def test_a_websocket_has_its_place_in_the_order():
    with opened() as rig:
        late = StreamWebSocket(rig, (b"priority", b"u=5"))
        urgent = StreamWebSocket(rig, (b"priority", b"u=1"))
        usual = ask(rig)
        rig.call.start()
        send_together(rig, late.call, rig.call, urgent.call)
        assert ends(rig) == [urgent.number, usual, late.number]


def test_a_websocket_shares_with_the_others_of_its_urgency():
    """It has no end that they could wait for (RFC 9218, 11), whatever its client says."""
    with opened() as rig:
        websocket = StreamWebSocket(rig, (b"priority", b"u=3"))
        rig.feed(update(websocket.number, b"u=2, i=?0"))
        other = ask(rig, b"u=2")
        rig.call.start()
        send_together(rig, websocket.call, rig.call)
        assert rig.order[0] == websocket.number, "the head of the message, before anything waits"
        assert set(rig.order[1:3]) == set(rig.order[3:5]) == {websocket.number, other}


def test_an_update_moves_a_websocket_that_waits():
    with Http2Rig(takes=False) as rig:
        rig.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 10**6})
        first = ask(rig, b"u=1")
        rig.call.start()
        websocket = StreamWebSocket(rig, (b"priority", b"u=7"))
        send_together(rig, rig.calls[0], websocket.call)
        assert set(rig.order) == {first}, "more than the window of the connection"
        rig.feed(update(websocket.number, b"u=0"))
        rig.order.clear()
        rig.client.increment_flow_control_window(10**6)
        rig.sync()
        assert ends(rig) == [websocket.number, first]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(16, 0, 1, number(1) + b"u=1"), PROTOCOL_ERROR),
        (frame(16, 0, 0, number(0) + b"u=1"), PROTOCOL_ERROR),
        (frame(16, 0, 0, number(2) + b"u=1"), PROTOCOL_ERROR),
        (frame(16, 0, 0, b"abc"), FRAME_SIZE_ERROR),
        (update(1, b"u=1") * 4000, ENHANCE_YOUR_CALM),
        (update(201, b"u=1") * 4000, ENHANCE_YOUR_CALM),
    ],
)
def test_ends_a_connection_whose_updates_are_wrong_or_too_many(data, code):
    with opened() as rig:
        ask(rig)
        rig.feed(data)
        assert rig.goaways()[0][0] == code
        assert rig.transport.is_closing()


@pytest.mark.parametrize("value", [b"", b"u=9", b"\xff", bytes(16000)])
def test_an_update_that_says_nothing_is_the_default(value):
    with opened() as rig:
        one = ask(rig, b"u=7")
        rig.feed(update(one, value))
        answer_all(rig)
        assert rig.answer(one).is_whole


def test_streams_of_many_clients_behind_a_proxy_share():
    """The words of one must not hold the others up (RFC 9218, 13.1)."""

    def prepare(runtime: Any) -> None:
        runtime.proxy = ProxyPolicy(Settings(forwarded_allow_ips=("*",)))

    with opened() as plain:
        numbers = [ask(plain, b"u=5"), ask(plain, b"u=1")]
        answer_all(plain)
        assert ends(plain) == numbers[::-1]
    with opened(prepare=prepare, extra={"peername": ("127.0.0.1", 5000)}) as rig:
        numbers = [ask(rig, b"u=5"), ask(rig, b"u=1")]
        rig.feed(update(numbers[1], b"u=0"))
        answer_all(rig)
        assert rig.order[:4] == numbers * 2


def test_the_client_is_told_that_the_old_priorities_count_for_nothing():
    with opened() as rig:
        assert dict(rig.client.remote_settings).get(9) == 1
