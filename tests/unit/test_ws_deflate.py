"""Agreeing on permessage-deflate and what it does to messages (RFC 7692)."""

from __future__ import annotations

import random
import zlib

import pytest

from gasgi.errors import FrameError
from gasgi.websocket.deflate import DeflateAgreement, Deflater, Inflater, agree_on_deflate
from gasgi.websocket.handshake import read_extensions

NOISE = random.Random(7692).randbytes(200_000)
MESSAGES = [b"", b"a", b"hello " * 50, b"hello " * 51, NOISE[:5000], NOISE, b"x" * 300_000]


def answer(offer: str, window_bits: int = 15) -> str | None:
    agreement = agree_on_deflate(read_extensions(offer.encode()), window_bits)
    return None if agreement is None else agreement.answer


@pytest.mark.parametrize(
    ("offer", "expected"),
    [
        ("permessage-deflate", "permessage-deflate"),
        ("permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover"),
        ("permessage-deflate; client_no_context_takeover", "permessage-deflate; client_no_context_takeover"),
        ("permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10"),
        ('permessage-deflate; server_max_window_bits="10"', "permessage-deflate; server_max_window_bits=10"),
        ("permessage-deflate; server_max_window_bits=15", "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits=9", "permessage-deflate; client_max_window_bits=9"),
        ("permessage-deflate; client_max_window_bits=15", "permessage-deflate"),
        (
            "permessage-deflate; client_max_window_bits=11; server_max_window_bits=8; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=8; client_max_window_bits=11",
        ),
        ("x-webkit-deflate-frame, permessage-deflate", "permessage-deflate"),
        ("permessage-deflate; no_such=1, permessage-deflate; server_max_window_bits=9, permessage-deflate",
         "permessage-deflate; server_max_window_bits=9"),
    ],
)  # fmt: skip
def test_answers_the_first_offer_it_can_honour(offer: str, expected: str) -> None:
    assert answer(offer) == expected


@pytest.mark.parametrize(
    "offer",
    [
        "permessage-bzip2",
        "permessage-deflate; unknown",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=x",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
    ],
)
def test_declines_offers_as_the_rfc_says(offer: str) -> None:
    assert answer(offer) is None  # RFC 7692, 7.1


def test_uses_windows_no_larger_than_the_setting() -> None:
    assert answer("permessage-deflate", 12) == "permessage-deflate; server_max_window_bits=12"
    assert (
        answer("permessage-deflate; client_max_window_bits", 12)
        == "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
    )
    assert (
        answer("permessage-deflate; client_max_window_bits=9; server_max_window_bits=10", 12)
        == "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9"
    )


def test_does_not_tell_a_client_that_did_not_ask_how_large_its_window_is() -> None:
    agreement = agree_on_deflate(read_extensions(b"permessage-deflate"), 9)
    assert agreement is not None
    assert agreement.client_window_bits == 15  # RFC 7692, 7.1.2.2
    assert "client_max_window_bits" not in agreement.answer


def mirror(bits: int, resets: bool) -> tuple[Deflater, Inflater]:
    """A sender, and a receiver that agrees with it."""
    return (
        Deflater(DeflateAgreement(server_window_bits=bits, server_resets=resets), 1),
        Inflater(DeflateAgreement(client_window_bits=bits, client_resets=resets)),
    )


def inflate(inflater: Inflater, compressed: bytes, limit_bytes: int) -> bytes:
    """Inflate a message of any size."""
    message = inflater.inflate(compressed, limit_bytes)
    while message is None:
        message = inflater.inflate_on()
    return message


@pytest.mark.parametrize("bits", range(9, 16))
@pytest.mark.parametrize("resets", [False, True])
def test_what_is_deflated_inflates_again(bits: int, resets: bool) -> None:
    deflater, inflater = mirror(bits, resets)
    for message in MESSAGES * 2:
        compressed = deflater.deflate(message)
        assert not compressed.endswith(b"\x00\x00\xff\xff")
        assert inflate(inflater, compressed, 1_000_000) == message


def test_context_takeover_makes_the_second_message_smaller() -> None:
    message = NOISE[:300]
    deflater, _ = mirror(15, False)
    assert len(deflater.deflate(message)) > 300 > 100 > len(deflater.deflate(message))


def test_without_context_takeover_messages_stand_alone() -> None:
    message = NOISE[:300]
    deflater, _ = mirror(15, True)
    first = deflater.deflate(message)
    assert deflater.deflate(message) == first
    assert mirror(15, False)[1].inflate(first, 1000) == message


def test_the_receiver_forgets_where_the_client_resets() -> None:
    deflater, _ = mirror(15, False)
    deflater.deflate(b"something to refer to, " * 10)
    referring = deflater.deflate(b"something to refer to, " * 10)
    with pytest.raises(FrameError) as caught:
        mirror(15, True)[1].inflate(referring, 10_000)
    assert caught.value.close_code == 1007


def test_a_window_of_8_bits_is_read_but_not_written() -> None:
    # zlib writes no raw stream with 8 bits; sending plain messages is always allowed (RFC 7692, 6).
    agreement = DeflateAgreement(server_window_bits=8, client_window_bits=8)
    assert not Deflater(agreement, 1).can_compress
    assert Inflater(agreement).inflate(bytes.fromhex("f248cdc9c90700"), 10) == b"Hello"


def test_slices_make_the_same_message_as_one_go() -> None:
    for message in (NOISE, b"x" * 300_000, b"short"):
        sliced, whole = mirror(12, False)[0], mirror(12, False)[0]
        parts = list(sliced.deflate_in_slices(message))
        assert b"".join(parts) == whole.deflate(message)
        assert len(parts) >= len(message) // 65536


@pytest.mark.parametrize("message", [NOISE * 4, bytes(5_000_000), b"some words " * 100_000], ids=["noise", "0", "text"])
@pytest.mark.parametrize("resets", [False, True])
def test_inflates_a_large_message_in_bounded_steps(message: bytes, resets: bool) -> None:
    deflater, inflater = mirror(15, resets)
    compressed = deflater.deflate(message)
    steps = 1
    inflated = inflater.inflate(compressed, len(message))
    while inflated is None:
        steps += 1
        inflated = inflater.inflate_on()
    assert inflated == message
    assert steps >= len(message) // 131072
    # The context of both sides goes on, or begins anew, behind it.
    assert inflate(inflater, deflater.deflate(message), len(message)) == message


@pytest.mark.parametrize("size", [131_071, 131_072, 131_073, 262_144])
def test_inflates_what_ends_with_a_step(size: int) -> None:
    deflater, inflater = mirror(15, False)
    for message in (NOISE[:1] * size, (NOISE * 2)[:size]):
        assert inflate(inflater, deflater.deflate(message), size) == message


@pytest.mark.parametrize("size", [32_764, 32_768, 32_769, 65_536])
def test_inflates_what_is_read_in_slices(size: int) -> None:
    compressed = mirror(15, False)[0].deflate((NOISE * 2)[:size])
    for start in range(-8, 9):
        # Empty blocks (RFC 1951, 3.2.4) move where the slices lie.
        padded = b"\x00\x00\x00\xff\xff" * (8 + start) + compressed
        assert inflate(mirror(15, False)[1], padded, size) == (NOISE * 2)[:size]


def test_a_bomb_of_many_steps_is_refused_at_the_limit() -> None:
    compressed = mirror(15, False)[0].deflate(bytes(50_000_000))
    inflater = mirror(15, False)[1]
    with pytest.raises(FrameError) as caught:
        inflate(inflater, compressed, 1_000_000)
    assert caught.value.close_code == 1009


def test_a_large_message_may_end_in_a_final_block() -> None:
    compressor = zlib.compressobj(wbits=-15)
    final = compressor.compress(NOISE * 2) + compressor.flush()
    inflater = Inflater(DeflateAgreement())
    for padding in (b"", b"\0", bytes(70_000)):
        assert inflate(inflater, final + padding, 1_000_000) == NOISE * 2
    with pytest.raises(FrameError) as caught:
        inflate(inflater, final + final, 10_000_000)
    assert caught.value.close_code == 1007


@pytest.mark.parametrize("size", [1000, 5000])
def test_inflates_up_to_the_limit_and_no_further(size: int) -> None:
    compressed = mirror(15, False)[0].deflate(b"z" * size)
    assert mirror(15, False)[1].inflate(compressed, size) == b"z" * size
    with pytest.raises(FrameError) as caught:
        mirror(15, False)[1].inflate(compressed, size - 1)
    assert caught.value.close_code == 1009


@pytest.mark.parametrize("data", [b"\xff", b"\x07" * 10, b"\x03\x00" * 1000, b"\x03\x00trailing"])
def test_refuses_data_that_is_no_deflate(data: bytes) -> None:
    with pytest.raises(FrameError) as caught:
        Inflater(DeflateAgreement()).inflate(data, 1000)
    assert caught.value.close_code == 1007


def test_reads_on_after_a_final_block() -> None:
    inflater = Inflater(DeflateAgreement())
    final = bytes.fromhex("f348cdc9c9070000")  # RFC 7692, 7.2.3.4
    for data in (final, final[:-1], final):
        assert inflater.inflate(data, 10) == b"Hello"
