"""Request heads out of header blocks: RFC 9113, 8.2 and 8.3, RFC 8441, 4, and the rules every wire has."""

from __future__ import annotations

from typing import Any

import pytest

from gasgi._accel import HeadParser, HpackDecoder, RequestHead
from gasgi.asgi.scope import http_scope, scope_template
from gasgi.errors import RequestError, StreamError
from gasgi.head_rules import HeadLimits
from gasgi.http2.heads import HeadReader, check_trailers
from gasgi.http2_codes import PROTOCOL_ERROR
from tests.support.wire import describe

METHOD = (b":method", b"GET")
SCHEME = (b":scheme", b"https")
AUTHORITY = (b":authority", b"example.com:8080")
PATH = (b":path", b"/a%20b?c=d")
REQUEST = [METHOD, SCHEME, AUTHORITY, PATH]
HOST = (b"host", b"example.com:8080")


def read(
    pairs: list[tuple[bytes, bytes]], ends: bool = True, flaw: str = "", websockets: bool = False, **limits: Any
) -> RequestHead:
    return HeadReader(HeadLimits(**limits), websockets).read(1, pairs, flaw, ends)


def breaks(pairs: list[tuple[bytes, bytes]], text: str, **more: Any) -> None:
    with pytest.raises(StreamError, match=text) as caught:
        read(pairs, **more)
    assert (caught.value.stream_id, caught.value.code) == (1, PROTOCOL_ERROR)


def refuses(pairs: list[tuple[bytes, bytes]], status: int, text: str, **more: Any) -> None:
    with pytest.raises(RequestError) as caught:
        read(pairs, **more)
    assert caught.value.status == status
    assert text in caught.value.detail


def replaced(name: bytes, value: bytes | None) -> list[tuple[bytes, bytes]]:
    """The usual request with another value of a pseudo-field, or without it."""
    fields = [(one, value if one == name else said) for one, said in REQUEST]
    return [(one, said) for one, said in fields if said is not None]


# --- what a head says ---


def test_says_what_an_http1_head_says():
    head = read([*REQUEST, (b"accept", b"*/*"), (b"x_y", b"z")])
    parser = HeadParser(HeadLimits())
    same = parser.feed(b"GET /a%20b?c=d HTTP/1.1\r\nHost: example.com:8080\r\nAccept: */*\r\nX_Y: z\r\n\r\n")
    assert describe(head) == {**describe(same), "http_version": "2"}


def test_makes_a_scope():
    head = read([*REQUEST, (b"te", b"trailers")])
    template = scope_template(("::1", 5), ("::1", 80), "https", "", ((), ("trailers",), ()))
    scope = http_scope(head, template, None, None)
    assert scope["http_version"] == "2"
    assert scope["headers"] == [HOST, (b"te", b"trailers")]
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a b", b"/a%20b", b"c=d")
    assert scope["extensions"] == {"trailers": {}}


@pytest.mark.parametrize("method", [b"GET", b"POST", b"QUERY", b"M-SEARCH"])
def test_reads_the_method(method):
    assert read(replaced(b":method", method)).method == method.decode()


def test_two_requests_of_a_connection_share_what_they_have_in_common():
    reader = HeadReader(HeadLimits(), False)
    first = reader.read(1, REQUEST, "", True)
    second = reader.read(3, [*REQUEST, (b"a", b"b")], "", True)
    assert second.headers == [HOST, (b"a", b"b")]
    assert first.headers == [HOST]
    third = reader.read(5, [METHOD, SCHEME, (b":authority", b"b"), (b":path", b"/b")], "", True)
    assert (third.path, third.query_string, third.host, third.headers) == ("/b", b"", b"b", [(b"host", b"b")])


@pytest.mark.parametrize(
    ("fields", "ends", "length", "is_chunked"),
    [
        ([], True, -1, False),
        ([], False, -1, True),
        ([(b"content-length", b"5")], False, 5, False),
        ([(b"content-length", b"0")], True, 0, False),
    ],
)
def test_says_whether_a_body_comes(fields, ends, length, is_chunked):
    head = read([*REQUEST, *fields], ends)
    assert (head.content_length, head.is_chunked) == (length, is_chunked)


def test_joins_the_crumbs_of_a_cookie():
    fields = [(b"cookie", b"a=b"), (b"accept", b"*/*"), (b"cookie", b"c=d"), (b"cookie", b"e=f")]
    assert read([*REQUEST, *fields]).headers == [HOST, (b"cookie", b"a=b; c=d; e=f"), (b"accept", b"*/*")]
    assert read([*REQUEST, fields[0]]).headers == [HOST, (b"cookie", b"a=b")]


def test_knows_what_the_client_expects_and_takes():
    head = read([*REQUEST, (b"expect", b"100-continue"), (b"te", b"trailers")], ends=False)
    assert (head.expects_continue, head.accepts_trailers) == (True, True)
    refuses([*REQUEST, (b"expect", b"more")], 417, "expectation")


# --- 8.3: pseudo-fields ---


@pytest.mark.parametrize("name", [b":method", b":scheme", b":path"])
def test_refuses_a_request_without(name):
    breaks(replaced(name, None), "missing")


@pytest.mark.parametrize("field", REQUEST)
def test_refuses_a_pseudo_field_given_twice(field):
    breaks([*REQUEST, field], "given twice")


@pytest.mark.parametrize("name", [b":status", b":x", b":protocol"])
def test_refuses_an_unknown_pseudo_field(name):
    breaks([*REQUEST, (name, b"200")], "unknown pseudo-header field")


def test_refuses_a_pseudo_field_behind_a_field():
    breaks([*REQUEST, (b"a", b"b"), (b":status", b"200")], "after a regular field")
    breaks([SCHEME, AUTHORITY, PATH, (b"a", b"b"), METHOD], "missing")


def test_refuses_an_empty_path():
    breaks(replaced(b":path", b""), "empty")
    reader = HeadReader(HeadLimits(), False)
    reader.read(1, REQUEST, "", True)
    with pytest.raises(StreamError, match="empty"):
        reader.read(3, replaced(b":path", b""), "", True)


@pytest.mark.parametrize("path", [b"a", b"http://example.com/", b"?a"])
def test_refuses_a_path_without_a_slash(path):
    breaks(replaced(b":path", path), "slash")


@pytest.mark.parametrize("path", [b"/a b", b"/#a", b"/\xff", b"/\x7f"])
def test_refuses_what_must_be_percent_encoded(path):
    refuses(replaced(b":path", path), 400, "percent-encoded")


def test_the_asterisk_is_for_options():
    assert read([(b":method", b"OPTIONS"), SCHEME, AUTHORITY, (b":path", b"*")]).path == "*"
    refuses(replaced(b":path", b"*"), 400, "asterisk")
    reader = HeadReader(HeadLimits(), False)
    star = (b":path", b"*")
    reader.read(1, [(b":method", b"OPTIONS"), SCHEME, AUTHORITY, star], "", True)
    with pytest.raises(RequestError, match="asterisk"):
        reader.read(3, [METHOD, SCHEME, AUTHORITY, star], "", True)


def test_the_scheme_is_one_of_http():
    assert read(replaced(b":scheme", b"HTTP"))
    refuses(replaced(b":scheme", b"ftp"), 400, "scheme")


@pytest.mark.parametrize(
    ("method", "status"), [(b"", 400), (b"G T", 400), (b"G\xe9", 400), (b"get", 501), (b"FOO", 501)]
)
def test_refuses_other_methods_as_http1_does(method, status):
    refuses(replaced(b":method", method), status, "")


def test_obeys_the_settings_about_methods():
    assert read(replaced(b":method", b"FOO"), permit_method=True).method == "FOO"
    assert read(replaced(b":method", b"get"), casefold_method=True).method == "GET"
    refuses(replaced(b":method", b"connect"), 501, "CONNECT", casefold_method=True, permit_method=True)


# --- 8.3.1: host and :authority ---


def test_takes_host_for_the_authority():
    head = read([METHOD, SCHEME, PATH, (b"accept", b"a"), HOST])
    assert (head.host, head.headers) == (b"example.com:8080", [HOST, (b"accept", b"a")])


def test_takes_both_when_they_say_the_same():
    assert read([*REQUEST, (b"host", b"Example.com:8080")]).headers == [HOST]


def test_refuses_a_host_that_differs():
    breaks([*REQUEST, (b"host", b"other")], "does not match")


def test_refuses_a_request_without_a_host():
    refuses([METHOD, SCHEME, PATH], 400, "neither")


@pytest.mark.parametrize("value", [b"", b"user@example.com", b"a b", b"a:99999", b"[::1", b"a/b"])
def test_refuses_what_is_no_host(value):
    refuses(replaced(b":authority", value), 400, "invalid host")
    refuses([METHOD, SCHEME, PATH, (b"host", value)], 400, "invalid host")


def test_refuses_two_hosts():
    refuses([METHOD, SCHEME, PATH, HOST, HOST], 400, "more than one host")


# --- 8.2: fields ---


def test_refuses_what_the_decoder_found():
    breaks(REQUEST, "not a token", flaw="field name is not a token in lower case")


def test_the_decoder_finds_capitals():
    decoder = HpackDecoder()
    fields = decoder.decode(b"\x82\x84\x86\x41\x01a\x00\x01A\x01b")
    with pytest.raises(StreamError, match="lower case"):
        HeadReader(HeadLimits(), False).read(1, fields, decoder.flaw, True)


@pytest.mark.parametrize("name", [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"])
def test_refuses_fields_of_an_http1_connection(name):
    breaks([*REQUEST, (name, b"x")], "connection-specific")


@pytest.mark.parametrize("value", [b"", b"gzip", b"trailers, gzip"])
def test_te_is_trailers_alone(value):
    breaks([*REQUEST, (b"te", value)], "te is not trailers")


@pytest.mark.parametrize("name", [b"content-length", b"authorization", b"content-type", b"origin", b"range"])
def test_refuses_a_repeat_that_can_be_read_in_two_ways(name):
    refuses([*REQUEST, (name, b"1"), (name, b"1")], 400, f"more than one {name.decode()}")


@pytest.mark.parametrize("value", [b"", b"-1", b"+1", b"1, 1", b"1_0", b"9" * 30, b"0x1"])
def test_refuses_an_invalid_content_length(value):
    refuses([*REQUEST, (b"content-length", value)], 400, "content-length", ends=False)


# --- the limits of gunicorn ---


def test_bounds_the_request_line():
    # "GET /aaa HTTP/1.1" has 17 bytes.
    assert read(replaced(b":path", b"/aaa"), line=17)
    refuses(replaced(b":path", b"/aaaa"), 414, "too long", line=17)


def test_bounds_the_fields():
    # As a line of HTTP/1.1 "ab: cd" and CRLF have 8 bytes.
    assert read([*REQUEST, (b"ab", b"cd")], fields=1, field_bytes=8)
    refuses([*REQUEST, (b"ab", b"cde")], 431, "field is too long", field_bytes=8)
    refuses([*REQUEST, (b"ab", b"cd"), (b"ab", b"cd")], 431, "too many fields", fields=1)


# --- 8.5 and RFC 8441: CONNECT ---

WEBSOCKET = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), SCHEME, AUTHORITY, PATH]


def test_refuses_connect():
    refuses([(b":method", b"CONNECT"), AUTHORITY], 501, "CONNECT", ends=False)
    breaks([(b":method", b"CONNECT"), SCHEME, AUTHORITY, PATH], "authority alone")
    breaks([(b":method", b"CONNECT")], "authority alone")


def test_reads_a_websocket():
    head = read([*WEBSOCKET, (b"sec-websocket-version", b"13")], ends=False, websockets=True)
    assert (head.method, head.upgrade, head.path, head.host) == ("CONNECT", b"websocket", "/a b", AUTHORITY[1])
    assert head.headers == [HOST, (b"sec-websocket-version", b"13")]


def test_refuses_other_protocols():
    refuses(
        [(b":method", b"CONNECT"), (b":protocol", b"connect-udp"), SCHEME, AUTHORITY, PATH],
        501,
        "protocol",
        websockets=True,
    )


def test_refuses_a_protocol_that_was_not_offered():
    breaks(WEBSOCKET, "unknown pseudo-header field")


def test_a_protocol_is_for_connect():
    breaks([*REQUEST, (b":protocol", b"websocket")], "without CONNECT", websockets=True)


@pytest.mark.parametrize("missing", [SCHEME, AUTHORITY, PATH])
def test_a_websocket_says_where_it_goes(missing):
    breaks([field for field in WEBSOCKET if field != missing], "missing", websockets=True)


# --- trailers ---


def test_takes_trailers():
    check_trailers(1, [(b"x-checksum", b"a"), (b"grpc-status", b"0")], "")


@pytest.mark.parametrize(
    ("field", "flaw", "text"),
    [
        ((b":path", b"/"), "", "pseudo-header field"),
        ((b"content-length", b"1"), "", "forbidden"),
        ((b"transfer-encoding", b"chunked"), "", "forbidden"),
        ((b"A", b"b"), "field name is not a token in lower case", "lower case"),
    ],
)
def test_refuses_what_is_no_trailer(field, flaw, text):
    with pytest.raises(StreamError, match=text) as caught:
        check_trailers(7, [(b"a", b"b"), field], flaw)
    assert (caught.value.stream_id, caught.value.code) == (7, PROTOCOL_ERROR)
