"""Whole and mutated header blocks of one connection: both twins and another implementation read the same."""

from __future__ import annotations

import hpack
from hypothesis import given, settings
from hypothesis import strategies as st

from gasgi.errors import Http2Error, RequestError
from tests.support.twins import TWINS, load_twin

CODECS = [load_twin("_hpack", which) for which in TWINS]
INDEXES = st.integers(0x80, 0xFF).map(lambda octet: bytes([octet]))
STRINGS = st.one_of(
    st.binary(max_size=30).map(lambda octets: bytes([len(octets)]) + octets),
    st.binary(max_size=30).map(lambda octets: bytes([0x80 | len(octets)]) + octets),
    st.sampled_from([b"\x83\x1d\x75\xd7", b"\x85\xae\xc3\x77\x1a\x4b", b"\x81\x1f", b"\x81\xff", b"\x03x-a", b"\x01A"]),
)
LITERALS = st.builds(
    lambda first, index, name, value: bytes([first | index]) + (b"" if index else name) + value,
    st.sampled_from([0x00, 0x10, 0x40]),
    st.integers(0, 14),
    STRINGS,
    STRINGS,
)
UPDATES = st.sampled_from([b"\x20", b"\x3e", b"\x3f\x00", b"\x3f\x45", b"\x3f\xe1\x1f", b"\x3f\xe2\x1f"])
BLOCKS = st.builds(
    lambda update, parts, noise: update + b"".join(parts) + noise,
    st.one_of(st.just(b""), UPDATES),
    st.lists(st.one_of(INDEXES, LITERALS, LITERALS, UPDATES), max_size=8),
    st.sampled_from([b"", b"", b"", b"\x00", b"\x7f", b"\xff", b"\xff\x80\x80"]),
)


@settings(max_examples=400)
@given(blocks=st.lists(BLOCKS, max_size=6), max_fields=st.sampled_from([3, 100]))
def test_reads_the_same_blocks_the_same_way(blocks: list[bytes], max_fields: int) -> None:
    decoders = [codec.HpackDecoder(4096, 400, max_fields) for codec in CODECS]
    oracle = hpack.Decoder()
    for block in blocks:
        verdicts = [verdict_of(decoder, block) for decoder in decoders]
        assert all(verdict == verdicts[0] for verdict in verdicts)
        try:
            expected = [tuple(field) for field in oracle.decode(block, raw=True)]
        except hpack.HPACKError:
            assert isinstance(verdicts[0], str)
            return
        if isinstance(verdicts[0], str):
            assert verdicts[0] == "integer is too large"  # of which hpack reads any
            return
        too_large, fields = verdicts[0][:2]
        is_too_large = len(expected) > max_fields or sum(len(a) + len(b) + 32 for a, b in expected) > 400
        assert bool(too_large) == is_too_large
        assert too_large or fields == expected


def verdict_of(decoder: object, block: bytes) -> object:
    try:
        fields = decoder.decode(block)  # type: ignore[attr-defined]
    except RequestError as exc:
        return exc.detail, []
    except Http2Error as exc:
        return exc.text
    return "", fields, decoder.flaw  # type: ignore[attr-defined]
