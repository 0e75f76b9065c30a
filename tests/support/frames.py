"""The client's side of RFC 6455, 5: frames for tests to send, and what a server wrote read back."""

from __future__ import annotations

import struct
from typing import NamedTuple

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "DEFLATE",
    "FIN",
    "KEY",
    "PING",
    "PONG",
    "RSV1",
    "TEXT",
    "Frame",
    "client_frame",
    "close_frame",
    "close_payload",
    "read_frames",
    "xor",
]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, RSV1 = 0x80, 0x40
KEY = bytes.fromhex("37fa213d")  # RFC 6455, 5.7
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"  # what browsers offer


class Frame(NamedTuple):
    """One frame that a server wrote."""

    opcode: int
    payload: bytes
    is_final: bool = True
    is_compressed: bool = False


def xor(payload: bytes, key: bytes) -> bytes:
    """Mask as RFC 6455, 5.3 says it, byte by byte."""
    return bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def client_frame(first_byte: int, payload: bytes = b"", key: bytes = KEY, length: bytes | None = None) -> bytes:
    """Encode a masked frame; ``length`` replaces the second byte and the extended length."""
    size = len(payload)
    if length is None:
        if size < 126:
            length = bytes([0x80 | size])
        elif size < 65536:
            length = struct.pack("!BH", 0xFE, size)
        else:
            length = struct.pack("!BQ", 0xFF, size)
    masked = xor(payload, key) if any(key) else payload
    return bytes([first_byte]) + length + key + masked


def close_payload(code: int, reason: str = "") -> bytes:
    """What a close frame holds."""
    return struct.pack("!H", code) + reason.encode()


def close_frame(code: int, reason: str = "") -> Frame:
    """Return the close frame that a server is expected to write."""
    return Frame(CLOSE, close_payload(code, reason))


def read_frames(data: bytes) -> list[Frame]:
    """Read the unmasked frames of a server; a mask, a wrong length form or half a frame fails the test."""
    frames = []
    position = 0
    while position < len(data):
        first, size = data[position], data[position + 1]
        assert size < 128, "a server must not mask (RFC 6455, 5.1)"
        position += 2
        if size == 126:
            (size,) = struct.unpack_from("!H", data, position)
            assert size > 125
            position += 2
        elif size == 127:
            (size,) = struct.unpack_from("!Q", data, position)
            assert size > 65535
            position += 8
        payload = data[position : position + size]
        assert len(payload) == size, "half a frame"
        position += size
        frames.append(Frame(first & 15, payload, bool(first & FIN), bool(first & RSV1)))
    return frames
