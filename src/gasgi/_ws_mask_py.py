"""Unmask what clients send, put messages together and encode frames (RFC 6455, 5).

Bytes in, values out: no I/O, no protocol rules. Twin of _ws_mask.pyx, same names and errors.
"""

from __future__ import annotations

import codecs
import sys
from struct import Struct

__all__ = ["MessageBuffer", "apply_mask", "encode_frame", "encode_frame_header", "held_bytes", "unmask", "unmask_text"]

_LENGTH_16 = Struct("!BBH").pack
_LENGTH_64 = Struct("!BBQ").pack
# Up to here one XOR of two big integers is quicker, above it four translated slices (1 KiB: both take 4.5 µs).
_INTEGER_BYTES = 1024
_TABLES: list[bytes] = []  # made when first needed: 64 KiB
# What Python needs for a text that is not ASCII beside its characters and the one that ends them.
_TEXT_BYTES = sys.getsizeof(b"\xe9\xe9".decode("latin-1")) - 3


def apply_mask(data: bytes, key: bytes) -> bytes:
    """XOR ``data`` with the four bytes of ``key``, over and over (RFC 6455, 5.3)."""
    if len(key) != 4:
        raise ValueError("a masking key has four bytes")
    size = len(data)
    if size <= _INTEGER_BYTES:
        keys = (key * ((size + 3) // 4))[:size]
        return (int.from_bytes(data, "little") ^ int.from_bytes(keys, "little")).to_bytes(size, "little")
    if not _TABLES:
        _TABLES.extend(bytes(byte ^ i for i in range(256)) for byte in range(256))
    result = bytearray(size)
    for i in range(4):
        result[i::4] = data[i::4].translate(_TABLES[key[i]])
    return bytes(result)


def unmask(data: bytes, start: int, stop: int) -> bytes:
    """Unmask ``data[start:stop]`` with the key that stands in the four bytes before ``start``."""
    _check_range(data, start, stop, 4)
    return apply_mask(data[start:stop], data[start - 4 : start])


def unmask_text(data: bytes, start: int, stop: int) -> str:
    """Unmask ``data[start:stop]`` as ``unmask`` does and decode it; raise UnicodeDecodeError."""
    return unmask(data, start, stop).decode()


def held_bytes(payload: bytes | str) -> int:
    """Return how many bytes of memory the payload takes: a character of text takes 1, 2 or 4, like the widest of it."""
    size = len(payload)
    if isinstance(payload, bytes) or payload.isascii():
        return size
    if size == 1:  # Python shares some of these, with more at them than their character
        return 1 if payload < "\u0100" else 2 if payload < "\U00010000" else 4
    return size * ((sys.getsizeof(payload) - _TEXT_BYTES) // (size + 1))


def encode_frame(first_byte: int, payload: bytes | str) -> bytes:
    """Encode one unmasked frame: ``first_byte`` holds FIN, the RSV bits and the opcode; text goes out as UTF-8."""
    body = payload.encode() if isinstance(payload, str) else payload
    return encode_frame_header(first_byte, len(body)) + body


def encode_frame_header(first_byte: int, length: int) -> bytes:
    """Encode the header of an unmasked frame, with the length in its shortest form (RFC 6455, 5.2)."""
    if length < 126:
        return bytes((first_byte, length))
    if length < 65536:
        return _LENGTH_16(first_byte, 126, length)
    return _LENGTH_64(first_byte, 127, length)


class MessageBuffer:
    """Collect the payload of a message that arrives in pieces, in time linear to its size."""

    def __init__(self) -> None:
        self._payload = bytearray()
        self._key = b""
        self._phase = 0  # how far into the key the frame is
        self._checked = 0  # up to here the payload is known to be whole UTF-8 characters

    @property
    def size(self) -> int:
        """How many bytes the message has so far."""
        return len(self._payload)

    def start_frame(self, data: bytes, start: int, length: int) -> None:
        """Begin a frame of ``length`` bytes; its key stands in the four bytes of ``data`` before ``start``."""
        _check_range(data, start, start, 4)
        self._key = data[start - 4 : start]
        self._phase = 0

    def append(self, data: bytes, start: int, stop: int) -> None:
        """Unmask ``data[start:stop]``, the next piece of the frame, and add it to the message."""
        _check_range(data, start, stop, 0)
        phase = self._phase
        self._payload += apply_mask(data[start:stop], (self._key + self._key)[phase : phase + 4])
        self._phase = (phase + stop - start) & 3

    def is_text(self, is_whole: bool) -> bool:
        """Tell whether the payload is UTF-8, or the beginning of it unless ``is_whole``; looks at each byte once."""
        with memoryview(self._payload) as payload:
            try:
                self._checked += codecs.utf_8_decode(payload[self._checked :], "strict", is_whole)[1]
            except UnicodeDecodeError:
                return False
            # Python waits for the third byte of a surrogate, which no third byte can make right (RFC 3629, 3).
            rest = payload[self._checked :]
            return not (len(rest) == 2 and rest[0] == 0xED and rest[1] >= 0xA0)

    def take(self) -> bytes:
        """Return the message and be empty again."""
        payload, self._payload = self._payload, bytearray()
        self._checked = 0
        return bytes(payload)

    def take_text(self) -> str:
        """Return the message as text and be empty again; raise UnicodeDecodeError."""
        payload, self._payload = self._payload, bytearray()
        self._checked = 0
        return payload.decode()


def _check_range(data: bytes, start: int, stop: int, before: int) -> None:
    if not before <= start <= stop <= len(data):
        raise ValueError("range outside the data")
