"""Frames of a client, each clause of RFC 9113, 3.4, 4 and 6 that a frame alone can keep or break."""

from __future__ import annotations

from typing import Any

import pytest

from gasgi.errors import Http2Error
from gasgi.http2.frames import FrameReader
from gasgi.http2.wire import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    WITH_PRIORITY,
)
from gasgi.http2_codes import ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR
from tests.support.http2 import BEGIN, Recorder, frame, number, read, settings
from tests.support.wire import split_everywhere

BLOCK = b"\x82\x84\x86\x41\x01a"
HEAD = frame(HEADERS, END_HEADERS, 1, BLOCK)


def check(frames: bytes, *calls: tuple[Any, ...]) -> None:
    """Read ``frames`` behind the begin of a connection, in every way they can come."""
    for pieces in split_everywhere(frames):
        found, broken = read([BEGIN, *pieces])
        assert broken is None
        assert found[1:] == list(calls)


def breaks(frames: bytes, code: int, text: str, begin: bytes = BEGIN, **limits: int) -> None:
    for pieces in split_everywhere(frames):
        _, broken = read([begin, *pieces], **limits)
        assert broken is not None
        assert broken[0] == code
        assert text in broken[1]


# --- 3.4: the preface ---


def test_begins_with_the_preface_and_settings():
    for pieces in split_everywhere(PREFACE + settings((3, 100), (4, 1000), (0xABC, 5))):
        assert read(pieces) == ([("settings", [(3, 100), (4, 1000), (0xABC, 5)])], None)


@pytest.mark.parametrize("data", [b"G", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", b"PRI * HTTP/1.1\r\n\r\n", b"\x00"])
def test_refuses_another_preface_at_its_first_wrong_byte(data):
    breaks(data, PROTOCOL_ERROR, "preface", b"")


@pytest.mark.parametrize("first", [HEAD, frame(SETTINGS, ACK), frame(PING, 0, 0, bytes(8)), frame(0xAA)])
def test_nothing_comes_before_settings(first):
    breaks(PREFACE + first, PROTOCOL_ERROR, "begin with SETTINGS", b"")


# --- 4: frames ---


def test_reads_several_frames_at_once():
    ping = frame(PING, 0, 0, b"12345678")
    check(
        HEAD + ping + HEAD,
        ("headers", 1, BLOCK, False, False),
        ("ping", b"12345678"),
        ("headers", 1, BLOCK, False, False),
    )


def test_does_not_look_at_the_reserved_bit():
    check(
        frame(WINDOW_UPDATE, 0, 2**31 + 5, number(2**31 + 7)) + frame(GOAWAY, 0, 2**31, number(2**31 + 3) + number(1)),
        ("window", 5, 7),
        ("goaway", 3, 1),
    )


def test_ignores_flags_that_mean_nothing():
    check(frame(PING, 0xFE, 0, b"12345678"), ("ping", b"12345678"))


def test_skips_frames_of_unknown_types():
    check(
        frame(0x11, 0xFF, 0, b"abc") + frame(0xFF, 0, 7) + HEAD,
        ("unknown", 17),
        ("unknown", 255),
        ("headers", 1, BLOCK, False, False),
    )


@pytest.mark.parametrize("frame_type", [DATA, HEADERS, SETTINGS, PING, CONTINUATION, 0xAB])
def test_refuses_a_frame_above_the_size_at_its_head(frame_type):
    head = b"\x00\x40\x01" + bytes([frame_type, 0]) + number(1)
    breaks(head, FRAME_SIZE_ERROR, "SETTINGS_MAX_FRAME_SIZE")


def test_takes_a_frame_of_the_size():
    sink = Recorder()
    reader = FrameReader(sink, 16384, 65536)
    reader.feed(BEGIN + frame(DATA, 0, 1, bytes(16384)) + frame(0xAA, 0, 1, bytes(16384)))
    assert sink.calls[1:] == [("data", 1, bytes(16384), 16384, False), ("unknown", 0xAA)]


def test_takes_nothing_more_once_the_connection_is_broken():
    sink = Recorder()
    reader = FrameReader(sink, 16384, 65536)
    with pytest.raises(Http2Error):
        reader.feed(BEGIN + frame(PING) + HEAD)
    reader.feed(HEAD)
    assert sink.calls == [("settings", [])]


# --- 6.1: DATA ---


def test_reads_data():
    check(
        frame(DATA, 0, 1, b"abc") + frame(DATA, END_STREAM, 3), ("data", 1, b"abc", 3, False), ("data", 3, b"", 0, True)
    )


def test_ends_the_stream_with_the_last_piece():
    check(frame(DATA, END_STREAM, 1, b"abcdef"), ("data", 1, b"abcdef", 6, True))


@pytest.mark.parametrize("padding", [0, 1, 5])
def test_counts_padding_and_leaves_it_out(padding):
    payload = bytes([padding]) + b"abc" + b"p" * padding
    check(
        frame(DATA, PADDED | END_STREAM, 1, payload) + HEAD,
        ("data", 1, b"abc", len(payload), True),
        ("headers", 1, BLOCK, False, False),
    )


def test_data_may_be_all_padding():
    check(
        frame(DATA, PADDED, 1, b"\x03ppp") + frame(DATA, PADDED | END_STREAM, 3, b"\x00"),
        ("data", 1, b"", 4, False),
        ("data", 3, b"", 1, True),
    )


def test_gives_data_on_as_it_comes():
    sink = Recorder()
    reader = FrameReader(sink, 16384, 65536)
    reader.feed(BEGIN + frame(DATA, END_STREAM, 1, b"abcdef")[:-2])
    assert sink.pieces == [(1, b"abcd", 4, False)]
    reader.feed(b"ef")
    assert sink.pieces[1:] == [(1, b"ef", 2, True)]


def test_refuses_data_of_no_stream():
    breaks(frame(DATA, 0, 0, b"abc"), PROTOCOL_ERROR, "stream identifier 0")


def test_refuses_padding_without_its_size():
    breaks(frame(DATA, PADDED, 1), FRAME_SIZE_ERROR, "without a padding length")
    breaks(frame(HEADERS, PADDED | END_HEADERS, 1), FRAME_SIZE_ERROR, "without a padding length")


def test_refuses_padding_as_large_as_the_frame():
    breaks(frame(DATA, PADDED, 1, b"\x03ab"), PROTOCOL_ERROR, "padding")
    breaks(frame(HEADERS, PADDED | END_HEADERS, 1, b"\x03ab"), PROTOCOL_ERROR, "padding")
    breaks(frame(HEADERS, PADDED | WITH_PRIORITY | END_HEADERS, 1, b"\x01" + bytes(5)), PROTOCOL_ERROR, "padding")


# --- 6.2 and 6.10: HEADERS and CONTINUATION ---


@pytest.mark.parametrize("ends", [0, END_STREAM])
def test_reads_headers(ends):
    check(frame(HEADERS, END_HEADERS | ends, 1, BLOCK), ("headers", 1, BLOCK, bool(ends), False))


def test_takes_padding_and_priority_off_headers():
    payload = b"\x02" + number(3) + b"\x10" + BLOCK + b"pp"
    check(frame(HEADERS, END_HEADERS | PADDED | WITH_PRIORITY, 1, payload), ("headers", 1, BLOCK, False, False))


def test_a_block_may_be_empty():
    check(frame(HEADERS, END_HEADERS, 1), ("headers", 1, b"", False, False))


def test_joins_a_block():
    frames = frame(HEADERS, END_STREAM | PADDED, 1, b"\x01" + BLOCK[:2] + b"p")
    frames += (
        frame(CONTINUATION, 0, 1, BLOCK[2:3])
        + frame(CONTINUATION, 0, 1)
        + frame(CONTINUATION, END_HEADERS, 1, BLOCK[3:])
    )
    check(frames + HEAD, ("headers", 1, BLOCK, True, False), ("headers", 1, BLOCK, False, False))


def test_tells_of_a_stream_that_depends_on_itself():
    # RFC 7540, 5.3.1; the block must still be decoded.
    check(
        frame(HEADERS, END_HEADERS | WITH_PRIORITY, 5, number(2**31 + 5) + b"\x00" + BLOCK),
        ("headers", 5, BLOCK, False, True),
    )


def test_refuses_headers_of_no_stream():
    breaks(frame(HEADERS, END_HEADERS, 0, BLOCK), PROTOCOL_ERROR, "stream identifier 0")


def test_refuses_headers_without_room_for_the_priority():
    breaks(frame(HEADERS, END_HEADERS | WITH_PRIORITY, 1, bytes(4)), FRAME_SIZE_ERROR, "priority")
    breaks(frame(HEADERS, END_HEADERS | WITH_PRIORITY | PADDED, 1, bytes(5)), FRAME_SIZE_ERROR, "priority")


@pytest.mark.parametrize(
    "between",
    [
        frame(DATA, 0, 1, b"a"),
        HEAD,
        frame(PRIORITY, 0, 1, bytes(5)),
        frame(PING, 0, 0, bytes(8)),
        settings(),
        frame(0xAA),
        frame(CONTINUATION, END_HEADERS, 3, b""),
    ],
)
def test_nothing_interrupts_a_block(between):
    breaks(frame(HEADERS, 0, 1, BLOCK) + between, PROTOCOL_ERROR, "interrupted")


def test_refuses_a_continuation_of_nothing():
    breaks(frame(CONTINUATION, END_HEADERS, 1, BLOCK), PROTOCOL_ERROR, "without HEADERS")
    breaks(HEAD + frame(CONTINUATION, END_HEADERS, 1), PROTOCOL_ERROR, "without HEADERS")


def test_bounds_the_bytes_of_a_block_before_they_come():
    limits = {"max_block_bytes": 100}
    breaks(frame(HEADERS, END_HEADERS, 1, bytes(101)), ENHANCE_YOUR_CALM, "too large", **limits)
    begun = frame(HEADERS, 0, 1, bytes(60))
    breaks(begun + frame(CONTINUATION, END_HEADERS, 1, bytes(41))[:9], ENHANCE_YOUR_CALM, "too large", **limits)
    calls, broken = read([BEGIN + begun + frame(CONTINUATION, END_HEADERS, 1, bytes(40))], **limits)
    assert (len(calls[1][2]), broken) == (100, None)


@pytest.mark.parametrize("payload", [b"", b"\x82"])
def test_bounds_the_continuations_of_a_block(payload):
    # CVE-2024-27316, with empty frames too.
    flood = frame(CONTINUATION, 0, 1, payload)
    _, broken = read([BEGIN, frame(HEADERS, 0, 1), flood * 32])
    assert broken is None
    _, broken = read([BEGIN, frame(HEADERS, 0, 1), flood * 33])
    assert broken == (ENHANCE_YOUR_CALM, "too many CONTINUATION frames")


def test_says_that_a_block_is_on_its_way():
    reader = FrameReader(Recorder(), 16384, 65536)
    reader.feed(BEGIN + frame(HEADERS, 0, 1, BLOCK))
    assert reader.is_in_block()
    reader.feed(frame(CONTINUATION, END_HEADERS, 1))
    assert not reader.is_in_block()


# --- 6.3 to 6.9: the others ---


def test_reads_priority():
    check(frame(PRIORITY, 0, 3, number(1) + b"\x10"), ("priority", 3))


def test_refuses_priority_of_no_stream():
    breaks(frame(PRIORITY, 0, 0, bytes(5)), PROTOCOL_ERROR, "stream identifier 0")


def test_a_broken_priority_breaks_its_stream_alone():
    check(
        frame(PRIORITY, 0, 3, bytes(4)) + frame(PRIORITY, 0, 3, number(3) + b"\x00"),
        ("broken", 3, FRAME_SIZE_ERROR, "PRIORITY with an invalid size"),
        ("broken", 3, PROTOCOL_ERROR, "stream depends on itself"),
    )


def test_reads_a_reset():
    check(frame(RST_STREAM, 0, 3, number(0xFFFFFFFF)), ("reset", 3, 0xFFFFFFFF))


@pytest.mark.parametrize("size", [0, 3, 5])
def test_refuses_a_reset_of_a_wrong_size(size):
    breaks(frame(RST_STREAM, 0, 3, bytes(size)), FRAME_SIZE_ERROR, "RST_STREAM")


def test_refuses_a_reset_of_no_stream():
    breaks(frame(RST_STREAM, 0, 0, bytes(4)), PROTOCOL_ERROR, "stream identifier 0")


def test_reads_settings_in_their_order():
    check(settings((1, 0), (1, 4096), (0xFFFF, 2**32 - 1)), ("settings", [(1, 0), (1, 4096), (0xFFFF, 2**32 - 1)]))
    check(frame(SETTINGS, ACK), ("settings ack",))


@pytest.mark.parametrize("size", [1, 5, 7])
def test_refuses_settings_of_a_wrong_size(size):
    breaks(frame(SETTINGS, 0, 0, bytes(size)), FRAME_SIZE_ERROR, "SETTINGS")


def test_refuses_an_acknowledgement_with_settings():
    breaks(frame(SETTINGS, ACK, 0, bytes(6)), FRAME_SIZE_ERROR, "SETTINGS")


@pytest.mark.parametrize("frame_type", [SETTINGS, PING, GOAWAY])
def test_refuses_frames_of_the_connection_on_a_stream(frame_type):
    breaks(
        frame(frame_type, 0, 1, bytes(24)[: 8 if frame_type != SETTINGS else 6]),
        PROTOCOL_ERROR,
        "stream identifier other than 0",
    )


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        (2, 2, PROTOCOL_ERROR),
        (4, 2**31, FLOW_CONTROL_ERROR),
        (5, 16383, PROTOCOL_ERROR),
        (5, 2**24, PROTOCOL_ERROR),
        (8, 2, PROTOCOL_ERROR),
        (9, 2, PROTOCOL_ERROR),
    ],
)
def test_refuses_values_outside_their_range(setting, value, code):
    breaks(settings((setting, value)), code, "")


def test_takes_values_at_the_ends_of_their_range():
    pairs = [(1, 2**32 - 1), (2, 0), (2, 1), (3, 0), (4, 2**31 - 1), (5, 16384), (5, 2**24 - 1), (6, 0), (8, 1), (9, 1)]
    check(settings(*pairs), ("settings", pairs))


def test_refuses_push_promise():
    breaks(frame(PUSH_PROMISE, END_HEADERS, 1, number(2) + BLOCK), PROTOCOL_ERROR, "PUSH_PROMISE")


def test_reads_ping():
    check(
        frame(PING, 0, 0, b"12345678") + frame(PING, ACK, 0, b"87654321"),
        ("ping", b"12345678"),
        ("ping ack", b"87654321"),
    )


@pytest.mark.parametrize("size", [0, 7, 9])
def test_refuses_ping_of_a_wrong_size(size):
    breaks(frame(PING, 0, 0, bytes(size)), FRAME_SIZE_ERROR, "PING")


def test_reads_goaway():
    check(frame(GOAWAY, 0, 0, number(7) + number(2) + b"debug"), ("goaway", 7, 2))


def test_reads_priority_update():
    # RFC 9218, 7.1: the bit in front of the number is reserved.
    check(
        frame(16, 0xFF, 0, number(2**31 + 7) + b"u=1, i") + frame(16, 0, 0, number(3)),
        ("priority update", 7, b"u=1, i"),
        ("priority update", 3, b""),
    )


def test_refuses_priority_update_on_a_stream_and_without_one():
    breaks(frame(16, 0, 3, number(3)), PROTOCOL_ERROR, "stream identifier other than 0")
    breaks(frame(16, 0, 0, b"abc"), FRAME_SIZE_ERROR, "PRIORITY_UPDATE")


def test_refuses_goaway_of_a_wrong_size():
    breaks(frame(GOAWAY, 0, 0, bytes(7)), FRAME_SIZE_ERROR, "GOAWAY")


def test_reads_window_updates():
    check(
        frame(WINDOW_UPDATE, 0, 0, number(1)) + frame(WINDOW_UPDATE, 0, 3, number(2**31 - 1)),
        ("window", 0, 1),
        ("window", 3, 2**31 - 1),
    )


@pytest.mark.parametrize("size", [0, 3, 5])
def test_refuses_window_updates_of_a_wrong_size(size):
    breaks(frame(WINDOW_UPDATE, 0, 0, bytes(size)), FRAME_SIZE_ERROR, "WINDOW_UPDATE")


def test_an_update_of_nothing_breaks_what_it_is_for():
    check(frame(WINDOW_UPDATE, 0, 3, number(0)), ("broken", 3, PROTOCOL_ERROR, "WINDOW_UPDATE of 0 bytes"))
    breaks(frame(WINDOW_UPDATE, 0, 0, number(2**31)), PROTOCOL_ERROR, "WINDOW_UPDATE of 0 bytes")


# --- pauses ---


def test_a_pause_holds_the_frames_behind():
    class Pausing(Recorder):
        def on_ping(self, payload):
            super().on_ping(payload)
            reader.pause()

    sink = Pausing()
    reader = FrameReader(sink, 16384, 65536)
    reader.feed(BEGIN + frame(PING, 0, 0, b"1" * 8) + frame(PING, 0, 0, b"2" * 8) + HEAD[:5])
    reader.feed(HEAD[5:])
    assert sink.calls[1:] == [("ping", b"1" * 8)]
    assert reader.is_held()
    reader.resume()
    reader.feed(b"")
    assert sink.calls[2:] == [("ping", b"2" * 8)]
    reader.resume()
    reader.feed(b"")
    assert sink.calls[3:] == [("headers", 1, BLOCK, False, False)]
    assert not reader.is_held()


def test_stops_in_the_middle_of_what_came():
    class Stopping(Recorder):
        def on_ping(self, payload):
            super().on_ping(payload)
            reader.stop()

    sink = Stopping()
    reader = FrameReader(sink, 16384, 65536)
    reader.feed(BEGIN + frame(PING, 0, 0, b"1" * 8) * 2)
    reader.feed(HEAD)
    assert sink.calls[1:] == [("ping", b"1" * 8)]
    assert not reader.is_held()
