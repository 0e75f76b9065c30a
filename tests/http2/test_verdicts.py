"""Random frames of a client, judged here and by another implementation: both go on, or both refuse.

Where they differ on purpose, ``STRICTER`` says so with its clause. What comes behind a refusal is not compared: whether
one stream or all end is up to the receiver (RFC 9113, 5.4).
"""

from __future__ import annotations

from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from hypothesis import given, settings
from hypothesis import strategies as st

from gasgi._accel import HpackDecoder, HpackEncoder
from gasgi.errors import Http2Error, RequestError, StreamError
from gasgi.head_rules import HeadLimits
from gasgi.http2.encoder import encode_headers, encode_reset
from gasgi.http2.frames import FrameReader
from gasgi.http2.heads import HeadReader, check_trailers
from gasgi.http2.streams import Streams
from gasgi.http2.wire import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PADDED,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    WITH_PRIORITY,
)
from gasgi.http2_codes import CANCEL, PROTOCOL_ERROR
from tests.support.http2 import BEGIN, Recorder, frame, number
from tests.support.http2 import settings as settings_frame

WINDOW = 65535


class Server(Recorder):
    """Reader, codec, heads and streams put together, without a loop: says of each frame whether it may be."""

    def __init__(self) -> None:
        super().__init__()
        self.reader = FrameReader(self, 16384, 65536)
        self.decoder = HpackDecoder()
        self.heads = HeadReader(HeadLimits(permit_method=True), False)
        self.streams = Streams(100, WINDOW, WINDOW)
        self.verdict = "ok"

    def feed(self, data: bytes) -> str:
        self.verdict = "ok"
        try:
            self.reader.feed(data)
        except Http2Error as exc:
            self.verdict = f"connection: {exc.text}"
        return self.verdict

    def broken(self, exc: StreamError) -> None:
        self.verdict = f"stream: {exc.text}"
        stream = self.streams.get(exc.stream_id)
        if stream is not None:
            self.streams.reset(stream)

    def on_headers(self, stream_id: int, block: bytes, ends_stream: bool, is_broken: bool) -> None:
        try:
            fields = self.decoder.decode(block)
            stream = self.streams.receive_headers(stream_id, ends_stream)
            if stream is None:
                self.verdict = "ignored"
                return
            if is_broken:
                raise StreamError(stream_id, PROTOCOL_ERROR, "depends on itself")
            if stream.owner is not None:
                check_trailers(stream_id, fields, self.decoder.flaw)
                return
            stream.owner = head = self.heads.read(stream_id, fields, self.decoder.flaw, ends_stream)
            if head.content_length >= 0:
                self.streams.expect_length(stream, head.content_length)
        except RequestError as exc:
            self.verdict = f"answer: {exc}"
        except StreamError as exc:
            self.broken(exc)

    def on_data(self, stream_id: int, piece: bytes, window_bytes: int, ends_stream: bool) -> None:
        try:
            if self.streams.receive_data(stream_id, len(piece), window_bytes, ends_stream) is None:
                self.verdict = "ignored"
        except StreamError as exc:
            self.broken(exc)

    def on_reset(self, stream_id: int, code: int) -> None:
        self.streams.receive_reset(stream_id)

    def on_window_update(self, stream_id: int, increment: int) -> None:
        try:
            self.streams.receive_window_update(stream_id, increment)
        except StreamError as exc:
            self.broken(exc)

    def on_broken_frame(self, stream_id: int, code: int, text: str) -> None:
        try:
            self.streams.receive_broken_frame(stream_id, code, text)
            self.verdict = "ignored"
        except StreamError as exc:
            self.broken(exc)

    def on_settings(self, settings: list[tuple[int, int]]) -> None:
        for setting, value in settings:
            if setting == INITIAL_WINDOW_SIZE:
                self.streams.receive_initial_window(value)


class Other:
    """The same bytes in the other implementation."""

    def __init__(self) -> None:
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
        self.connection.initiate_connection()
        self.connection.clear_outbound_data_buffer()

    def feed(self, data: bytes) -> str:
        try:
            events = self.connection.receive_data(data)
        except h2.exceptions.ProtocolError as exc:
            return f"connection: {type(exc).__name__} {exc}"
        for event in events:
            if isinstance(event, h2.events.StreamReset) and not event.remote_reset:
                return "stream"
        sent = self.connection.data_to_send()
        while sent:
            if sent[3] == RST_STREAM:
                return "stream"
            sent = sent[9 + int.from_bytes(sent[:3], "big") :]
        return "ok"


# Refused here and not there.
STRICTER = (
    "less DATA than the content-length",  # RFC 9113, 8.1.1: also where HEADERS end the stream
    "RST_STREAM on an idle stream",  # RFC 9113, 6.4
    "depends on itself",  # RFC 7540, 5.3.1
)


# RFC 9113, 5.1: what comes on a stream that was reset here is ignored; there it is not always.
LAXER = ("ignored",)


def differs(here: str, there: str) -> bool:
    """Whether two verdicts differ without a reason."""
    if here in LAXER or any(text in here for text in STRICTER):
        return False
    return (here == "ok") != (there == "ok")


ENCODER = HpackEncoder()
ENCODER.set_max_table_bytes(0)
REQUEST = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")]
FIELDS = [
    REQUEST,
    REQUEST,
    REQUEST,
    [*REQUEST, (b"content-length", b"5")],
    [*REQUEST, (b"te", b"trailers")],
    [*REQUEST, (b"te", b"gzip")],
    [*REQUEST, (b"connection", b"close")],
    [*REQUEST, (b"host", b"a")],
    [*REQUEST, (b"host", b"b")],
    [*REQUEST, (b":path", b"/")],
    [*REQUEST[:3], (b":path", b"")],
    REQUEST[1:],
    [(b"a", b"b"), *REQUEST],
    [(b"checksum", b"5")],
    [(b"A", b"b")],
    [(b":status", b"200")],
]
BLOCKS = st.sampled_from([ENCODER.encode_trailers(fields) for fields in FIELDS])
NUMBERS = st.sampled_from([1, 1, 1, 3, 3, 5, 7])
ANY_NUMBER = st.sampled_from([0, 1, 2, 3, 4, 5, 9])
FRAMES = st.one_of(
    st.builds(frame, st.just(HEADERS), st.sampled_from([END_HEADERS, END_HEADERS | END_STREAM]), NUMBERS, BLOCKS),
    st.builds(
        lambda one, block, at, ends: (
            frame(HEADERS, ends, one, block[:at]) + frame(CONTINUATION, END_HEADERS, one, block[at:])
        ),
        NUMBERS,
        BLOCKS,
        st.integers(0, 8),
        st.sampled_from([0, END_STREAM]),
    ),
    st.builds(
        frame,
        st.just(HEADERS),
        st.sampled_from([END_HEADERS, END_HEADERS | END_STREAM, 0]).map(lambda flags: flags | PADDED | WITH_PRIORITY),
        NUMBERS,
        BLOCKS.map(lambda block: b"\x02" + number(9) + b"\x00" + block + b"\x00\x00"),
    ),
    st.builds(frame, st.just(DATA), st.sampled_from([0, END_STREAM]), NUMBERS, st.sampled_from([b"", b"abcde", b"x"])),
    st.builds(frame, st.just(DATA), st.just(PADDED), NUMBERS, st.sampled_from([b"", b"\x02abc", b"\x04abc", b"\x00"])),
    st.builds(frame, st.just(DATA), st.just(0), NUMBERS, st.just(bytes(16384))),
    st.builds(frame, st.just(RST_STREAM), st.just(0), ANY_NUMBER, st.just(number(8))),
    st.builds(frame, st.just(WINDOW_UPDATE), st.just(0), ANY_NUMBER, st.sampled_from([0, 1, 2**31 - 1]).map(number)),
    st.builds(
        frame, st.just(PRIORITY), st.just(0), ANY_NUMBER, st.sampled_from([number(11) + b"\x00", number(1) + b"\x00"])
    ),
    st.sampled_from(
        [
            settings_frame(),
            settings_frame((4, 0)),
            settings_frame((4, 2**31 - 1)),
            settings_frame((4, 2**31)),
            settings_frame((5, 5)),
            settings_frame((2, 2)),
            settings_frame((99, 99)),
            frame(PING, 0, 0, bytes(8)),
            frame(PING, ACK, 0, bytes(8)),
            frame(PING, 0, 1, bytes(8)),
            frame(PING, 0, 0, bytes(7)),
            frame(SETTINGS, ACK, 0, bytes(6)),
            frame(CONTINUATION, END_HEADERS, 1, b""),
            frame(5, END_HEADERS, 1, number(2)),
            frame(GOAWAY, 0, 1, bytes(8)),
            frame(0xAB, 0xFF, 3, b"abc"),
        ]
    ),
)
STEPS = st.lists(
    st.one_of(FRAMES, FRAMES, FRAMES, st.sampled_from([("answer", 1), ("answer", 3), ("reset", 1)])), max_size=10
)


@settings(max_examples=300)
@given(steps=STEPS)
def test_agrees_with_another_implementation(steps: list[Any]) -> None:
    here, there = Server(), Other()
    assert (here.feed(BEGIN), there.feed(BEGIN)) == ("ok", "ok")
    for step in steps:
        if isinstance(step, tuple):
            act(here, there, *step)
            continue
        verdicts = here.feed(step), there.feed(step)
        assert not differs(*verdicts), verdicts
        if verdicts[0] not in ("ok", *LAXER) or verdicts[1] != "ok":
            return


def act(here: Server, there: Other, what: str, stream_id: int) -> None:
    """The server answers or resets a stream."""
    stream = here.streams.get(stream_id)
    if stream is None or stream.state == 2:
        return
    if what == "reset":
        here.streams.reset(stream)
        there.connection.reset_stream(stream_id, CANCEL)
    else:
        here.streams.end_local(stream)
        there.connection.send_headers(stream_id, [(b":status", b"200")], end_stream=True)
    there.connection.clear_outbound_data_buffer()


def test_a_client_of_another_implementation_reads_an_answer() -> None:
    client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
    client.initiate_connection()
    client.send_headers(1, REQUEST, end_stream=True)
    server = Server()
    assert server.feed(client.data_to_send()) == "ok"
    answer = HpackEncoder().encode(200, [(b"content-type", b"text/plain")])
    events = client.receive_data(settings_frame() + encode_headers(1, answer, True, 16384) + encode_reset(1, 0))
    (response,) = (event for event in events if isinstance(event, h2.events.ResponseReceived))
    assert [tuple(field) for field in response.headers] == [(b":status", b"200"), (b"content-type", b"text/plain")]
