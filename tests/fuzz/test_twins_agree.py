"""Structured and mutated requests: both twins read the same, however the bytes are split, and so does httptools."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gasgi.head_rules import HeadLimits
from tests.fuzz.agreement import LIMITS, check_stream
from tests.support.corpus import load_cases

METHODS = b"GET POST HEAD OPTIONS PROPFIND QUERY CONNECT get FOO M-SEARCH G@T ".split(b" ")
TARGETS = [
    b"/",
    b"/a?b=c",
    b"/%41%zz%C3%A9?%",
    b"//x",
    b"*",
    b"http://a/b?c",
    b"https://[::1]:80",
    b"http://u@a/",
    b"a:80",
    b"/#f",
    b"",
    b"/\xff",
]
VERSIONS = [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.10", b""]
FIELDS = [
    b"Host: a",
    b"host:b:80",
    b"Host: [::1]",
    b"Host:",
    b"Content-Length: 3",
    b"content-length: 03 ",
    b"Content-Length: 3, 3",
    b"Content-Length: +3",
    b"Transfer-Encoding: chunked",
    b"TRANSFER-encoding: Chunked\t",
    b"Transfer-Encoding: gzip, chunked",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: Upgrade, keep-alive",
    b"Proxy-Connection: close",
    b"Upgrade: h2c, x",
    b"Upgrade: websocket",
    b"Expect: 100-continue",
    b"Expect: 42",
    b"TE: trailers, deflate",
    b"X_Y: \xe9 ",
    b"Cookie: a=b; c=d",
    b"Content-Type: a",
    b" folded",
    b"No colon",
    b"Blank : x",
    b": empty",
]
BODIES = [
    b"",
    b"abc",
    b"3\r\nabc\r\n0\r\n\r\n",
    b"3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nX: y\r\n\r\n",
    b"3\r\nabc\r\n0\r\nHost: x\r\n\r\n",
    b"0\r\n\r\n",
    b"FFFFFFFFFFFFFFFFF\r\n",
]
LINE_ENDS = [b"\r\n"] * 12 + [b"\n", b"\r", b"\r\r\n", b"\r\n\r\n", b""]
NOISE = [b"\r\n", b"\r\n\r\n", *(bytes([byte]) for byte in b"\r\n\0 \t:,;%#0a\x7f\xff")]


def usually(good: list[bytes], others: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.one_of(st.sampled_from(good), st.sampled_from(good), st.sampled_from(good), st.sampled_from(others))


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    end = st.sampled_from(LINE_ENDS)
    parts = ((METHODS, 4), (TARGETS, 3), (VERSIONS, 2))
    line = b" ".join(draw(usually(choices[:good], choices)) for choices, good in parts)
    fields = draw(st.lists(usually([b"Accept: x"], FIELDS), max_size=5))
    if draw(st.integers(0, 9)):
        fields.insert(0, b"Host: a")
    body = draw(st.sampled_from(BODIES))
    if draw(st.booleans()):
        if body in (b"", b"abc"):
            fields.append(b"Content-Length: %d" % len(body))
        else:
            fields.append(b"Transfer-Encoding: chunked")
    head = b"".join(part + (draw(end) if draw(st.integers(0, 9)) == 0 else b"\r\n") for part in (line, *fields))
    return head + b"\r\n" + body


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    raw = b"".join(draw(st.lists(requests(), min_size=1, max_size=3)))
    for place, cut, noise in draw(
        st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 3), st.sampled_from([b"", *NOISE])), max_size=3)
    ):
        at = place % (len(raw) + 1)
        raw = raw[:at] + noise + raw[at + cut :]
    return raw


POINTS = st.lists(st.integers(0, 5000), max_size=8)


@settings(max_examples=400, deadline=None)
@example(raw=b"GET / HTTP/1.1\r\nHost:\r\n\r\n", points=[], limits=LIMITS[0])
@given(streams(), POINTS, st.sampled_from(LIMITS))
def test_every_reading_of_a_stream_is_the_same(raw: bytes, points: list[int], limits: HeadLimits) -> None:
    check_stream(raw, points, limits)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), POINTS, st.sampled_from(LIMITS))
@example(b"\r", [], LIMITS[0])
def test_every_reading_of_noise_is_the_same(raw: bytes, points: list[int], limits: HeadLimits) -> None:
    check_stream(raw, points, limits)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([case.raw for kind in ("valid", "invalid") for case in load_cases(kind)]),
    st.sampled_from([case.raw for kind in ("valid", "invalid") for case in load_cases(kind)]),
    st.integers(0, 500),
    st.integers(0, 500),
    POINTS,
    st.sampled_from(LIMITS),
)
def test_every_reading_of_two_messages_spliced_is_the_same(
    first: bytes, second: bytes, keep: int, skip: int, points: list[int], limits: HeadLimits
) -> None:
    check_stream(first[: keep % (len(first) + 1)] + second[skip % (len(second) + 1) :], points, limits)
