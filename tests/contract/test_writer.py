"""The contract of _writer: response heads and chunks, both twins."""

from __future__ import annotations

from http import HTTPStatus
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gasgi.errors import ASGIMisuse
from gasgi.tables import STATUS_PHRASES
from tests.support.twins import TWINS, load_twin

TWIN_OF = "_writer"
SERVER = b"server: gasgi\r\n"
DATE = b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"  # RFC 9110, 5.6.2


def encode(twin: ModuleType, headers: Any = (), status: int = 200) -> tuple[bytes, int, bool]:
    head, length, closes = twin.encode_response_head(status, headers, b"", b"")
    return head.removeprefix(b"HTTP/1.1 200 OK\r\n"), length, closes


def test_head_is_status_line_and_fields_in_their_order_without_the_empty_line(twin: ModuleType) -> None:
    headers = [(b"b", b"1"), (b"A", b"2"), (b"b", b"3")]
    assert twin.encode_response_head(200, headers, SERVER, DATE) == (
        b"HTTP/1.1 200 OK\r\nb: 1\r\na: 2\r\nb: 3\r\n" + SERVER + DATE,
        -1,
        False,
    )


@pytest.mark.parametrize("status", list(HTTPStatus))
def test_every_registered_status_has_its_phrase(twin: ModuleType, status: HTTPStatus) -> None:
    phrase = STATUS_PHRASES[int(status)]
    assert phrase
    assert twin.encode_response_head(int(status), [], b"", b"")[0] == b"HTTP/1.1 %d %s\r\n" % (status, phrase)


@pytest.mark.parametrize("status", [299, 600, 999])
def test_other_statuses_have_an_empty_phrase_behind_the_blank(twin: ModuleType, status: int) -> None:
    # RFC 9112, 4.
    assert twin.encode_response_head(status, [], b"", b"")[0] == b"HTTP/1.1 %d \r\n" % status


@pytest.mark.parametrize("status", [-1, 0, 99, 1000, 2**31 - 1])
def test_a_status_without_three_digits_is_refused(twin: ModuleType, status: int) -> None:
    with pytest.raises(ASGIMisuse, match="status"):
        twin.encode_response_head(status, [], b"", b"")


@pytest.mark.parametrize(
    "headers",
    [
        [(b"a", b"1")],
        [[b"a", b"1"]],
        ((b"a", b"1"),),
        iter([(b"a", b"1")]),
        ((name, value) for name, value in [(b"a", b"1")]),
        {b"a": b"1"}.items(),
        [iter((b"a", b"1"))],
    ],
)
def test_any_iterable_of_pairs_will_do(headers: Any) -> None:
    # One twin is enough: an iterator can be read once only.
    assert encode(load_twin("_writer", TWINS[-1]), headers) == (b"a: 1\r\n", -1, False)


class OwnBytes(bytes):
    """A subclass, as some frameworks have them."""


def test_subclasses_of_bytes_will_do(twin: ModuleType) -> None:
    assert encode(twin, [(OwnBytes(b"Content-Length"), OwnBytes(b"5"))]) == (b"content-length: 5\r\n", 5, False)


@pytest.mark.parametrize("field", [5, None, b"ab", (b"a",), (b"a", b"b", b"c"), (), "ab", ("a", "b")])
def test_what_is_no_pair_of_bytes_is_refused(twin: ModuleType, field: Any) -> None:
    with pytest.raises(ASGIMisuse):
        encode(twin, [field])


@pytest.mark.parametrize("name", ["a", None, 5, bytearray(b"a"), memoryview(b"a")])
def test_names_and_values_must_be_bytes(twin: ModuleType, name: Any) -> None:
    for field in ((name, b"1"), (b"a", name)):
        with pytest.raises(ASGIMisuse, match="must be bytes"):
            encode(twin, [field])


@pytest.mark.parametrize("byte", range(256))
def test_names_are_tokens_in_lower_case(twin: ModuleType, byte: int) -> None:
    name = bytes([byte])
    if name in TOKEN:
        assert encode(twin, [(b"x" + name, b"1")])[0] == b"x" + name.lower() + b": 1\r\n"
    else:
        with pytest.raises(ASGIMisuse, match="invalid header name"):
            encode(twin, [(b"x" + name, b"1")])


@pytest.mark.parametrize("byte", range(256))
def test_values_have_no_control_but_tab(twin: ModuleType, byte: int) -> None:
    value = b"x" + bytes([byte]) + b"y"
    if byte == 9 or 32 <= byte != 127:
        assert encode(twin, [(b"a", value)])[0] == b"a: " + value + b"\r\n"
    else:
        with pytest.raises(ASGIMisuse, match="control character"):
            encode(twin, [(b"a", value)])


def test_an_empty_name_is_refused_and_an_empty_value_is_not(twin: ModuleType) -> None:
    with pytest.raises(ASGIMisuse, match="invalid header name"):
        encode(twin, [(b"", b"1")])
    assert encode(twin, [(b"a", b"")])[0] == b"a: \r\n"


@pytest.mark.parametrize("size", [2000, 2048, 2049, 100_000])
def test_a_head_of_any_size_is_whole(twin: ModuleType, size: int) -> None:
    headers = [(b"n" * 10, b"v" * 100)] * (size // 114) + [(b"N" * size, b"x" * size)]
    expected = b"".join(b"%s: %s\r\n" % (name.lower(), value) for name, value in headers)
    assert encode(twin, headers)[0] == expected


@pytest.mark.parametrize("name", [b"transfer-encoding", b"Transfer-Encoding", b"CONNECTION", b"connection"])
def test_framing_of_the_app_is_left_out(twin: ModuleType, name: bytes) -> None:
    assert encode(twin, [(b"a", b"1"), (name, b"keep-alive"), (b"b", b"2")])[0] == b"a: 1\r\nb: 2\r\n"


@pytest.mark.parametrize("name", [b"transfer-encoding", b"connection", b"content-length"])
def test_what_is_left_out_is_checked_all_the_same(twin: ModuleType, name: bytes) -> None:
    with pytest.raises(ASGIMisuse):
        encode(twin, [(name, b"a\r\nb")], 204)


@pytest.mark.parametrize(
    ("value", "closes"),
    [
        (b"close", True),
        (b"Close", True),
        (b"x,\tclose ", True),
        (b"close, upgrade", True),
        (b"keep-alive", False),
        (b"closed", False),
        (b"x close", False),
        (b"", False),
    ],
)
def test_close_is_one_of_the_options(twin: ModuleType, value: bytes, closes: bool) -> None:
    assert encode(twin, [(b"Connection", value)])[2] is closes


def test_close_in_one_of_two_fields_counts(twin: ModuleType) -> None:
    assert encode(twin, [(b"connection", b"close"), (b"connection", b"x")])[2] is True


@pytest.mark.parametrize(("value", "length"), [(b"0", 0), (b"5", 5), (b"005", 5), (b"9" * 18, 10**18 - 1)])
def test_content_length_is_read_and_sent(twin: ModuleType, value: bytes, length: int) -> None:
    assert encode(twin, [(b"Content-Length", value)]) == (b"content-length: " + value + b"\r\n", length, False)


@pytest.mark.parametrize(
    "value", [b"", b" 5", b"5 ", b"+5", b"-5", b"5,5", b"0x5", b"5_0", b"five", b"9" * 19, "٥".encode(), b"5.0"]
)
def test_a_content_length_that_is_no_number_is_refused(twin: ModuleType, value: bytes) -> None:
    with pytest.raises(ASGIMisuse, match="content-length"):
        encode(twin, [(b"content-length", value)])


def test_one_content_length_given_twice_is_sent_once(twin: ModuleType) -> None:
    headers = [(b"content-length", b"5"), (b"a", b"1"), (b"Content-Length", b"05")]
    assert encode(twin, headers) == (b"content-length: 5\r\na: 1\r\n", 5, False)


def test_two_content_lengths_are_refused(twin: ModuleType) -> None:
    with pytest.raises(ASGIMisuse, match="twice"):
        encode(twin, [(b"content-length", b"5"), (b"content-length", b"6")])


@pytest.mark.parametrize("status", [100, 103, 199, 204, 205])
def test_no_content_length_where_none_may_be(twin: ModuleType, status: int) -> None:
    # RFC 9110, 8.6; 205 has one that is always 0 (RFC 9110, 15.3.6), and not from here.
    head, length, _ = twin.encode_response_head(status, [(b"content-length", b"5")], b"", b"")
    assert (b"content-length" in head, length) == (False, 5)


@pytest.mark.parametrize("status", [200, 304])
def test_content_length_elsewhere(twin: ModuleType, status: int) -> None:
    assert b"content-length: 0\r\n" in twin.encode_response_head(status, [(b"content-length", b"0")], b"", b"")[0]


def test_server_and_date_of_the_app_replace_the_defaults(twin: ModuleType) -> None:
    headers = [(b"Server", b"mine"), (b"dAte", b"now")]
    assert twin.encode_response_head(200, headers, SERVER, DATE)[0].endswith(b"OK\r\nserver: mine\r\ndate: now\r\n")
    assert twin.encode_response_head(200, headers[:1], SERVER, DATE)[0].endswith(b"server: mine\r\n" + DATE)
    assert twin.encode_response_head(200, headers[1:], SERVER, DATE)[0].endswith(b"date: now\r\n" + SERVER)


def test_an_iterable_that_raises_is_the_apps_error(twin: ModuleType) -> None:
    def headers() -> Any:
        yield (b"a", b"1")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        encode(twin, headers())


@pytest.mark.parametrize("size", [1, 15, 16, 255, 256, 4095, 4096, 65535, 65536, 1_000_003])
def test_a_chunk_is_its_size_in_hex_and_its_bytes(twin: ModuleType, size: int) -> None:
    body = b"\r\n" + b"x" * size
    assert twin.encode_chunk(body[:size]) == b"%x\r\n%b\r\n" % (size, body[:size])


def test_an_empty_chunk_would_end_the_body_so_there_is_none(twin: ModuleType) -> None:
    assert twin.encode_chunk(b"") == b""


def test_nothing_takes_none_for_bytes(twin: ModuleType) -> None:
    for arguments in ((None, b"", b""), (b"", None, b""), (b"", b"", None)):
        with pytest.raises(TypeError):
            twin.join_message(*arguments)
    for fields in ((None, b""), (b"", None)):
        with pytest.raises(TypeError):
            twin.encode_response_head(200, (), *fields)
    with pytest.raises(TypeError):
        twin.encode_chunk(None)


NAMES = st.one_of(
    st.sampled_from(
        [b"Content-Length", b"connection", b"Transfer-Encoding", b"date", b"SERVER", b"content-lengt", b"x-connection"]
    ),
    st.binary(max_size=20),
    st.text(alphabet=st.sampled_from(TOKEN.decode()), max_size=20).map(str.encode),
)
VALUES = st.one_of(
    st.binary(max_size=40),
    st.integers(0, 10**20).map(lambda number: str(number).encode()),
    st.sampled_from([b"close", b"a, CLOSE", b"5", b"05", b"a\r\nb: c", "é".encode()]),
    st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(str.encode),
)


def outcome(which: str, status: int, headers: list[tuple[bytes, bytes]]) -> Any:
    try:
        return load_twin("_writer", which).encode_response_head(status, headers, SERVER, DATE)
    except ASGIMisuse as exc:
        return str(exc)


@settings(max_examples=500, deadline=None)
@given(
    st.one_of(st.sampled_from([100, 200, 204, 304]), st.integers(-5, 1100)),
    st.lists(st.tuples(NAMES, VALUES), max_size=6),
)
@example(200, [(b"content-length", b"5"), (b"content-length", b"6")])
@example(200, [(b"x", b"a\0")])
def test_twins_agree_and_what_leaves_is_one_head(status: int, headers: list[tuple[bytes, bytes]]) -> None:
    outcomes = [outcome(which, status, headers) for which in TWINS]
    assert outcomes[1:] == outcomes[:-1]
    if isinstance(outcomes[0], tuple):
        head, length, _ = outcomes[0]
        lines = head.split(b"\r\n")
        assert lines.pop() == b""
        assert b"" not in lines
        assert len(lines) <= 1 + len(headers) + 2
        assert all(b"\r" not in line and b"\n" not in line and b"\0" not in line for line in lines)
        assert not any(line.startswith((b"transfer-encoding:", b"connection:")) for line in lines)
        assert sum(line.startswith(b"content-length:") for line in lines) <= (length >= 0)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=5000))
def test_twins_agree_on_chunks(body: bytes) -> None:
    chunks = {load_twin("_writer", which).encode_chunk(body) for which in TWINS}
    assert len(chunks) == 1
