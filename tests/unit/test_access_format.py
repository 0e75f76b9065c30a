"""Lines of the access log, compared with the ones gunicorn itself writes for the same request."""

from __future__ import annotations

import base64
import time
from datetime import timedelta

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger, SafeAtoms
from hypothesis import given
from hypothesis import strategies as st

from gasgi.reporting.access_format import AccessFormat
from gasgi.reporting.access_log import QuotedAtoms
from gasgi.reporting.gunicorn_view import RequestView, ResponseView
from tests.support.fake_head import FakeHead

NOON = "[22/Apr/2026:12:00:00 +0000]"
COMBINED = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'
EVERY_ATOM = " | ".join(f"{atom}=%({atom})s" for atom in "hlutrsmUqHbBfaTDMLp")
FIELD_ATOMS = (
    "%({host}i)s %({Accept}i)s %({x-twice}i)s %({nothing}i)s %({content-type}o)s %({X-Twice}o)s %({nothing}o)s "
    "%({request_method}e)s %({HTTP_HOST}e)s %({raw_uri}e)s %({nothing}e)s %({wsgi.url_scheme}e)s %({broken)s %(Z)s %()s"
)
FORMATS = [COMBINED, EVERY_ATOM, FIELD_ATOMS, "%(D)d %(T)05d %(M)+d %(B)8d|%(s)-6s|%(h).3s|%% %(m)r", "plain", "%%(h)s"]

PLAIN = FakeHead(b"/items?a=1&b=%22", [(b"host", b"example.com"), (b"accept", b"*/*")])
REQUESTS = [
    RequestView(PLAIN, ("192.0.2.1", 50000), ("192.0.2.2", 8000), "http"),
    RequestView(
        FakeHead(
            b'/"quoted"?"',
            [
                (b"host", b"example.com"),
                (b"referer", b'https://example.com/"x"'),
                (b"user-agent", b'Agent/1.0 ("\xe9")'),
                (b"authorization", b"Basic " + base64.b64encode(b'gr"ace:secret')),
                (b"x-twice", b"first"),
                (b"x-twice", b"second"),
            ],
            method="POST",
        ),
        ("2001:db8::1", 50000),
        ("2001:db8::2", 443),
        "https",
    ),
    RequestView(FakeHead(b"*", [(b"referer", b"a"), (b"referer", b"b")]), None, ("/run/x", None), "http"),
    RequestView(FakeHead(b"/", [(b"authorization", b"Basic !!!")]), ("192.0.2.1", 1), None, "http"),
    RequestView(FakeHead(b"/", [(b"authorization", b"basic")]), ("192.0.2.1", 1), None, "http"),
    RequestView(FakeHead(b"/", [(b"authorization", b"Basic " + base64.b64encode(b"\xff:"))]), None, None, "http"),
    RequestView(FakeHead(b"/", [(b"authorization", b"Basic " + base64.b64encode(b":x"))]), None, None, "http"),
    RequestView(FakeHead(b"/", [(b"authorization", b"Bearer abc")]), None, None, "http"),
    RequestView(FakeHead(b"/1.0", http_version="1.0"), ("192.0.2.1", 1), ("192.0.2.2", 80), "http"),
    RequestView(None, ("192.0.2.1", 50000), ("192.0.2.2", 8000), "http"),
]
RESPONSES = [
    ResponseView(200, [(b"content-type", b'text/"plain"'), (b"x-twice", b"1"), (b"X-Twice", b"2")], 1234, 0.000125),
    ResponseView(204, [], 0, 0.0),
    ResponseView(499, [], 0, 1.5),
    ResponseView(599, [], 7, 86399.999999),
    ResponseView(101, [], 2**40, 0.0009765625),
]


@pytest.fixture(scope="module")
def logger():
    class FixedTime(Logger):
        def now(self):
            return NOON

    return FixedTime(Config())


def gunicorns(logger: Logger, text: str, request: RequestView, response: ResponseView) -> str:
    duration = timedelta(seconds=response.duration_s)
    return text % SafeAtoms(logger.atoms(response, request, request.environ, duration))


def gasgis(text: str, request: RequestView, response: ResponseView) -> str:
    compiled = AccessFormat(text)
    compiled.time_text = NOON
    return compiled.render(request, response)


@pytest.mark.parametrize("text", FORMATS)
@pytest.mark.parametrize("request_number", range(len(REQUESTS)))
@pytest.mark.parametrize("response_number", range(len(RESPONSES)))
def test_line_is_gunicorns(logger, text, request_number, response_number):
    request, response = REQUESTS[request_number], RESPONSES[response_number]
    assert gasgis(text, request, response) == gunicorns(logger, text, request, response)


FIELD_NAMES = st.sampled_from([b"host", b"referer", b"user-agent", b"authorization", b"x-twice", b"x_under", b"cookie"])
FIELD_VALUES = st.binary(max_size=12)


@given(
    fields=st.lists(st.tuples(FIELD_NAMES, FIELD_VALUES), max_size=6),
    target=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"), min_size=1, max_size=12),
    status=st.integers(100, 599),
    sent=st.integers(0, 2**50),
    microseconds=st.integers(0, 86_400_000_000 - 1),
)
def test_any_line_is_gunicorns_but_for_what_is_quoted(logger, fields, target, status, sent, microseconds):
    request = RequestView(FakeHead(target.encode(), fields), ("192.0.2.1", 50000), ("192.0.2.2", 80), "http")
    response = ResponseView(status, fields, sent, microseconds / 1_000_000)
    duration = timedelta(seconds=response.duration_s)
    for text in (COMBINED, EVERY_ATOM, FIELD_ATOMS):
        line = gasgis(text, request, response)
        assert line == text % QuotedAtoms(logger.atoms(response, request, request.environ, duration))
        assert line.isprintable()


def test_combined_line_reads_as_documented():
    line = gasgis(COMBINED, REQUESTS[1], RESPONSES[0])
    assert line == (
        f'2001:db8::1 - gr\\"ace {NOON} "POST /\\"quoted\\"?\\" HTTP/1.1" 200 1234 '
        '"https://example.com/\\"x\\"" "Agent/1.0 (\\"\xe9\\")"'
    )


def test_http_2_is_told_apart():
    request = RequestView(FakeHead(b"/a", http_version="2"), None, None, "http")
    assert gasgis('"%(r)s" %(H)s', request, RESPONSES[0]) == '"GET /a HTTP/2.0" HTTP/2.0'


def test_refused_request_without_a_head_has_dashes():
    assert gasgis('%(h)s "%(r)s" %(U)s %(q)s %(s)s', REQUESTS[-1], ResponseView(400, [], 0, 0)) == (
        '192.0.2.1 "- - -" -  400'
    )


def test_the_kind_of_a_field_may_be_a_capital_as_in_gunicorn():
    request = RequestView(FakeHead(b"/", [(b"host", b"h")]), None, None, "http")
    text = "%({Host}I)s %({Content-Type}O)s %({RAW_URI}E)s"
    assert gasgis(text, request, RESPONSES[0]) == gasgis(text.lower(), request, RESPONSES[0])
    assert gasgis("%({Host}I)s", request, RESPONSES[0]) == "h"


def test_unix_peer_is_named_so():
    assert gasgis("%(h)s", REQUESTS[2], RESPONSES[0]) == "unix:"
    assert gasgis("%(h)s", RequestView(PLAIN, None, None, "http"), RESPONSES[0]) == "-"


def test_line_break_in_a_user_name_stays_inside_the_line():
    authorization = b"Basic " + base64.b64encode(b"a\nb\x7f\xe2\x80\xa8:x")
    request = RequestView(FakeHead(b"/", [(b"authorization", authorization)]), None, None, "http")
    assert gasgis("%(u)s", request, RESPONSES[0]) == "a\\nb\\x7f\\u2028"


def test_line_break_in_a_decoded_path_stays_inside_the_line():
    request = RequestView(FakeHead(b"/a%0Ab", path='/a\nb"'), None, None, "http")
    assert gasgis("%(U)s", request, RESPONSES[0]) == '/a\\nb\\"'
    assert gasgis("%({path_info}e)s", request, RESPONSES[0]) == '/a\\nb\\"'


HOSTILE = b'a\x1b[31m\t\x7f\x85\x9b\\"'
QUOTED = 'a\\x1b[31m\\t\\x7f\\x85\\x9b\\\\\\"'


@pytest.mark.parametrize(
    "atom", ["a", "f", "{cookie}i", "{x-echo}o", "{http_cookie}e", "q", "{query_string}e", "U", "{path_info}e", "u"]
)
def test_no_atom_writes_what_a_terminal_obeys_or_what_ends_its_quote(atom):
    fields = [(name, HOSTILE) for name in (b"user-agent", b"referer", b"cookie")]
    authorization = b"Basic " + base64.b64encode(HOSTILE.decode("latin-1").encode() + b":x")
    head = FakeHead(b"/?" + HOSTILE, [*fields, (b"authorization", authorization)], path=HOSTILE.decode("latin-1"))
    request = RequestView(head, None, None, "http")
    assert gasgis(f"%({atom})s", request, ResponseView(200, [(b"x-echo", HOSTILE)], 0, 0)) == QUOTED
    assert QUOTED in gasgis("%(r)s", request, RESPONSES[0])


def test_printable_text_of_any_script_is_left_alone():
    request = RequestView(FakeHead(b"/", path="/Größe/日本"), None, None, "http")
    assert gasgis("%(U)s", request, RESPONSES[0]) == "/Größe/日本"


def test_duration_of_days_is_written_whole():
    response = ResponseView(101, [], 0, 2 * 86_400 + 1.5)
    assert gasgis("%(T)s %(L)s %(M)s %(D)s", REQUESTS[0], response) == "172801 172801.500000 172801500 172801500000"


@pytest.mark.parametrize("text", ["%(h)s %s", "100%", "%({a(b)}i)s", "%d"])
def test_format_that_needs_the_whole_mapping_is_not_compiled(text):
    with pytest.raises(ValueError, match="expected"):
        AccessFormat(text)


def test_default_format_is_gunicorns():
    assert Config().access_log_format == COMBINED
    assert time.strftime("[%d/%b/%Y:%H:%M:%S %z]", time.gmtime(0)).startswith("[01/Jan/1970:00:00:00 ")
