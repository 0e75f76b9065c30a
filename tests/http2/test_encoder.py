"""Frames of a server, as another implementation reads them."""

from __future__ import annotations

import hyperframe.frame as frames
import pytest

from gasgi.http2 import encoder
from gasgi.http2.wire import ACK


def parse(data: bytes) -> list[frames.Frame]:
    found = []
    while data:
        one, length = frames.Frame.parse_frame_header(memoryview(data[:9]))
        assert len(data) >= 9 + length
        one.parse_body(memoryview(data[9 : 9 + length]))
        found.append(one)
        data = data[9 + length :]
    return found


def only(data: bytes) -> frames.Frame:
    (one,) = parse(data)
    return one


def test_encodes_settings():
    one = only(encoder.encode_settings([(3, 100), (6, 2**32 - 1)]))
    assert (one.stream_id, dict(one.settings)) == (0, {3: 100, 6: 2**32 - 1})
    assert frames.SettingsFrame(flags=["ACK"]).serialize() == encoder.SETTINGS_ACK


def test_encodes_pings():
    assert encoder.encode_ping(b"12345678") == frames.PingFrame(opaque_data=b"12345678").serialize()
    assert encoder.encode_ping_ack(b"12345678") == frames.PingFrame(opaque_data=b"12345678", flags=["ACK"]).serialize()
    assert encoder.encode_ping_ack(bytes(8))[4] == ACK


@pytest.mark.parametrize(("stream_id", "increment"), [(0, 1), (2**31 - 1, 2**31 - 1)])
def test_encodes_window_updates(stream_id, increment):
    expected = frames.WindowUpdateFrame(stream_id, increment).serialize()
    assert encoder.encode_window_update(stream_id, increment) == expected


def test_encodes_resets():
    assert encoder.encode_reset(3, 8) == frames.RstStreamFrame(3, 8).serialize()
    assert encoder.encode_reset(2**31 - 1, 2**32 - 1) == frames.RstStreamFrame(2**31 - 1, 2**32 - 1).serialize()


@pytest.mark.parametrize("text", [b"", b"calm", b"x" * 300])
def test_encodes_goaway(text):
    expected = frames.GoAwayFrame(0, last_stream_id=2**31 - 1, error_code=11, additional_data=text).serialize()
    assert encoder.encode_goaway(2**31 - 1, 11, text) == expected


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("size", [0, 1, 16383, 16384, 16385, 32768, 50000])
def test_splits_headers_at_the_frame_size_of_the_peer(size, ends):
    block = bytes(i % 251 for i in range(size))
    head, *rest = parse(encoder.encode_headers(5, block, ends, 16384))
    assert isinstance(head, frames.HeadersFrame)
    assert all(isinstance(one, frames.ContinuationFrame) for one in rest)
    assert {one.stream_id for one in [head, *rest]} == {5}
    assert b"".join(one.data for one in [head, *rest]) == block
    assert max(len(one.data) for one in [head, *rest]) <= 16384
    assert ["END_HEADERS" in one.flags for one in [head, *rest]] == [False] * len(rest) + [True]
    assert ("END_STREAM" in head.flags) == ends
    assert len(rest) == max(0, (size - 1) // 16384)


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("size", [0, 5, 2**24 - 1])
def test_encodes_the_head_of_data(size, ends):
    one, length = frames.Frame.parse_frame_header(memoryview(encoder.encode_data_head(7, size, ends)))
    assert isinstance(one, frames.DataFrame)
    assert (one.stream_id, length, "END_STREAM" in one.flags) == (7, size, ends)
