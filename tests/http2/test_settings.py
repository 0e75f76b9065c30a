"""What the settings of HTTP/2 do to a connection."""

from __future__ import annotations

from typing import Any

import h2.settings
import pytest

from gasgi.http2_codes import REFUSED_STREAM, SETTINGS_TIMEOUT
from gasgi.settings import Settings
from tests.support.http2 import BEGIN, frame, frames_of
from tests.support.http2_rig import Http2Rig, request

SettingCodes = h2.settings.SettingCodes


def announced(rig: Http2Rig) -> dict[int, int]:
    return dict(rig.client.remote_settings)


def test_the_client_is_told_of_them():
    settings = Settings(
        http2_max_streams=7, http2_window_bytes=70_000, http2_max_frame_bytes=20_000, http2_max_list_bytes=9_000
    )
    with Http2Rig(settings=settings) as rig:
        told = announced(rig)
        assert told[SettingCodes.MAX_CONCURRENT_STREAMS] == 7
        assert told[SettingCodes.INITIAL_WINDOW_SIZE] == 70_000
        assert told[SettingCodes.MAX_FRAME_SIZE] == 20_000
        assert told[SettingCodes.MAX_HEADER_LIST_SIZE] == 9_000


def test_what_is_the_default_of_the_protocol_is_not_said():
    with Http2Rig() as rig:
        told = announced(rig)
        assert told[SettingCodes.MAX_CONCURRENT_STREAMS] == 100
        assert told[SettingCodes.MAX_HEADER_LIST_SIZE] == 65_536
        assert told[SettingCodes.INITIAL_WINDOW_SIZE] == 65_535
        assert told[SettingCodes.MAX_FRAME_SIZE] == 16_384


def test_more_streams_than_the_setting_are_refused():
    with Http2Rig(settings=Settings(http2_max_streams=2)) as rig:
        # The client of h2 would hold the third one back.
        rig.client.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 100
        rig.client.remote_settings.acknowledge()
        numbers = [rig.ask() for _ in range(3)]
        assert [rig.answer(number).reset_code for number in numbers] == [None, None, REFUSED_STREAM]
        assert len(rig.calls) == 2


@pytest.mark.parametrize("window", [1, 1000, 65_535, 200_000, 3_000_000])
def test_a_body_that_nobody_reads_costs_its_window_and_no_more(window):
    body = b"x" * (window + 1)
    with Http2Rig(settings=Settings(http2_window_bytes=window)) as rig:
        number = rig.ask(request(b"POST"), ends=False)
        sent = 0
        while room := min(rig.client.local_flow_control_window(number), rig.client.max_outbound_frame_size):
            rig.say(number, body[sent : sent + room])
            sent += room
        assert sent == window
        # And read, it comes again.
        got = len(rig.call.hear()["body"])
        rig.sync()
        assert 0 < got <= sent
        while got < sent:
            got += len(rig.call.hear()["body"])
        rig.sync()
        assert rig.client.local_flow_control_window(number) > 0


@pytest.mark.parametrize(("size", "is_taken"), [(20_000, True), (20_001, False)])
def test_a_frame_may_be_as_large_as_the_setting(size, is_taken):
    with Http2Rig(settings=Settings(http2_max_frame_bytes=20_000)) as rig:
        number = rig.ask(request(b"POST"), ends=False)
        rig.feed(frame(0, 0, number, b"x" * size))
        goaways = [item for item in frames_of(rig.transport.take()) if item[0] == 7]
        assert bool(goaways) != is_taken


@pytest.mark.parametrize(("size", "status"), [(500, 0), (2000, 431)])
def test_a_header_list_beyond_the_setting_is_answered_431(size, status):
    fields: Any = request(b"GET", b"/", (b"x-a", b"a" * size))
    with Http2Rig(settings=Settings(http2_max_list_bytes=1000)) as rig:
        answer = rig.answer(rig.ask(fields))
        assert answer.status == status
        assert len(rig.calls) == (not status)


def test_a_client_that_does_not_acknowledge_settings_is_closed():
    with Http2Rig(settings=Settings(keep_alive_s=1000.0)) as rig:
        rig.lose()
        rig.connect()
        rig.feed(BEGIN)
        rig.transport.take()
        rig.pass_time(29)
        assert not rig.transport.is_closing()
        rig.pass_time(2)
        kind, _, _, payload = frames_of(rig.transport.take())[-1]
        assert (kind, payload[4:8]) == (7, SETTINGS_TIMEOUT.to_bytes(4, "big"))
        assert rig.transport.is_closing()


def test_one_that_does_is_not():
    with Http2Rig(settings=Settings(keep_alive_s=1000.0)) as rig:
        rig.pass_time(60)
        assert not rig.transport.is_closing()


def test_one_that_says_nothing_has_the_time_of_a_first_byte():
    with Http2Rig(settings=Settings(first_byte_timeout_s=100.0)) as rig:
        rig.lose()
        rig.connect()
        rig.pass_time(60)
        assert not rig.transport.is_closing()
