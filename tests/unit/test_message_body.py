"""LengthBody and ChunkedBody: where a body ends, what it may cost, what is refused (tests/corpus has more of these)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from httptools import HttpRequestParser
from hypothesis import given, settings
from hypothesis import strategies as st

from gasgi.errors import RequestError
from gasgi.http1.body import ChunkedBody, LengthBody
from tests.support.wire import split_everywhere

NEXT = b"GET /next"
TCHARS = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def refusal_of(pieces: list[bytes], limit: int = 100) -> int | None:
    body = ChunkedBody(limit)
    try:
        for piece in pieces:
            body.feed(piece)
    except RequestError as exc:
        return exc.status
    return None


def check_refusal(raw: bytes, limit: int, status: int | None) -> None:
    for pieces in split_everywhere(raw):
        assert refusal_of(pieces, limit) == status, pieces


# LengthBody


def test_counted_body_ends_where_its_length_says() -> None:
    for pieces in split_everywhere(b"hello" + NEXT):
        body = LengthBody(5)
        assert b"".join(body.feed(piece) for piece in pieces) == b"hello"
        assert body.is_complete
        assert body.take_leftover() == NEXT
        assert body.take_leftover() == b""


def test_counted_body_is_incomplete_until_its_last_byte() -> None:
    body = LengthBody(2)
    assert not body.is_complete
    body.feed(b"a")
    assert not body.is_complete
    body.feed(b"b")
    assert body.is_complete


def test_counted_body_of_nothing_is_complete_at_once() -> None:
    body = LengthBody(0)
    assert body.is_complete
    assert body.feed(NEXT) == b""
    assert body.take_leftover() == NEXT


def test_counted_body_of_more_than_32_bits() -> None:
    body = LengthBody(2**63 - 1)
    assert body.feed(b"hello") == b"hello"
    assert not body.is_complete


@pytest.mark.parametrize("size", [1, 1000])
def test_counted_body_copies_nothing_when_all_of_the_data_is_body(size: int) -> None:
    data = bytes(size)
    body = LengthBody(2 * size)
    assert body.feed(data) is data
    assert body.feed(data) is data
    assert body.is_complete


# ChunkedBody

CHUNKED = b'5\r\nhello\r\n00A;x="y;z";w\r\n, world!!!\r\n0;last\r\nX-Sum: 1\r\nX-Empty:\r\n\r\n'


def test_chunked_body_ends_behind_its_trailers() -> None:
    for pieces in split_everywhere(CHUNKED + NEXT):
        body = ChunkedBody(100)
        assert b"".join(body.feed(piece) for piece in pieces) == b"hello, world!!!"
        assert body.is_complete
        assert body.take_leftover() == NEXT
        assert body.take_leftover() == b""


def test_chunked_body_is_incomplete_until_its_last_byte() -> None:
    for end in range(len(CHUNKED)):
        body = ChunkedBody(100)
        body.feed(CHUNKED[:end])
        assert not body.is_complete
        assert body.take_leftover() == b""


def test_chunked_body_keeps_what_comes_after_its_end() -> None:
    body = ChunkedBody(100)
    body.feed(b"0\r\n\r\nGET ")
    assert body.feed(b"/next") == b""
    assert body.take_leftover() == NEXT


def test_chunked_body_copies_nothing_when_all_of_the_data_is_body() -> None:
    data = bytes(1000)
    body = ChunkedBody(100)
    body.feed(b"7d0\r\n")
    assert body.feed(data) is data
    assert body.feed(data) is data
    assert body.feed(b"\r\n0\r\n\r\n") == b""
    assert body.is_complete


def test_chunked_body_takes_any_sum_of_chunks() -> None:
    body = ChunkedBody(0)
    for _ in range(1000):
        assert body.feed(b"3\r\nabc\r\n") == b"abc"


@pytest.mark.parametrize("size", [b"8000000000000000", b"ffffffffffffffff", b"10000000000000000", b"0" * 17])
def test_refuses_a_chunk_size_beyond_63_bits_or_16_digits(size: bytes) -> None:
    """RFC 9112, 7.1: recipients must anticipate large numerals and prevent overflows."""
    check_refusal(size + b"\r\n", 100, 400)


def test_takes_the_largest_chunk_size() -> None:
    body = ChunkedBody(100)
    assert body.feed(b"7fffffffffffffff\r\nhello") == b"hello"


def test_bounds_the_extensions_of_one_chunk() -> None:
    """RFC 9112, 7.1.1: a server ought to limit the total length of chunk extensions."""
    check_refusal(b"5;abcdefghi\r\nhello\r\n", 10, None)
    check_refusal(b"5;abcdefghij\r\nhello\r\n", 10, 400)


def test_bounds_the_extensions_of_all_chunks_together() -> None:
    check_refusal(b"1;abcd\r\nx\r\n" * 2, 10, None)
    check_refusal(b"1;abcd\r\nx\r\n" * 3, 10, 400)


def test_bounds_a_chunk_line_that_does_not_end() -> None:
    assert refusal_of([b"5;" + b"a" * 1000], 100) == 400
    assert refusal_of([b"5" * 1000], 100) == 400


def test_refuses_a_chunk_longer_than_its_size_before_a_line_ends() -> None:
    assert refusal_of([b"5\r\nhello", b"x" * 1000]) == 400


def test_bounds_the_trailers() -> None:
    check_refusal(b"0\r\nA: b\r\nC: d\r\n\r\n", 12, None)
    check_refusal(b"0\r\nA: b\r\nC: d\r\n\r\n", 11, 431)


def test_bounds_extensions_and_trailers_together() -> None:
    check_refusal(b"0;abc\r\nA: b\r\n\r\n", 10, None)
    check_refusal(b"0;abc\r\nA: b\r\n\r\n", 9, 431)


def test_bounds_a_trailer_that_does_not_end() -> None:
    assert refusal_of([b"0\r\nA: " + b"a" * 1000], 100) == 431


def test_takes_an_end_without_trailers_when_nothing_may_be_spent() -> None:
    check_refusal(b"1\r\na\r\n0\r\n\r\n", 0, None)


@pytest.mark.parametrize("byte", [byte for byte in range(256) if byte not in b"\r\n"])
def test_takes_the_characters_of_a_token_in_the_name_of_an_extension(byte: int) -> None:
    is_allowed = bytes([byte]) in TCHARS
    check_refusal(b"1;a" + bytes([byte]) + b"b\r\na\r\n", 100, None if is_allowed or byte in b";=" else 400)


@pytest.mark.parametrize("byte", [byte for byte in range(256) if byte not in b'\r\n"\\'])
def test_takes_no_control_but_tab_in_a_quoted_extension(byte: int) -> None:
    is_allowed = byte == 9 or (byte >= 32 and byte != 127)
    check_refusal(b'1;a="' + bytes([byte]) + b'"\r\na\r\n', 100, None if is_allowed else 400)
    check_refusal(b'1;a="\\' + bytes([byte]) + b'"\r\na\r\n', 100, None if is_allowed else 400)


@pytest.mark.parametrize("extension", [b";a", b" ;\ta = b", b';a="";b=c', b';a="\\"\\\\"', b";a\t;b", b';a="b;c=\xe9"'])
def test_takes_an_extension_of_every_form(extension: bytes) -> None:
    """RFC 9112, 7.1.1."""
    check_refusal(b"1" + extension + b"\r\na\r\n", 100, None)


@pytest.mark.parametrize(
    "extension",
    [b";", b";a;", b';a="', b';a="b', b';a="b\\"', b';a="b"c', b';"a"', b";a=", b";=b", b";a=b=c", b" ", b";a "],
)
def test_refuses_an_extension_that_is_none(extension: bytes) -> None:
    """Whoever takes an unclosed quote on reads another end of the line than who does not."""
    check_refusal(b"1" + extension + b"\r\na\r\n", 100, 400)


def test_an_extension_costs_no_more_than_its_length() -> None:
    """None of these makes the search for the end of a name, a quote or a blank begin again and again."""
    for part in (b";a", b" ", b";a=b", b"a", b"\\a", b'"', b";a=\t"):
        assert refusal_of([b'1;a="' + part * 20_000 + b"\x7f\r\n"], 200_000) == 400
        assert refusal_of([b"1;a" + part * 20_000 + b"\x7f\r\n"], 200_000) == 400


@pytest.mark.parametrize("byte", range(256))
def test_takes_exactly_the_hexadecimal_digits_in_a_size(byte: int) -> None:
    is_digit = byte in b"0123456789abcdefABCDEF"
    assert refusal_of([b"1" + bytes([byte]) + b"\r\n"]) == (None if is_digit else 400)


def test_leaves_what_takes_more_than_a_turn() -> None:
    """43,000 chunks in a read of 256 KiB say next to nothing: the bound is on the work, not on what it gives."""
    body = ChunkedBody(0)
    wire = b"1\r\na\r\n" * 300
    assert body.feed(wire) == b"a" * 256
    assert not body.is_complete
    leftover = body.take_leftover()
    assert leftover == b"1\r\na\r\n" * 44
    assert body.feed(leftover) == b"a" * 44
    assert body.take_leftover() == b""


def test_leaves_trailers_that_take_more_than_a_turn() -> None:
    body = ChunkedBody(10_000)
    body.feed(b"0\r\n" + b"a:\r\n" * 300)
    leftover = body.take_leftover()
    assert leftover == b"a:\r\n" * (300 - 255)
    body.feed(leftover + b"\r\n")
    assert body.is_complete


@pytest.mark.parametrize("size", [b"1", b"01", b"0000001", b"00000001", b"000000000000001"])
def test_reads_a_size_with_any_count_of_digits(size: bytes) -> None:
    for pieces in split_everywhere(size + b"\r\na\r\n0\r\n\r\n"):
        body = ChunkedBody(0)
        assert b"".join(body.feed(piece) for piece in pieces) == b"a"
        assert body.is_complete


# Beside httptools


class Collector:
    """What httptools reads."""

    def __init__(self) -> None:
        self.body = b""
        self.completed = 0

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.completed += 1


TOKENS = st.text("abcXYZ019-", min_size=1, max_size=5).map(str.encode)
EXTENSIONS = st.lists(TOKENS, max_size=2).map(lambda names: b"".join(b";" + name + b"=1" for name in names))


@st.composite
def chunked_bodies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Return a body and one way to write it."""
    chunks = draw(st.lists(st.binary(min_size=1, max_size=40), max_size=5))
    wire = b""
    for chunk in chunks:
        digits = draw(st.sampled_from([b"%x", b"%X", b"00%x"])) % len(chunk)
        wire += digits + draw(EXTENSIONS) + b"\r\n" + chunk + b"\r\n"
    trailers = b"".join(b"X-" + name + b": 1\r\n" for name in draw(st.lists(TOKENS, max_size=2)))
    return b"".join(chunks), wire + b"0" + draw(EXTENSIONS) + b"\r\n" + trailers + b"\r\n"


@settings(max_examples=300, deadline=None)
@given(chunked_bodies(), st.lists(st.integers(0, 400), max_size=6))
def test_reads_a_valid_chunked_body_as_httptools_does(written: tuple[bytes, bytes], points: list[int]) -> None:
    expected, wire = written
    collector = Collector()
    HttpRequestParser(collector).feed_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + wire)
    body = ChunkedBody(1000)
    places = sorted({point % len(wire) for point in points} | {0, len(wire)})
    got = b"".join(body.feed(wire[start:end]) for start, end in pairwise(places))
    assert got == expected == collector.body
    assert collector.completed == 1
    assert body.is_complete
    assert body.take_leftover() == b""
