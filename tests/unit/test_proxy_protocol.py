"""The PROXY header: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasgi.errors import RequestError
from gasgi.proxy.protocol import LONGEST_V2, SIGNATURE_V2, ProxyInfo, ProxyProtocolDecoder

V4 = ("203.0.113.7", 56324), ("192.0.2.2", 443)
V6 = ("2001:db8::7", 56324), ("2001:db8::2", 443)
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

V1_TCP4 = b"PROXY TCP4 203.0.113.7 192.0.2.2 56324 443\r\n"
V1_TCP6 = b"PROXY TCP6 2001:db8::7 2001:db8::2 56324 443\r\n"
# Section 2.1: the longest line there can be
V1_LONGEST = b"PROXY UNKNOWN " + b"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff " * 2 + b"65535 65535\r\n"
PORTS = (56324).to_bytes(2, "big") + (443).to_bytes(2, "big")
BLOCK_V4 = socket.inet_pton(socket.AF_INET, V4[0][0]) + socket.inet_pton(socket.AF_INET, V4[1][0]) + PORTS
BLOCK_V6 = socket.inet_pton(socket.AF_INET6, V6[0][0]) + socket.inet_pton(socket.AF_INET6, V6[1][0]) + PORTS
TLVS = b"\x04\x00\x03abc" + b"\x02\x00\x0bexample.com"  # PP2_TYPE_NOOP and PP2_TYPE_AUTHORITY


def v2(command: int, family: int, block: bytes) -> bytes:
    return SIGNATURE_V2 + bytes((0x20 | command, family)) + len(block).to_bytes(2, "big") + block


GOOD = [
    (V1_TCP4, "TCP4", *V4),
    (V1_TCP6, "TCP6", *V6),
    (b"PROXY UNKNOWN\r\n", "UNKNOWN", None, None),
    (V1_LONGEST, "UNKNOWN", None, None),
    (v2(1, 0x11, BLOCK_V4), "TCP4", *V4),
    (v2(1, 0x11, BLOCK_V4 + TLVS), "TCP4", *V4),
    (v2(1, 0x21, BLOCK_V6 + TLVS), "TCP6", *V6),
    (v2(1, 0x31, bytes(216)), "UNIX", None, None),
    (v2(1, 0x00, b""), "UNKNOWN", None, None),
    (v2(0, 0x00, b""), "LOCAL", None, None),
    (v2(0, 0x11, BLOCK_V4), "LOCAL", None, None),
    (v2(1, 0x11, BLOCK_V4 + b"\x04" + (LONGEST_V2 - 15).to_bytes(2, "big") + bytes(LONGEST_V2 - 15)), "TCP4", *V4),
]


def decode(pieces: list[bytes], mode: str = "auto") -> tuple[ProxyInfo | None, bytes]:
    decoder = ProxyProtocolDecoder(mode)
    info = None
    for number, piece in enumerate(pieces):
        info = decoder.feed(piece)
        if info is not None:
            return info, decoder.take_leftover() + b"".join(pieces[number + 1 :])
    return info, decoder.take_leftover()


@pytest.mark.parametrize(("raw", "protocol", "client", "server"), GOOD)
@pytest.mark.parametrize("leftover", [b"", REQUEST, b"\x16\x03\x01"])
def test_header_is_read_whole_and_byte_by_byte(raw, protocol, client, server, leftover):
    whole = raw + leftover
    for pieces in ([whole], [raw, leftover], [whole[i : i + 1] for i in range(len(whole))]):
        info, rest = decode(pieces)
        assert info is not None
        assert (info.protocol, info.client, info.server) == (protocol, client, server)
        assert rest == leftover


@pytest.mark.parametrize(
    "raw",
    [
        b"PROXY \r\n",
        b"PROXY TCP4\r\n",
        b"PROXY TCP5 203.0.113.7 192.0.2.2 1 2\r\n",
        b"PROXY tcp4 203.0.113.7 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.2 1\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.2 1 2 3\r\n",
        b"PROXY TCP4  203.0.113.7 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 2001:db8::7 192.0.2.2 1 2\r\n",
        b"PROXY TCP6 203.0.113.7 2001:db8::2 1 2\r\n",
        b"PROXY TCP4 203.0.113 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.2 65536 2\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.2 -1 2\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.2 1 x\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.2 1 \xb2\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.2 1 2\n" + bytes(107),
        b"PROXY UNKNOWN " + b"x" * 93,
        SIGNATURE_V2 + b"\x11\x11\x00\x0c" + BLOCK_V4,
        SIGNATURE_V2 + b"\x31\x11\x00\x0c" + BLOCK_V4,
        SIGNATURE_V2 + b"\x22\x11\x00\x0c" + BLOCK_V4,
        v2(1, 0x11, BLOCK_V4[:-1]),
        v2(1, 0x21, BLOCK_V6[:-1]),
        v2(1, 0x31, bytes(215)),
        v2(1, 0x12, BLOCK_V4),
        v2(1, 0x41, BLOCK_V4),
        SIGNATURE_V2 + b"\x21\x11" + (LONGEST_V2 + 1).to_bytes(2, "big"),
    ],
)
def test_bad_header_is_refused_once_it_is_clear(raw):
    for pieces in ([raw], [raw[i : i + 1] for i in range(len(raw))]):
        with pytest.raises(RequestError) as caught:
            decode(pieces)
        assert caught.value.status == 400


def test_line_is_refused_before_it_grows_beyond_its_bound():
    decoder = ProxyProtocolDecoder("v1")
    assert decoder.feed(b"PROXY UNKNOWN " + b"x" * 92) is None
    with pytest.raises(RequestError, match="too long"):
        decoder.feed(b"x")


@pytest.mark.parametrize(
    "data", [REQUEST, b"PUT / HTTP/1.1\r\n", b"PROPFIND / HTTP/1.1\r\n", b"\r\nGET / HTTP/1.1\r\n", b"\x16\x03"]
)
def test_connection_without_the_header_is_served_as_it_comes(data):
    for pieces in ([data], [data[i : i + 1] for i in range(len(data))]):
        info, rest = decode(pieces)
        assert info is not None
        assert (info.protocol, info.client, info.as_gunicorn()) == ("", None, None)
        assert rest == data


@pytest.mark.parametrize(("mode", "raw"), [("v1", v2(1, 0x11, BLOCK_V4)), ("v2", V1_TCP4)])
def test_mode_knows_its_own_version_only(mode, raw):
    info, rest = decode([raw], mode)
    assert info is not None
    assert info.protocol == ""
    assert rest == raw


@pytest.mark.parametrize("raw", [V1_TCP4, v2(1, 0x11, BLOCK_V4)])
def test_unfinished_header_waits(raw):
    for end in range(1, len(raw)):
        assert ProxyProtocolDecoder("auto").feed(raw[:end]) is None


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"PROXY ", SIGNATURE_V2, V1_TCP4[:-4], v2(1, 0x21, BLOCK_V6)[:20]])
)
def test_any_bytes_are_read_or_refused(data, start):
    try:
        info, rest = decode([start + data])
    except RequestError:
        return
    assert info is None or len(rest) <= len(start + data)


def test_gunicorns_mapping():
    assert ProxyInfo("TCP4", *V4).as_gunicorn() == {
        "proxy_protocol": "TCP4",
        "client_addr": "203.0.113.7",
        "client_port": 56324,
        "proxy_addr": "192.0.2.2",
        "proxy_port": 443,
    }
    assert ProxyInfo("LOCAL").as_gunicorn() == {
        "proxy_protocol": "LOCAL",
        "client_addr": None,
        "client_port": None,
        "proxy_addr": None,
        "proxy_port": None,
    }
