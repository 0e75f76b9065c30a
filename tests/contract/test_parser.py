"""HeadParser: limits while bytes arrive, what is held between heads, and the settings that relax a rule.

What a message is read as stands in tests/corpus; here is what a single message cannot show.
"""

from __future__ import annotations

import gc
from types import ModuleType
from typing import Any

import pytest

from gasgi.errors import RequestError
from gasgi.head_rules import HeadLimits
from tests.support.wire import describe, split_everywhere

TWIN_OF = "_parser"

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def feed_all(parser: Any, pieces: list[bytes]) -> Any:
    """Feed the pieces; return the head, which must come with the last one."""
    *first, last = pieces
    for piece in first:
        assert parser.feed(piece) is None
    return parser.feed(last)


def refusal_of(twin: ModuleType, pieces: list[bytes], limits: HeadLimits) -> int | None:
    parser = twin.HeadParser(limits)
    try:
        for piece in pieces:
            if parser.feed(piece) is not None:
                return None
    except RequestError as exc:
        return exc.status
    return None


def check_refusal(twin: ModuleType, raw: bytes, limits: HeadLimits, expected: int | None) -> None:
    for pieces in split_everywhere(raw):
        assert refusal_of(twin, pieces, limits) == expected, pieces


# Limits

LINE_TOO_LONG = 414
FIELDS_TOO_LARGE = 431


def test_takes_a_request_line_as_long_as_the_limit(twin: ModuleType) -> None:
    check_refusal(twin, GET, HeadLimits(line=len(b"GET / HTTP/1.1")), None)


def test_answers_414_when_the_request_line_is_one_byte_too_long(twin: ModuleType) -> None:
    check_refusal(twin, GET, HeadLimits(line=len(b"GET / HTTP/1.1") - 1), LINE_TOO_LONG)


def test_answers_414_before_the_request_line_has_ended(twin: ModuleType) -> None:
    assert refusal_of(twin, [b"GET /" + b"a" * 100], HeadLimits(line=80)) == LINE_TOO_LONG


def test_measures_the_request_line_behind_an_empty_line(twin: ModuleType) -> None:
    check_refusal(twin, b"\r\n" + GET, HeadLimits(line=len(b"GET / HTTP/1.1")), None)


def test_takes_a_field_as_long_as_the_limit(twin: ModuleType) -> None:
    check_refusal(twin, GET, HeadLimits(field_bytes=len(b"Host: a\r\n")), None)


def test_answers_431_when_a_field_is_one_byte_too_long(twin: ModuleType) -> None:
    check_refusal(twin, GET, HeadLimits(field_bytes=len(b"Host: a\r\n") - 1), FIELDS_TOO_LARGE)


def test_answers_431_before_the_field_has_ended(twin: ModuleType) -> None:
    raw = b"GET / HTTP/1.1\r\nHost: " + b"a" * 100
    assert refusal_of(twin, [raw], HeadLimits(field_bytes=80)) == FIELDS_TOO_LARGE


def test_takes_as_many_fields_as_the_limit(twin: ModuleType) -> None:
    check_refusal(twin, b"GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\n\r\n", HeadLimits(fields=2), None)


def test_answers_431_when_there_is_one_field_too_many(twin: ModuleType) -> None:
    check_refusal(twin, b"GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 1\r\n\r\n", HeadLimits(fields=2), FIELDS_TOO_LARGE)


def test_takes_heads_of_every_size_around_the_limits_of_a_line(twin: ModuleType) -> None:
    # A head shorter than the shortest limit need not be measured line by line; a longer one is.
    for line, field_bytes in ((16, 40), (40, 12), (30, 30)):
        for size in range(45):
            raw = GET[:-2] + b"".join(b"A: 1\r\n" for _ in range(size // 6)) + b"B:%b\r\n\r\n" % (b"1" * (size % 6))
            check_refusal(twin, raw, HeadLimits(line=line, field_bytes=field_bytes), None)


def test_answers_the_first_thing_wrong_wherever_the_bytes_are_split(twin: ModuleType) -> None:
    limits = HeadLimits(line=40, fields=3, field_bytes=20)
    version = 505
    check_refusal(twin, b"GET / HTTP/3.0\r\nA: " + b"a" * 30 + b"\r\n\r\n", limits, version)
    check_refusal(twin, b"GET /" + b"a" * 50 + b" HTTP/3.0\n\n", limits, LINE_TOO_LONG)
    check_refusal(twin, b"GET / HTTP/1.1\r\nA:\x00\r\nB: " + b"a" * 30 + b"\r\n\r\n", limits, FIELDS_TOO_LARGE)
    check_refusal(twin, b"GET / HTTP/1.1\r\nA: 1\nB: " + b"a" * 30 + b"\r\n\r\n", limits, 400)


@pytest.mark.parametrize("limits", [HeadLimits(0, 0, 0), HeadLimits(-1, -1, -1)], ids=["zero", "negative"])
def test_bounds_what_gunicorn_calls_unlimited(twin: ModuleType, limits: HeadLimits) -> None:
    assert refusal_of(twin, [b"GET /" + b"a" * 1_000_000, b"a" * 100_000], limits) == LINE_TOO_LONG
    assert refusal_of(twin, [GET[:-2], b"A: " + b"a" * 1_000_000, b"a" * 100_000], limits) == FIELDS_TOO_LARGE
    assert refusal_of(twin, [GET[:-2], b"A: 1\r\n" * 32767, b"A: 1\r\n"], limits) == FIELDS_TOO_LARGE


def test_bounds_the_whole_head_where_the_limits_multiply_to_more(twin: ModuleType) -> None:
    field = b"A: " + b"a" * 999_995 + b"\r\n"
    assert refusal_of(twin, [GET[:-2], *[field] * 16], HeadLimits(0, 0, 0)) is None
    assert refusal_of(twin, [GET[:-2], *[field] * 17], HeadLimits(0, 0, 0)) == FIELDS_TOO_LARGE


def test_takes_a_request_line_longer_than_gunicorn_documents_where_it_is_asked_for(twin: ModuleType) -> None:
    raw = b"GET /" + b"a" * (16_384 - 14) + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    check_refusal(twin, raw, HeadLimits(line=16_384), None)
    check_refusal(twin, raw, HeadLimits(line=16_383), LINE_TOO_LONG)
    check_refusal(twin, raw, HeadLimits(line=1024 * 1024), None)


# What is held between heads


def test_gives_the_bytes_behind_the_head_once(twin: ModuleType) -> None:
    for pieces in split_everywhere(GET):
        parser = twin.HeadParser(HeadLimits())
        pieces[-1] += b"tail"
        assert feed_all(parser, pieces).path == "/"
        assert parser.take_leftover() == b"tail"
        assert parser.take_leftover() == b""


def test_reads_pipelined_heads_out_of_what_it_holds(twin: ModuleType) -> None:
    parser = twin.HeadParser(HeadLimits())
    heads = [parser.feed(b"".join(GET.replace(b"/ ", b"/%d " % i) for i in range(5)))]
    heads += [parser.feed(b"") for _ in range(4)]
    assert [head.path for head in heads] == ["/0", "/1", "/2", "/3", "/4"]
    assert parser.feed(b"") is None
    assert not parser.is_partial


def test_puts_new_bytes_behind_what_it_holds(twin: ModuleType) -> None:
    for cut in range(1, len(GET)):
        parser = twin.HeadParser(HeadLimits())
        assert parser.feed(GET + GET[:cut]).path == "/"
        assert parser.feed(GET[cut:]).path == "/"
        assert parser.take_leftover() == b""


def test_says_whether_a_head_is_unfinished(twin: ModuleType) -> None:
    parser = twin.HeadParser(HeadLimits())
    assert not parser.is_partial
    parser.feed(GET[:1])
    assert parser.is_partial
    parser.feed(GET[1:] + b"body")
    assert not parser.is_partial
    parser.take_leftover()
    assert not parser.is_partial


def test_holds_nothing_of_an_ignored_empty_line(twin: ModuleType) -> None:
    """RFC 9112, 2.2: a connection that got only this is idle, not in the middle of a head."""
    for pieces in ([b"\r\n"], [b"\r", b"\n"]):
        parser = twin.HeadParser(HeadLimits())
        for piece in pieces:
            assert parser.feed(piece) is None
        assert not parser.is_partial
        with pytest.raises(RequestError):
            parser.feed(b"\r\n")


def test_ignores_an_empty_line_before_every_request(twin: ModuleType) -> None:
    parser = twin.HeadParser(HeadLimits())
    for _ in range(3):
        assert parser.feed(b"\r\n" + GET).path == "/"


def test_refuses_what_is_not_http_at_its_first_byte(twin: ModuleType) -> None:
    with pytest.raises(RequestError, match="400"):
        twin.HeadParser(HeadLimits()).feed(b"\x16")


def test_reads_the_same_after_any_head_as_a_new_parser(twin: ModuleType) -> None:
    firsts = [
        GET,
        b"GET / HTTP/1.0\r\n\r\n",
        GET[:-2] + b"Connection: close\r\n\r\n",
        GET[:-2] + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        GET[:-2] + b"Content-Length: 5\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length:\t 0017 \t\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
        b"QUERY http://b/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
        GET[:-2] + b"Content-Length: 5\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        GET[:-2] + b"Transfer-Encoding: chunked\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    ]
    for first in firsts:
        for second in firsts:
            parser = twin.HeadParser(HeadLimits())
            parser.feed(first)
            assert describe(parser.feed(second)) == describe(twin.HeadParser(HeadLimits()).feed(second)), first


def outcome(parser: Any, raw: bytes) -> Any:
    try:
        return describe(parser.feed(raw))
    except RequestError as exc:
        return exc.status


def test_one_reader_of_fields_serves_many_connections(twin: ModuleType) -> None:
    heads = [
        GET,
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        GET[:-2] + b"Connection: close\r\n\r\n",
        GET[:-2] + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        GET[:-2] + b"Proxy-Connection: close\r\n\r\n",
        GET[:-2] + b"Content-Length: 5\r\n\r\n",
        GET[:-2] + b"Content-Length: 0\r\n\r\n",
        GET[:-2] + b"Transfer-Encoding: chunked\r\n\r\n",
        GET[:-2] + b"Expect: 100-continue\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        # Refused by llhttp, in the middle of a name and of a value, by a field, by what the fields say together.
        GET[:-2] + b"A\x00: 1\r\n\r\n",
        GET[:-2] + b"A: \x00\r\n\r\n",
        GET[:-2] + b"Content-Length: x\r\n\r\n",
        GET[:-2] + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
        GET[:-2] + b"Expect: x\r\n\r\n",
        GET[:-2] + b"Transfer-Encoding: gzip\r\n\r\n",
        GET[:-2] + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ]
    reader = twin.FieldReader()
    for first in heads:
        for second in heads:
            outcome(twin.HeadParser(HeadLimits(), reader), first)
            alone = outcome(twin.HeadParser(HeadLimits()), second)
            assert outcome(twin.HeadParser(HeadLimits(), reader), second) == alone, first


def test_makes_no_cycles(twin: ModuleType) -> None:
    """A closed connection frees its memory at once, also where the collector is frozen."""
    gc.collect()
    gc.disable()
    try:
        for raw in (GET, GET[:-1], b"GET * HTTP/1.1\r\n", GET[:-2] + b"Expect: x\r\n\r\n"):
            parser = twin.HeadParser(HeadLimits())
            try:
                parser.feed(raw)
            except RequestError:
                pass
            del parser
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_takes_bytes_only(twin: ModuleType) -> None:
    with pytest.raises(TypeError):
        twin.HeadParser(HeadLimits()).feed(None)


# Settings that relax a rule


def line_of(twin: ModuleType, line: bytes, **settings: bool) -> Any:
    raw = line + b"\r\nHost: a\r\nX: 1\r\n\r\n"
    heads = []
    for pieces in split_everywhere(raw):
        head = feed_all(twin.HeadParser(HeadLimits(**settings)), pieces)
        assert head.headers == [(b"host", b"a"), (b"x", b"1")]
        heads.append(describe(head))
    assert all(head == heads[0] for head in heads)
    return heads[0]


@pytest.mark.parametrize("method", ["get", "FROBNICATE", "X", "A#B", "PLAY", "A" * 30])
def test_passes_any_token_on_when_methods_may_be_unconventional(twin: ModuleType, method: str) -> None:
    assert line_of(twin, method.encode() + b" /a HTTP/1.1", permit_method=True)["method"] == method


def test_refuses_connect_in_every_mode(twin: ModuleType) -> None:
    for settings in (
        {"permit_method": True},
        {"casefold_method": True},
        {"permit_method": True, "casefold_method": True},
    ):
        method = b"connect" if "casefold_method" in settings else b"CONNECT"
        with pytest.raises(RequestError, match="501"):
            twin.HeadParser(HeadLimits(**settings)).feed(method + b" a:1 HTTP/1.1\r\n")


def test_writes_methods_in_capitals_when_asked(twin: ModuleType) -> None:
    assert line_of(twin, b"pOst /a HTTP/1.1", casefold_method=True)["method"] == "POST"
    with pytest.raises(RequestError, match="501"):
        twin.HeadParser(HeadLimits(casefold_method=True)).feed(b"frobnicate / HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("version", "expected"),
    [(b"HTTP/0.9", "1.0"), (b"HTTP/1.2", "1.1"), (b"HTTP/1.9", "1.1"), (b"HTTP/2.0", "1.1"), (b"HTTP/9.9", "1.1")],
)
def test_reads_other_versions_as_the_nearest_when_asked(twin: ModuleType, version: bytes, expected: str) -> None:
    assert line_of(twin, b"GET /a " + version, permit_version=True)["http_version"] == expected


def test_refuses_a_malformed_version_in_every_mode(twin: ModuleType) -> None:
    with pytest.raises(RequestError, match="400"):
        twin.HeadParser(HeadLimits(permit_version=True)).feed(b"GET / HTTP/1.10\r\n")


# Names and values


def test_shares_the_objects_of_common_names(twin: ModuleType) -> None:
    parser = twin.HeadParser(HeadLimits())
    names = [parser.feed(GET.replace(b"Host", spelling)).headers[0][0] for spelling in (b"Host", b"host", b"HOST")]
    assert names[0] is names[1] is names[2]


def test_shares_no_list_between_heads(twin: ModuleType) -> None:
    parser = twin.HeadParser(HeadLimits())
    first, second = parser.feed(GET), parser.feed(GET)
    first.headers.append((b"x", b"y"))
    assert second.headers == [(b"host", b"a")]


@pytest.mark.parametrize("byte", range(256))
def test_takes_exactly_the_token_bytes_in_a_name(twin: ModuleType, byte: int) -> None:
    """RFC 9110, 5.6.2; the colon ends the name."""
    raw = GET[:-2] + b"A" + bytes([byte]) + b"B: x\r\n\r\n"
    is_token = byte in b"!#$%&'*+-.^_`|~:" or bytes([byte]).isalnum()
    assert refusal_of(twin, [raw], HeadLimits()) == (None if is_token else 400)


@pytest.mark.parametrize("byte", range(256))
def test_takes_exactly_the_field_bytes_in_a_value(twin: ModuleType, byte: int) -> None:
    """RFC 9110, 5.5."""
    raw = GET[:-2] + b"A: x" + bytes([byte]) + b"y\r\n\r\n"
    is_allowed = byte == 9 or (byte >= 32 and byte != 127)
    assert refusal_of(twin, [raw], HeadLimits()) == (None if is_allowed else 400)


@pytest.mark.parametrize("byte", range(256))
def test_takes_exactly_the_visible_bytes_in_a_target(twin: ModuleType, byte: int) -> None:
    """RFC 3986, 2, and no fragment."""
    raw = GET.replace(b"/", b"/a" + bytes([byte]) + b"b", 1)
    is_allowed = 0x21 <= byte < 0x7F and byte != 0x23
    assert refusal_of(twin, [raw], HeadLimits()) == (None if is_allowed else 400)
