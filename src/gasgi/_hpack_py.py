"""Decode and encode the header blocks of HTTP/2 (HPACK, RFC 7541), and check the fields of answers.

Bytes in, pairs out, and back: no streams, no I/O, no rules of messages. Twin of _hpack.pyx, same names and errors.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from gasgi.answer_length import content_length_of
from gasgi.errors import ASGIMisuse, Http2Error, RequestError
from gasgi.hpack_tables import (
    CONNECTION_FIELDS,
    DEFAULT_TABLE_BYTES,
    ENTRY_OVERHEAD,
    HUFFMAN_ACCEPTS,
    HUFFMAN_CODES,
    HUFFMAN_EMITS,
    HUFFMAN_FAILS,
    HUFFMAN_STEPS,
    INTEGER_MAX,
    NEVER_INDEXED,
    REMEMBERED_VALUES,
    STATIC_NAMES,
    STATIC_STATUSES,
    STATIC_TABLE,
    VOLATILE,
)
from gasgi.http2_codes import COMPRESSION_ERROR
from gasgi.tables import COMMON_FIELD_NAMES, TOKEN_PATTERN

__all__ = ["Field", "HpackDecoder", "HpackEncoder", "check_fields"]

Field = tuple[bytes, bytes]

_KNOWN_NAMES = {name: name for name in [*STATIC_NAMES, *(name.lower() for name in COMMON_FIELD_NAMES)]}
_is_name = re.compile(rb":?[!#$%&'*+\-.^_`|~0-9a-z]+").fullmatch  # RFC 9113, 8.2.1: no capitals
_is_token = re.compile(TOKEN_PATTERN).fullmatch
_find_control = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search  # RFC 9110, 5.5
_BLANKS = b" \t"
_SHORT_BYTES = 256  # longer strings, and secrets, are not kept for the next answer
_INDEXED_STATUS = {status: bytes((0x80 | index,)) for status, index in STATIC_STATUSES.items()}


class _Entry(NamedTuple):
    """A field as a table holds it: what it counts there and in a list, and what no message may have of it."""

    field: Field
    size: int
    flaw: str


def _entry(name: bytes, value: bytes) -> _Entry:
    flaw = ""
    if not _is_name(name):
        flaw = "field name is not a token in lower case"
    elif _find_control(value):
        flaw = "control character in a field value"
    elif value != value.strip(_BLANKS):
        flaw = "field value begins or ends with whitespace"
    return _Entry((name, value), len(name) + len(value) + ENTRY_OVERHEAD, flaw)


_STATIC_ENTRIES = [_entry(_KNOWN_NAMES[name], value) for name, value in STATIC_TABLE]


class HpackDecoder:
    """Decode the header blocks of one connection, in the order they come.

    ``max_table_bytes`` is the SETTINGS_HEADER_TABLE_SIZE that the peer was told. ``flaw`` tells of the last block what
    makes its message malformed (RFC 9113, 8.2.1), or is empty: each field is looked at when it enters the table.
    """

    def __init__(
        self, max_table_bytes: int = DEFAULT_TABLE_BYTES, max_list_bytes: int = 65536, max_fields: int = 105
    ) -> None:
        # Fixed for the connection
        self._max_table_bytes = max_table_bytes
        self._max_list_bytes = max_list_bytes
        self._max_fields = max_fields

        # The dynamic table, the newest first
        self._entries: deque[_Entry] = deque()
        self._size = 0
        self._table_bytes = min(max_table_bytes, DEFAULT_TABLE_BYTES)

        # Per block
        self.flaw = ""

    def decode(self, block: bytes) -> list[Field]:
        """Return the fields of a whole header block.

        Raises Http2Error (COMPRESSION_ERROR), after which nothing more must be decoded, and RequestError (431) for a
        list with more fields or more bytes (RFC 9113, 6.5.2) than allowed: that block is read to its end, so that the
        table stays in step, and the next one can be decoded.
        """
        fields: list[Field] = []
        too_much = ""
        list_bytes = count = position = 0
        size = len(block)
        self.flaw = ""
        while position < size:
            first = block[position]
            if first & 0x80:
                index, position = _read_integer(block, position, 0x7F)
                entry = self._entry_at(index)
            elif first & 0x40:
                entry, position = self._read_literal(block, position, 0x3F)
                self._insert(entry)
            elif first & 0x20:
                if count:
                    raise Http2Error(COMPRESSION_ERROR, "table size update after a field")
                table_bytes, position = _read_integer(block, position, 0x1F)
                self._resize(table_bytes)
                continue
            else:
                entry, position = self._read_literal(block, position, 0x0F)
            count += 1
            list_bytes += entry.size
            if count > self._max_fields:
                too_much = too_much or "too many fields"
            elif list_bytes > self._max_list_bytes:
                too_much = too_much or "header list is too large"
            if too_much:
                fields.clear()
                continue
            if entry.flaw and not self.flaw:
                self.flaw = entry.flaw
            fields.append(entry.field)
        if too_much:
            raise RequestError(431, too_much)
        return fields

    def _entry_at(self, index: int) -> _Entry:
        if 0 < index <= len(_STATIC_ENTRIES):
            return _STATIC_ENTRIES[index - 1]
        index -= len(_STATIC_ENTRIES) + 1
        if not 0 <= index < len(self._entries):
            raise Http2Error(COMPRESSION_ERROR, "index outside the header tables")
        return self._entries[index]

    def _read_literal(self, block: bytes, position: int, mask: int) -> tuple[_Entry, int]:
        index, position = _read_integer(block, position, mask)
        if index:
            name = self._entry_at(index).field[0]
        else:
            name, position = _read_string(block, position)
            name = _KNOWN_NAMES.get(name, name)
        value, position = _read_string(block, position)
        return _entry(name, value), position

    def _insert(self, entry: _Entry) -> None:
        # RFC 7541, 4.4: one that is larger than the table leaves it empty.
        self._evict(self._table_bytes - entry.size)
        if entry.size <= self._table_bytes:
            self._entries.appendleft(entry)
            self._size += entry.size

    def _resize(self, table_bytes: int) -> None:
        if table_bytes > self._max_table_bytes:
            raise Http2Error(COMPRESSION_ERROR, "table size update above the setting")
        self._table_bytes = table_bytes
        self._evict(table_bytes)

    def _evict(self, keep_bytes: int) -> None:
        while self._entries and self._size > keep_bytes:
            self._size -= self._entries.pop().size


def _read_integer(block: bytes, position: int, mask: int) -> tuple[int, int]:
    """Read an integer whose prefix is ``mask`` (RFC 7541, 5.1); return it and the position after it."""
    number = block[position] & mask
    position += 1
    if number < mask:
        return number, position
    for shift in (0, 7, 14, 21, 28):
        if position == len(block):
            raise Http2Error(COMPRESSION_ERROR, "header block ends within an integer")
        octet = block[position]
        position += 1
        number += (octet & 0x7F) << shift
        if octet < 0x80:
            if number > INTEGER_MAX:
                break
            return number, position
    raise Http2Error(COMPRESSION_ERROR, "integer is too large")


def _read_string(block: bytes, position: int) -> tuple[bytes, int]:
    if position == len(block):
        raise Http2Error(COMPRESSION_ERROR, "header block ends within a field")
    is_huffman = block[position] & 0x80
    length, position = _read_integer(block, position, 0x7F)
    if length > len(block) - position:
        raise Http2Error(COMPRESSION_ERROR, "header block ends within a string")
    octets = block[position : position + length]
    return _decode_huffman(octets) if is_huffman else octets, position + length


def _decode_huffman(octets: bytes) -> bytes:
    symbols = bytearray()
    step = HUFFMAN_ACCEPTS
    for octet in octets:
        for nibble in (octet >> 4, octet & 15):
            step = HUFFMAN_STEPS[(step & 0xFF) << 4 | nibble]
            if step & (HUFFMAN_EMITS | HUFFMAN_FAILS):
                if step & HUFFMAN_FAILS:
                    raise Http2Error(COMPRESSION_ERROR, "EOS in a Huffman string")
                symbols.append(step >> 8 & 0xFF)
    if not step & HUFFMAN_ACCEPTS:
        raise Http2Error(COMPRESSION_ERROR, "invalid padding of a Huffman string")
    return bytes(symbols)


def check_fields(
    status: int, headers: Iterable[Iterable[bytes]], server: Field | None, date: Field | None
) -> tuple[list[Field], int]:
    """Return the fields of a response as they may be sent, and the app's content-length (-1 for none).

    The rules are those of the HTTP/1.1 head (``encode_response_head``): names in lower case and in the order given,
    ``server`` and ``date`` added unless the app sent its own, and fields that are the connection's business left out
    (RFC 9113, 8.2.2). Blanks around a value go (8.2.1). Raises ASGIMisuse for a status, name or value that must not
    reach the wire.
    """
    if not 100 <= status <= 999:
        raise ASGIMisuse(f"status must be a number from 100 to 999, not {status}")
    fields: list[Field] = []
    length = -1
    for header in headers:
        try:
            name, value = header
        except (TypeError, ValueError):
            raise ASGIMisuse(f"a header must be a pair of name and value, not {header!r}") from None
        if not isinstance(name, bytes) or not isinstance(value, bytes):
            raise ASGIMisuse(f"header names and values must be bytes, not {name!r}: {value!r}")
        name = _lower_name(name)
        if _find_control(value):
            raise ASGIMisuse(f"control character in the value of header {name!r}")
        value = bytes(value).strip(_BLANKS)
        if name == b"date":
            date = None
        elif name == b"server":
            server = None
        elif name == b"content-length":
            given = content_length_of(value)
            if length >= 0:
                if length != given:
                    raise ASGIMisuse(f"content-length given twice: {length} and {given}")
                continue
            length = given
            if status < 200 or status == 204 or status == 205:
                continue
        elif name in CONNECTION_FIELDS:
            continue
        fields.append((name, value))
    if server is not None:
        fields.append(server)
    if date is not None:
        fields.append(date)
    return fields, length


@lru_cache(maxsize=256)
def _lower_name(name: bytes) -> bytes:
    if not _is_token(name):
        raise ASGIMisuse(f"invalid header name {name!r}")
    return bytes(name).lower()


class HpackEncoder:
    """Encode the header blocks of one connection; they must be sent in the order they were encoded.

    A value gets its place in the table when it comes the second time, so that values that never come again push
    nothing out.
    """

    def __init__(self) -> None:
        # The dynamic table, the oldest first: its number, counted from the first one that was ever inserted
        self._numbers: dict[Field, int] = {}
        self._size = 0
        self._inserted = 0
        self._table_bytes = DEFAULT_TABLE_BYTES
        self._seen = [0] * REMEMBERED_VALUES

        # What the peer has not been told yet
        self._smallest = -1

    def set_max_table_bytes(self, size: int) -> None:
        """Obey the peer's SETTINGS_HEADER_TABLE_SIZE; the next block begins with the update (RFC 7541, 4.2)."""
        size = min(size, DEFAULT_TABLE_BYTES)
        if size == self._table_bytes and self._smallest < 0:
            return
        self._smallest = size if self._smallest < 0 else min(size, self._smallest)
        self._table_bytes = size
        self._evict(size)

    def encode(self, status: int, fields: Iterable[Field]) -> bytes:
        """Encode the head of a response; ``fields`` come from ``check_fields``, or are known to be as valid."""
        parts = self._updates()
        parts.append(_INDEXED_STATUS.get(status) or b"\x08\x03%d" % status)
        parts.extend(self._encode_field(field) for field in fields)
        return b"".join(parts)

    def encode_trailers(self, fields: Iterable[Field]) -> bytes:
        """Encode fields without a status."""
        parts = self._updates()
        parts.extend(self._encode_field(field) for field in fields)
        return b"".join(parts)

    def _updates(self) -> list[bytes]:
        smallest = self._smallest
        if smallest < 0:
            return []
        self._smallest = -1
        sizes = {smallest: None, self._table_bytes: None}
        return [_encode_integer(0x20, 0x1F, size) for size in sizes]

    def _encode_field(self, field: Field) -> bytes:
        name, value = field
        if name in NEVER_INDEXED:
            return _encode_literal(0x10, 0x0F, name, value)
        if name in VOLATILE:
            return _encode_literal(0, 0x0F, name, value)
        number = self._numbers.get(field)
        if number is not None:
            return _encode_integer(0x80, 0x7F, len(STATIC_TABLE) + self._inserted - number)
        size = len(name) + len(value) + ENTRY_OVERHEAD
        if size > self._table_bytes // 4 or not self._was_seen(name, value):
            return _encode_literal(0, 0x0F, name, value)
        self._evict(self._table_bytes - size)
        self._numbers[field] = self._inserted
        self._inserted += 1
        self._size += size
        return _encode_literal(0x40, 0x3F, name, value)

    def _was_seen(self, name: bytes, value: bytes) -> bool:
        """Whether the value came before, as far as a few remembered numbers can tell; remembers it."""
        word = int.from_bytes(value[-8:], "little")
        key = (word * 0x9E3779B97F4A7C15 + (len(name) << 16) + len(value) + 1) & 0xFFFFFFFFFFFFFFFF
        slot = key >> 58
        if self._seen[slot] == key:
            return True
        self._seen[slot] = key
        return False

    def _evict(self, keep_bytes: int) -> None:
        while self._size > keep_bytes:
            name, value = oldest = next(iter(self._numbers))
            del self._numbers[oldest]
            self._size -= len(name) + len(value) + ENTRY_OVERHEAD


def _encode_integer(flags: int, mask: int, number: int) -> bytes:
    if number < mask:
        return bytes((flags | number,))
    octets = bytearray((flags | mask,))
    number -= mask
    while number >= 0x80:
        octets.append(0x80 | number & 0x7F)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def _encode_literal(flags: int, mask: int, name: bytes, value: bytes) -> bytes:
    index = STATIC_NAMES.get(name, 0)
    start = _encode_integer(flags, mask, index)
    if not index:
        start += _encode_short(name)
    if len(value) > _SHORT_BYTES or name in NEVER_INDEXED:
        return start + _encode_string(value)
    return start + _encode_short(value)


def _encode_string(octets: bytes) -> bytes:
    """Encode with Huffman where that is shorter (RFC 7541, 5.2)."""
    coded = bytearray()
    code = bits = 0
    for octet in octets:
        symbol, length = HUFFMAN_CODES[octet]
        code = code << length | symbol
        bits += length
        while bits >= 8:
            bits -= 8
            coded.append(code >> bits)
            code &= (1 << bits) - 1
    if bits:
        coded.append(code << 8 - bits | 0xFF >> bits)
    if len(coded) >= len(octets):
        return _encode_integer(0, 0x7F, len(octets)) + octets
    return _encode_integer(0x80, 0x7F, len(coded)) + bytes(coded)


_encode_short = lru_cache(maxsize=256)(_encode_string)
