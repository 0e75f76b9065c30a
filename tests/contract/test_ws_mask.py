"""Both twins of _ws_mask: masking, messages in pieces and the frames a server sends."""

from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.frames import KEY, xor
from tests.support.twins import TWINS, load_twin

TWIN_OF = "_ws_mask"

RFC_HELLO = bytes.fromhex("7f9f4d5158")  # "Hello" under KEY: RFC 6455, 5.7
SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 63, 64, 65, 125, 1023, 1024, 1025, 4099]

# What no UTF-8 text contains (RFC 3629, 3 and 4), and how far the bytes before it are right.
BAD_TEXTS = [
    b"\x80",
    b"\xbf",
    b"\xc0\x80",
    b"\xc1\xbf",
    b"\xe0\x80\x80",
    b"\xe0\x9f\xbf",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xf0\x80\x80\x80",
    b"\xf0\x8f\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xfe",
    b"\xff",
    b"\xc3a",
    b"\xe2\x82a",
    b"\xf0\x9f\x98a",
    b"\xc3\xc3\xa9",
]
GOOD_TEXTS = [
    "",
    "a",
    "eight by",
    "é",
    "€",
    "😀",
    "\x00",
    "\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff",
    "ascii up to here, é, and much more ascii after it, long enough for words of eight bytes",
]


def collect(twin: ModuleType, payload: bytes, cuts: list[int]) -> object:
    """Put ``payload``, sent as one frame, together from pieces cut at ``cuts``."""
    buffer = twin.MessageBuffer()
    masked = xor(payload, KEY)
    buffer.start_frame(KEY, 4, len(payload))
    for start, stop in zip([0, *cuts], [*cuts, len(payload)], strict=True):
        buffer.append(masked, start, stop)
    return buffer


def test_unmasks_the_example_of_the_rfc(twin: ModuleType) -> None:
    assert twin.apply_mask(RFC_HELLO, KEY) == b"Hello"


@pytest.mark.parametrize("size", SIZES)
def test_masks_every_size_like_the_definition(twin: ModuleType, size: int) -> None:
    payload = bytes(i * 7 & 255 for i in range(size))
    assert twin.apply_mask(payload, KEY) == xor(payload, KEY)


def test_masking_twice_gives_the_payload_back(twin: ModuleType) -> None:
    assert twin.apply_mask(twin.apply_mask(bytes(range(256)), KEY), KEY) == bytes(range(256))


@pytest.mark.parametrize("key", [b"", b"\x01", b"\x01\x02\x03", b"\x01\x02\x03\x04\x05"])
def test_refuses_a_key_that_has_not_four_bytes(twin: ModuleType, key: bytes) -> None:
    with pytest.raises(ValueError, match="four bytes"):
        twin.apply_mask(b"payload", key)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("before", [0, 1, 2, 3])
def test_unmasks_a_slice_with_the_key_before_it(twin: ModuleType, size: int, before: int) -> None:
    payload = bytes(i * 5 & 255 for i in range(size))
    data = b"\xff" * before + KEY + xor(payload, KEY) + b"behind"
    assert twin.unmask(data, before + 4, before + 4 + size) == payload


@pytest.mark.parametrize("text", GOOD_TEXTS)
def test_unmasks_text(twin: ModuleType, text: str) -> None:
    payload = text.encode()
    assert twin.unmask_text(KEY + xor(payload, KEY), 4, 4 + len(payload)) == text


@pytest.mark.parametrize("payload", BAD_TEXTS)
@pytest.mark.parametrize("before", [b"", b"ascii before", "é€😀".encode()])
def test_unmasking_refuses_what_is_not_utf8(twin: ModuleType, payload: bytes, before: bytes) -> None:
    payload = before + payload
    with pytest.raises(UnicodeDecodeError):
        twin.unmask_text(KEY + xor(payload, KEY), 4, 4 + len(payload))


@pytest.mark.parametrize("name", ["unmask", "unmask_text"])
@pytest.mark.parametrize(("start", "stop"), [(3, 5), (-1, 5), (6, 5), (4, 11), (11, 11), (4, -1)])
def test_refuses_a_range_outside_the_data(twin: ModuleType, name: str, start: int, stop: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        getattr(twin, name)(bytes(10), start, stop)


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (6, 5), (0, 11), (11, 11)])
def test_a_buffer_refuses_a_range_outside_the_data(twin: ModuleType, start: int, stop: int) -> None:
    buffer = twin.MessageBuffer()
    buffer.start_frame(KEY, 4, 10)
    with pytest.raises(ValueError, match="outside"):
        buffer.append(bytes(10), start, stop)


def test_a_buffer_refuses_a_key_outside_the_data(twin: ModuleType) -> None:
    for start in (0, 3, 11):
        with pytest.raises(ValueError, match="outside"):
            twin.MessageBuffer().start_frame(bytes(10), start, 5)


def test_a_buffer_needs_a_frame_before_its_bytes(twin: ModuleType) -> None:
    with pytest.raises(ValueError, match="four bytes"):
        twin.MessageBuffer().append(b"data", 0, 4)


def test_collects_a_frame_cut_at_every_point(twin: ModuleType) -> None:
    payload = bytes(range(40, 80))
    for cut in range(len(payload) + 1):
        assert collect(twin, payload, [cut]).take() == payload


def test_collects_a_frame_byte_by_byte(twin: ModuleType) -> None:
    payload = bytes(range(200))
    assert collect(twin, payload, list(range(1, 200))).take() == payload


def test_collects_frames_with_different_keys(twin: ModuleType) -> None:
    buffer = twin.MessageBuffer()
    pieces = [b"first", b"", b"second one", b"x" * 5000]
    for number, piece in enumerate(pieces):
        key = bytes([number, 1, 2, 3])
        buffer.start_frame(key, 4, len(piece))
        buffer.append(xor(piece, key), 0, len(piece))
    assert buffer.size == sum(map(len, pieces))
    assert buffer.take() == b"".join(pieces)


def test_is_empty_after_taking_and_can_be_filled_again(twin: ModuleType) -> None:
    buffer = collect(twin, b"one", [])
    assert buffer.take() == b"one"
    assert buffer.size == 0
    assert buffer.take() == b""
    assert buffer.take_text() == ""
    buffer.start_frame(KEY, 4, 3)
    buffer.append(xor(b"two", KEY), 0, 3)
    assert buffer.take_text() == "two"


def test_what_was_taken_is_not_changed_by_what_follows(twin: ModuleType) -> None:
    buffer = collect(twin, b"first message", [5])
    first = buffer.take()
    buffer.start_frame(KEY, 4, 13)
    buffer.append(xor(b"second messag", KEY), 0, 13)
    assert first == b"first message"


def test_a_declared_length_alone_buys_at_most_a_mebibyte(twin: ModuleType) -> None:
    buffer = twin.MessageBuffer()
    buffer.start_frame(KEY, 4, 2**62)
    buffer.append(xor(b"few", KEY), 0, 3)
    assert buffer.take() == b"few"


@pytest.mark.parametrize("text", GOOD_TEXTS)
def test_text_is_right_at_every_cut(twin: ModuleType, text: str) -> None:
    payload = text.encode()
    masked = xor(payload, KEY)
    for cut in range(len(payload) + 1):
        buffer = twin.MessageBuffer()
        buffer.start_frame(KEY, 4, len(payload))
        buffer.append(masked, 0, cut)
        assert buffer.is_text(False)
        buffer.append(masked, cut, len(payload))
        assert buffer.is_text(True)
        assert buffer.take_text() == text


@pytest.mark.parametrize("text", ["é", "€", "😀"])
def test_text_that_ends_inside_a_character_is_wrong_only_at_the_end(twin: ModuleType, text: str) -> None:
    for cut in range(1, len(text.encode())):
        buffer = collect(twin, b"before" + text.encode()[:cut], [])
        assert buffer.is_text(False)
        assert not buffer.is_text(True)


@pytest.mark.parametrize("payload", BAD_TEXTS)
@pytest.mark.parametrize("before", [b"", b"seven c", b"eight ch", "é€😀".encode()])
def test_wrong_text_is_found_whole_and_byte_by_byte(twin: ModuleType, payload: bytes, before: bytes) -> None:
    payload = before + payload
    assert not collect(twin, payload, []).is_text(False)
    buffer = twin.MessageBuffer()
    buffer.start_frame(KEY, 4, len(payload))
    masked = xor(payload, KEY)
    answers = []
    for i in range(len(payload)):
        buffer.append(masked, i, i + 1)
        answers.append(buffer.is_text(False))
    assert answers[: len(before)] == [True] * len(before)
    assert not answers[-1]


def test_wrong_text_is_found_at_the_first_byte_that_cannot_be_right(twin: ModuleType) -> None:
    # RFC 6455, 8.1: U+110000 is wrong from its second byte on, though two more belong to it.
    assert collect(twin, b"\xf4", []).is_text(False)
    assert not collect(twin, b"\xf4\x90", []).is_text(False)


def test_refuses_a_surrogate_at_its_second_byte(twin: ModuleType) -> None:
    assert collect(twin, b"\xed\x9f", []).is_text(False)
    assert not collect(twin, b"x\xed\xa0", []).is_text(False)
    assert not collect(twin, b"x\xed\xa0", [2]).is_text(False)


def test_taking_wrong_text_raises_and_leaves_the_buffer_empty(twin: ModuleType) -> None:
    buffer = collect(twin, b"\xff", [])
    with pytest.raises(UnicodeDecodeError):
        buffer.take_text()
    assert buffer.size == 0


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, "8200"),
        (1, "8201"),
        (125, "827d"),
        (126, "827e007e"),
        (65535, "827effff"),
        (65536, "827f0000000000010000"),
        (2**40 + 5, "827f0000010000000005"),
    ],
)
def test_encodes_the_shortest_length(twin: ModuleType, size: int, header: str) -> None:
    assert twin.encode_frame_header(0x82, size) == bytes.fromhex(header)
    if size <= 65536:
        assert twin.encode_frame(0x82, b"x" * size) == bytes.fromhex(header) + b"x" * size


def test_encodes_the_examples_of_the_rfc(twin: ModuleType) -> None:
    assert twin.encode_frame(0x81, "Hello") == bytes.fromhex("810548656c6c6f")  # RFC 6455, 5.7
    assert twin.encode_frame(0x89, b"Hello") == bytes.fromhex("890548656c6c6f")


@pytest.mark.parametrize("text", GOOD_TEXTS)
def test_encodes_text_as_utf8(twin: ModuleType, text: str) -> None:
    payload = text.encode()
    assert twin.encode_frame(0x81, text) == bytes([0x81, len(payload)]) + payload


def test_refuses_text_that_is_no_unicode(twin: ModuleType) -> None:
    with pytest.raises(UnicodeEncodeError):
        twin.encode_frame(0x81, "\ud800")


@given(payload=st.binary(max_size=3000), key=st.binary(min_size=4, max_size=4), cuts=st.lists(st.integers(0, 3000)))
def test_the_twins_agree(payload: bytes, key: bytes, cuts: list[int]) -> None:
    found = []
    places = sorted({min(cut, len(payload)) for cut in cuts})
    for which in TWINS:
        twin = load_twin(TWIN_OF, which)
        buffer = twin.MessageBuffer()
        buffer.start_frame(b"\x00" + key, 5, len(payload))
        verdicts = []
        for start, stop in zip([0, *places], [*places, len(payload)], strict=True):
            buffer.append(payload, start, stop)
            verdicts.append(buffer.is_text(False))
            if not verdicts[-1]:
                break
        else:
            verdicts.append(buffer.is_text(True))
        found.append((twin.apply_mask(payload, key), verdicts, buffer.size, buffer.take()))
    assert all(one == found[0] for one in found)
    assert found[0][0] == xor(payload, key)


# --- what a message takes ---


@pytest.mark.parametrize("last", ["", "x", "\x7f", "\x80", "\xff", "\u0100", "\uffff", "\U00010000", "\U0010ffff"])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 1000])
def test_counts_a_text_by_its_widest_character(twin: ModuleType, size: int, last: str) -> None:
    text = ("x" * size + last).encode().decode()
    widest = max(text, default="x")
    each = 1 if widest < "\u0100" else 2 if widest < "\U00010000" else 4
    assert twin.held_bytes(text) == each * len(text)


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_counts_bytes_as_they_are(twin: ModuleType, size: int) -> None:
    assert twin.held_bytes(bytes(size)) == size
