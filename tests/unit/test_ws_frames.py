"""The frame decoder: every rule of RFC 6455, 5 to 8, however the bytes arrive."""

from __future__ import annotations

import struct
import zlib

import pytest

from gasgi.close_codes import is_sendable
from gasgi.errors import FrameError
from gasgi.websocket.deflate import DeflateAgreement, Inflater
from gasgi.websocket.frames import FrameDecoder, Opcode, encode_close
from tests.support.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    KEY,
    PING,
    PONG,
    RSV1,
    TEXT,
    client_frame,
    close_payload,
)
from tests.support.wire import split_everywhere

LIMIT = 1000
Found = list[tuple[int, object]]


def decode(
    pieces: list[bytes], limit: int = LIMIT, inflater: Inflater | None = None
) -> tuple[Found, tuple[int, str] | None]:
    """Feed ``pieces``; return what was found and, if it failed, the close code and reason."""
    decoder = FrameDecoder(limit, inflater)
    found: Found = []
    try:
        for piece in pieces:
            decoder.feed(piece)
            while decoder.advance() or decoder.needs_turn:
                if decoder.needs_turn:
                    continue
                found.append((decoder.opcode, decoder.payload))
                if decoder.opcode == CLOSE:
                    found.append((decoder.close_code, "close code"))
    except FrameError as exc:
        return found, (exc.close_code, exc.reason)
    return found, None


def check(data: bytes, found: Found, code: int | None = None, limit: int = LIMIT, deflate: bool = False) -> None:
    """Assert what ``data`` decodes to, in every way it can arrive."""
    for pieces in split_everywhere(data):
        inflater = Inflater(DeflateAgreement()) if deflate else None
        seen, error = decode(pieces, limit, inflater)
        assert (seen, error and error[0]) == (found, code), pieces


def compress(payload: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def test_decodes_the_masked_example_of_the_rfc() -> None:
    check(bytes.fromhex("818537fa213d7f9f4d5158"), [(TEXT, "Hello")])  # RFC 6455, 5.7


@pytest.mark.parametrize("payload", ["", "a", "é€😀", "x" * 125, "y" * 126])
def test_decodes_text(payload: str) -> None:
    check(client_frame(FIN | TEXT, payload.encode()), [(TEXT, payload)])


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 300])
def test_decodes_binary(size: int) -> None:
    check(client_frame(FIN | BINARY, b"\xff" * size), [(BINARY, b"\xff" * size)])


def test_decodes_the_longest_form() -> None:
    payload = bytes(range(256)) * 257
    data = client_frame(FIN | BINARY, payload)
    for size in (1, 7, 1000, 65536, len(data)):
        pieces = [data[i : i + size] for i in range(0, len(data), size)]
        assert decode(pieces, limit=100_000) == ([(BINARY, payload)], None)


def test_decodes_several_frames_of_one_read_in_order() -> None:
    data = client_frame(FIN | TEXT, b"one") + client_frame(FIN | BINARY, b"two") + client_frame(FIN | PING, b"three")
    check(data, [(TEXT, "one"), (BINARY, b"two"), (PING, b"three")])


def test_messages_and_control_frames_are_told_apart() -> None:
    decoder = FrameDecoder(LIMIT, None)
    decoder.feed(client_frame(FIN | TEXT, b"a") + client_frame(FIN | PONG, b"b"))
    assert decoder.advance()
    assert (decoder.is_message, decoder.opcode) == (True, Opcode.TEXT)
    assert decoder.advance()
    assert (decoder.is_message, decoder.opcode) == (False, Opcode.PONG)
    assert not decoder.advance()


# --- fragments: RFC 6455, 5.4 ---


def test_joins_fragments() -> None:
    data = client_frame(TEXT, b"on") + client_frame(CONTINUATION, b"e m") + client_frame(FIN, b"essage")
    check(data, [(TEXT, "one message")])


def test_joins_fragments_of_a_binary_message() -> None:
    check(client_frame(BINARY, b"\xff") + client_frame(FIN, b"\xfe"), [(BINARY, b"\xff\xfe")])


def test_takes_control_frames_between_fragments() -> None:
    data = client_frame(TEXT, b"on") + client_frame(FIN | PING, b"ping") + client_frame(FIN, b"e")
    check(data, [(PING, b"ping"), (TEXT, "one")])


def test_joins_empty_fragments() -> None:
    data = client_frame(TEXT) + client_frame(CONTINUATION) * 3 + client_frame(FIN)
    check(data, [(TEXT, "")])


def test_a_whole_message_follows_a_fragmented_one() -> None:
    data = client_frame(TEXT, b"a") + client_frame(FIN, b"b") + client_frame(FIN | TEXT, b"c")
    check(data, [(TEXT, "ab"), (TEXT, "c")])


def test_a_flood_of_empty_fragments_finds_nothing_and_fails_nothing() -> None:
    decoder = FrameDecoder(LIMIT, None)
    decoder.feed(client_frame(TEXT))
    assert not decoder.advance()
    for _ in range(100):
        decoder.feed(client_frame(CONTINUATION) * 100)
        assert not decoder.advance()
    decoder.feed(client_frame(FIN, b"end"))
    assert decoder.advance()
    assert decoder.payload == "end"


def test_refuses_a_continuation_of_nothing() -> None:
    check(client_frame(FIN, b"x"), [], 1002)
    check(client_frame(CONTINUATION, b"x"), [], 1002)
    check(client_frame(FIN | TEXT, b"a") + client_frame(FIN, b"x"), [(TEXT, "a")], 1002)


@pytest.mark.parametrize("opcode", [TEXT, BINARY, FIN | TEXT, FIN | BINARY])
def test_refuses_a_new_message_inside_another(opcode: int) -> None:
    check(client_frame(TEXT, b"a") + client_frame(opcode, b"b"), [], 1002)


# --- the header: RFC 6455, 5.2 ---


@pytest.mark.parametrize("bit", [0x40, 0x20, 0x10])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
def test_refuses_reserved_bits(bit: int, opcode: int) -> None:
    check(client_frame(FIN | bit | opcode), [], 1002)


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("final", [0, FIN])
def test_refuses_reserved_opcodes(opcode: int, final: int) -> None:
    check(client_frame(final | opcode), [], 1002)


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
def test_refuses_a_frame_that_is_not_masked(opcode: int) -> None:
    check(bytes([FIN | opcode, 0]), [], 1002)  # RFC 6455, 5.1


def test_refuses_a_frame_by_its_first_two_bytes() -> None:
    assert decode([bytes([FIN | TEXT])]) == ([], None)
    assert decode([bytes([FIN | 3, 0x80])])[1] is not None
    assert decode([bytes([FIN | TEXT, 0x05])])[1] is not None


@pytest.mark.parametrize(
    "length", ["fe0000", "fe007d", "ff0000000000000000", "ff000000000000007e", "ff000000000000ffff"]
)
def test_refuses_a_length_that_has_a_shorter_form(length: str) -> None:
    check(bytes([FIN | BINARY]) + bytes.fromhex(length), [], 1002)


def test_refuses_a_length_with_the_highest_bit() -> None:
    check(bytes([FIN | BINARY]) + bytes.fromhex("ff8000000000010000"), [], 1002)


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_refuses_control_frames_in_fragments(opcode: int) -> None:
    check(client_frame(opcode, b""), [], 1002)  # RFC 6455, 5.5


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
@pytest.mark.parametrize("length", [b"\xfe\x00\x7e", b"\xff" + bytes(5) + b"\x01\x00\x00"])
def test_refuses_control_frames_of_more_than_125_bytes(opcode: int, length: bytes) -> None:
    check(bytes([FIN | opcode]) + length, [], 1002)


@pytest.mark.parametrize("opcode", [PING, PONG])
def test_takes_control_frames_of_125_bytes(opcode: int) -> None:
    check(client_frame(FIN | opcode, b"\xfe" * 125), [(opcode, b"\xfe" * 125)])


# --- limits ---


def test_takes_a_message_as_large_as_the_limit() -> None:
    check(client_frame(FIN | BINARY, bytes(300)), [(BINARY, bytes(300))], limit=300)
    check(client_frame(BINARY, bytes(200)) + client_frame(FIN, bytes(100)), [(BINARY, bytes(300))], limit=300)


@pytest.mark.parametrize("length", [struct.pack("!BH", 0xFE, 301), struct.pack("!BQ", 0xFF, 2**63 - 1)])
def test_refuses_a_larger_message_from_its_length(length: bytes) -> None:
    check(bytes([FIN | BINARY]) + length, [], 1009, limit=300)


def test_refuses_a_fragment_that_makes_the_message_too_large() -> None:
    data = client_frame(BINARY, bytes(200)) + client_frame(CONTINUATION, bytes(99)) + bytes([FIN, 0x82])
    check(data, [], 1009, limit=300)


def test_the_limit_counts_each_message_anew() -> None:
    frame = client_frame(BINARY, bytes(150)) + client_frame(FIN, bytes(150))
    check(frame * 2, [(BINARY, bytes(300))] * 2, limit=300)


# --- text: RFC 6455, 8.1 ---


@pytest.mark.parametrize("payload", [b"\xff", b"a\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"cut \xe2\x82"])
def test_refuses_text_that_is_not_utf8(payload: bytes) -> None:
    check(client_frame(FIN | TEXT, payload), [], 1007)
    check(client_frame(TEXT, payload[:1]) + client_frame(FIN, payload[1:]), [], 1007)


def test_joins_a_character_cut_by_fragments() -> None:
    payload = "é€😀".encode()
    data = b"".join(client_frame(CONTINUATION, payload[i : i + 1]) for i in range(1, len(payload)))
    check(client_frame(TEXT, payload[:1]) + data + client_frame(FIN), [(TEXT, "é€😀")])


def test_fails_at_the_first_wrong_byte_of_a_frame_that_has_not_ended() -> None:
    frame = client_frame(FIN | TEXT, b"fine so far \xff and much more")
    end = frame.index(KEY) + 4 + len(b"fine so far ")
    assert decode([frame[:end]]) == ([], None)
    assert decode([frame[:end], frame[end : end + 1]])[1] == (1007, "invalid UTF-8")


def test_fails_in_the_first_wrong_fragment() -> None:
    assert decode([client_frame(TEXT, b"\xff")])[1] == (1007, "invalid UTF-8")


def test_binary_may_hold_anything() -> None:
    check(client_frame(FIN | BINARY, bytes(range(256))), [(BINARY, bytes(range(256)))])


# --- close: RFC 6455, 5.5.1 and 7.4 ---


def test_reads_a_close_frame_without_a_code() -> None:
    check(client_frame(FIN | CLOSE), [(CLOSE, ""), (1005, "close code")])


GOOD_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
BAD_CODES = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]


@pytest.mark.parametrize("code", GOOD_CODES)
def test_reads_valid_close_codes(code: int) -> None:
    check(client_frame(FIN | CLOSE, close_payload(code, "é")), [(CLOSE, "é"), (code, "close code")])
    assert is_sendable(code)


@pytest.mark.parametrize("code", BAD_CODES)
def test_refuses_invalid_close_codes(code: int) -> None:
    check(client_frame(FIN | CLOSE, close_payload(code)), [], 1002)
    assert not is_sendable(code)


def test_refuses_a_close_frame_of_one_byte() -> None:
    check(client_frame(FIN | CLOSE, b"\x03"), [], 1002)


def test_refuses_a_close_reason_that_is_not_utf8() -> None:
    check(client_frame(FIN | CLOSE, close_payload(1000) + b"\xff"), [], 1007)


def test_takes_nothing_after_a_close_frame() -> None:
    check(client_frame(FIN | CLOSE) + client_frame(FIN | TEXT, b"late"), [(CLOSE, ""), (1005, "close code")])


def test_takes_nothing_after_an_error() -> None:
    decoder = FrameDecoder(LIMIT, None)
    decoder.feed(client_frame(FIN | 3))
    with pytest.raises(FrameError):
        decoder.advance()
    decoder.feed(client_frame(FIN | TEXT, b"late"))
    assert not decoder.advance()


# --- compressed messages: RFC 7692, 6 ---


def test_inflates_a_message() -> None:
    check(client_frame(FIN | RSV1 | TEXT, compress(b"Hello" * 20)), [(TEXT, "Hello" * 20)], deflate=True)
    check(client_frame(FIN | RSV1 | BINARY, compress(b"\xff" * 50)), [(BINARY, b"\xff" * 50)], deflate=True)


def test_inflates_the_examples_of_the_rfc() -> None:
    check(client_frame(FIN | RSV1 | TEXT, bytes.fromhex("f248cdc9c90700")), [(TEXT, "Hello")], deflate=True)  # 7.2.3.1
    fragments = client_frame(RSV1 | TEXT, bytes.fromhex("f248cd")) + client_frame(FIN, bytes.fromhex("c9c90700"))
    check(fragments, [(TEXT, "Hello")], deflate=True)
    shared = client_frame(FIN | RSV1 | TEXT, bytes.fromhex("f200110000"))  # 7.2.3.2: by reference to the message before
    check(
        client_frame(FIN | RSV1 | TEXT, bytes.fromhex("f248cdc9c90700")) + shared,
        [(TEXT, "Hello")] * 2,
        deflate=True,
    )
    stored = client_frame(FIN | RSV1 | TEXT, bytes.fromhex("000500faff48656c6c6f00"))  # 7.2.3.3
    check(stored, [(TEXT, "Hello")], deflate=True)
    final = client_frame(FIN | RSV1 | TEXT, bytes.fromhex("f348cdc9c9070000"))  # 7.2.3.4: a block with BFINAL
    check(final * 2, [(TEXT, "Hello")] * 2, deflate=True)
    two_blocks = client_frame(FIN | RSV1 | TEXT, bytes.fromhex("f248050000 00ffffcac9c90700"))  # 7.2.3.5
    check(two_blocks, [(TEXT, "Hello")], deflate=True)


def test_inflates_an_empty_message() -> None:
    check(client_frame(FIN | RSV1 | TEXT, b"\x00"), [(TEXT, "")], deflate=True)  # RFC 7692, 7.2.3.6


def test_takes_plain_messages_where_compression_was_agreed_on() -> None:
    check(client_frame(FIN | TEXT, b"plain"), [(TEXT, "plain")], deflate=True)


def test_refuses_a_compressed_continuation_or_control_frame() -> None:
    check(client_frame(TEXT, b"a") + client_frame(FIN | RSV1, b"b"), [], 1002, deflate=True)
    check(client_frame(FIN | RSV1 | PING), [], 1002, deflate=True)


def test_refuses_what_does_not_inflate() -> None:
    check(client_frame(FIN | RSV1 | BINARY, b"\xff\xff\xff"), [], 1007, deflate=True)


def test_refuses_compressed_text_that_is_not_utf8() -> None:
    check(client_frame(FIN | RSV1 | TEXT, compress(b"\xff")), [], 1007, deflate=True)


def test_refuses_a_message_that_inflates_beyond_the_limit() -> None:
    check(client_frame(FIN | RSV1 | BINARY, compress(bytes(300))), [(BINARY, bytes(300))], limit=300, deflate=True)
    check(client_frame(FIN | RSV1 | BINARY, compress(bytes(301))), [], 1009, limit=300, deflate=True)
    bomb = client_frame(FIN | RSV1 | BINARY, compress(bytes(50_000_000)))
    assert decode([bomb], 100_000, Inflater(DeflateAgreement()))[1] == (1009, "message too big")


def test_refuses_compressed_data_larger_than_any_message_of_the_limit() -> None:
    length = struct.pack("!BH", 0xFE, 300 + 300 // 8 + 1024 + 1)
    check(bytes([FIN | RSV1 | BINARY]) + length, [], 1009, limit=300, deflate=True)


# --- encoding ---


def test_encodes_close_frames() -> None:
    assert encode_close(1000, "") == bytes.fromhex("880203e8")
    assert encode_close(1001, "bye") == bytes.fromhex("880503e9") + b"bye"
    assert encode_close(1005, "no code") == bytes.fromhex("8800")


@pytest.mark.parametrize(("reason", "size"), [("x" * 200, 125), ("é" * 100, 124), ("😀" * 40, 122), ("x" * 123, 125)])
def test_cuts_a_close_reason_between_characters(reason: str, size: int) -> None:
    frame = encode_close(1000, reason)
    assert frame[1] == size == len(frame) - 2
    assert reason.startswith(frame[4:].decode())
