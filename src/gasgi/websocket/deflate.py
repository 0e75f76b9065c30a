"""Agree on permessage-deflate and compress and inflate messages (RFC 7692).

Bytes in, values out: no I/O, no frames, no ASGI.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gasgi.close_codes import INVALID_DATA, TOO_BIG
from gasgi.errors import FrameError

__all__ = ["DeflateAgreement", "Deflater", "ExtensionOffer", "Inflater", "agree_on_deflate"]

_NAME = "permessage-deflate"
_SERVER_BITS = "server_max_window_bits"
_CLIENT_BITS = "client_max_window_bits"
_SERVER_RESETS = "server_no_context_takeover"
_CLIENT_RESETS = "client_no_context_takeover"
_WINDOW_BITS = {str(bits): bits for bits in range(8, 16)}  # decimal, no leading zeros (RFC 7692, 7.1.2.1)

_TAIL = b"\x00\x00\xff\xff"  # RFC 7692, 7.2.1: the end of a flush, never sent
# What one call may compress before others get their turn: 1 to 2 ms for data that does not compress, at level 1.
_SLICE_BYTES = 32 * 1024
# What one call may inflate: 0.1 to 0.5 ms.
_STEP_BYTES = 128 * 1024
# zlib's hash tables: 2 ** (level + 9) bytes. 5 with a window of 12 bits makes 32 KiB for each sending connection.
_MEMORY_LEVEL = 5
_MIN_ZLIB_BITS = 9  # zlib cannot write raw streams with a window of 8 bits

ExtensionOffer = tuple[str, list[tuple[str, "str | None"]]]
"""An extension's name and its parameters, in order; a parameter without a value has None."""


class DeflateAgreement(NamedTuple):
    """What both sides will do. Window bits are the size of the sender's history, as its base-2 logarithm."""

    server_window_bits: int = 15
    client_window_bits: int = 15
    server_resets: bool = False  # server_no_context_takeover: each message is compressed on its own
    client_resets: bool = False
    answer: str = _NAME  # the value of Sec-WebSocket-Extensions


def agree_on_deflate(offers: Iterable[ExtensionOffer], window_bits: int) -> DeflateAgreement | None:
    """Take the first offer that can be honoured (RFC 7692, 5 and 7.1), with at most ``window_bits`` on either side."""
    for name, parameters in offers:
        if name == _NAME:
            agreement = _answer_offer(parameters, window_bits)
            if agreement is not None:
                return agreement
    return None


def _answer_offer(parameters: list[tuple[str, str | None]], window_bits: int) -> DeflateAgreement | None:
    """Return None to decline: an unknown or repeated parameter, or a value that is not allowed (RFC 7692, 7.1)."""
    server_bits = client_bits = 15
    server_resets = client_resets = client_bits_allowed = False
    seen = set()
    for name, value in parameters:
        if name in seen:
            return None
        seen.add(name)
        if name == _SERVER_RESETS and value is None:
            server_resets = True
        elif name == _CLIENT_RESETS and value is None:
            client_resets = True
        elif name == _SERVER_BITS and value in _WINDOW_BITS:
            server_bits = _WINDOW_BITS[value]
        elif name == _CLIENT_BITS and (value is None or value in _WINDOW_BITS):
            client_bits_allowed = True
            client_bits = 15 if value is None else _WINDOW_BITS[value]
        else:
            return None
    server_bits = min(server_bits, window_bits)
    answer = [_NAME]
    if server_resets:
        answer.append(_SERVER_RESETS)
    if client_resets:
        answer.append(_CLIENT_RESETS)
    if server_bits < 15:
        answer.append(f"{_SERVER_BITS}={server_bits}")
    if client_bits_allowed:
        # RFC 7692, 7.1.2.2: only a client that named the parameter can be told to use less.
        client_bits = min(client_bits, window_bits)
        if client_bits < 15:
            answer.append(f"{_CLIENT_BITS}={client_bits}")
    return DeflateAgreement(server_bits, client_bits, server_resets, client_resets, "; ".join(answer))


class Deflater:
    """Compress the messages of one connection. Allocates zlib state lazily, on the first message."""

    def __init__(self, agreement: DeflateAgreement, level: int) -> None:
        self._bits = agreement.server_window_bits
        self._resets = agreement.server_resets
        self._level = level
        self._compressor: zlib._Compress | None = None
        self.can_compress = self._bits >= _MIN_ZLIB_BITS

    def deflate(self, payload: bytes) -> bytes:
        """Compress one message (RFC 7692, 7.2.1)."""
        parts = list(self.deflate_in_slices(payload))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def deflate_in_slices(self, payload: bytes) -> Iterator[bytes]:
        """Compress one message piece by piece; once begun, go to the end before anything else is compressed."""
        compressor = self._compressor
        if compressor is None:
            compressor = self._compressor = zlib.compressobj(self._level, zlib.DEFLATED, -self._bits, _MEMORY_LEVEL)
        size = len(payload)
        if size <= _SLICE_BYTES:
            data = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
            yield data[:-4]
        else:
            with memoryview(payload) as view:
                for start in range(0, size, _SLICE_BYTES):
                    yield compressor.compress(view[start : start + _SLICE_BYTES])
            yield compressor.flush(zlib.Z_SYNC_FLUSH)[:-4]
        if self._resets:
            self._compressor = None


class Inflater:
    """Inflate the messages of one connection. Allocates zlib state lazily, on the first message."""

    def __init__(self, agreement: DeflateAgreement) -> None:
        self._bits = agreement.client_window_bits
        self._resets = agreement.client_resets
        self._decompressor: zlib._Decompress | None = None

        # The message under way
        self._compressed = b""
        self._position = 0  # up to here zlib has it
        self._room = 0  # what it may still inflate to
        self._parts: list[bytes] = []

    def inflate(self, payload: bytes, limit_bytes: int) -> bytes | None:
        """Inflate one message (RFC 7692, 7.2.2); raise FrameError 1009 before more than ``limit_bytes`` are made.

        None: it takes longer. Call ``inflate_on`` until that returns the message, and do nothing else in between.
        """
        self._compressed = payload
        self._position = 0
        self._room = limit_bytes
        return self.inflate_on()

    def inflate_on(self) -> bytes | None:
        """Inflate the next step of the message; return the whole message after the last one."""
        decompressor = self._decompressor
        if decompressor is None:
            # zlib reads a window of 8 bits with 9 as well, and knows no smaller one for raw streams everywhere.
            decompressor = self._decompressor = zlib.decompressobj(-max(self._bits, _MIN_ZLIB_BITS))
        data = decompressor.unconsumed_tail or self._next_slice()
        step_bytes = min(_STEP_BYTES, self._room + 1)
        try:
            part = decompressor.decompress(data, step_bytes)
        except zlib.error as exc:
            raise FrameError(INVALID_DATA, "invalid compressed data") from exc
        self._room -= len(part)
        if self._room < 0:
            raise FrameError(TOO_BIG, "message too big")
        is_all_read = self._position > len(self._compressed)
        if decompressor.eof:
            # RFC 7692, 7.2.3.4: a final block ends zlib's stream. Only the padding may follow: starting again for
            # every final block that a message may hold would take quadratic time.
            behind = decompressor.unused_data
            if not is_all_read:
                behind += self._compressed[self._position :] + _TAIL
            if behind.lstrip(b"\0") != _TAIL[2:]:
                raise FrameError(INVALID_DATA, "data after the final block")
            self._decompressor = None
        elif len(part) == step_bytes or not is_all_read:
            self._parts.append(part)
            return None
        if self._resets:
            self._decompressor = None
        self._compressed = b""
        if self._parts:
            parts, self._parts = self._parts, []
            parts.append(part)
            return b"".join(parts)
        return part

    def _next_slice(self) -> bytes:
        """Return what zlib gets next; empty when all of it was given and only what it holds back is to come."""
        start = self._position
        size = len(self._compressed)
        if start > size:
            return b""
        if size - start <= _SLICE_BYTES:
            self._position = size + 1  # the tail too
            return (self._compressed[start:] if start else self._compressed) + _TAIL
        self._position = start + _SLICE_BYTES
        return self._compressed[start : self._position]
