"""Encode HTTP/1.1 response heads and chunks.

Bytes in, values out: no I/O and no ASGI rules. Twin of _writer.pyx, same names and errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from gasgi.answer_length import content_length_of
from gasgi.errors import ASGIMisuse
from gasgi.tables import STATUS_PHRASES, TOKEN_PATTERN

_STATUS_LINES = {status: b"HTTP/1.1 %d %s" % (status, phrase) for status, phrase in STATUS_PHRASES.items()}
_is_name = re.compile(TOKEN_PATTERN).fullmatch
_find_control = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search  # RFC 9110, 5.5
_PLAIN, _DATE, _SERVER, _CONNECTION, _CONTENT_LENGTH, _TRANSFER_ENCODING = range(6)
_KINDS = {
    b"date": _DATE,
    b"server": _SERVER,
    b"connection": _CONNECTION,
    b"content-length": _CONTENT_LENGTH,
    b"transfer-encoding": _TRANSFER_ENCODING,
}


def encode_response_head(
    status: int, headers: Iterable[Iterable[bytes]], server_field: bytes, date_field: bytes
) -> tuple[bytes, int, bool]:
    """Encode the status line and the fields, without the blank line (RFC 9112, 4 and 5).

    Names go out in lower case and in the order given. ``server_field`` and ``date_field`` are whole lines, added unless
    the app sent its own. The app's transfer-encoding and connection are left out: framing is the connection's business;
    so is a content-length where RFC 9110, 8.6 forbids it (1xx, 204) and with 205.

    Returns the bytes, the app's content-length (-1 for none) and whether the app said ``connection: close``.
    Raises ASGIMisuse for a status, name or value that must not reach the wire.
    """
    line = _STATUS_LINES.get(status)
    if line is None:
        if not 100 <= status <= 999:
            raise ASGIMisuse(f"status must be a number from 100 to 999, not {status}")
        line = b"HTTP/1.1 %d " % status
    parts = [line]
    length = -1
    closes = has_server = has_date = False
    for field in headers:
        try:
            name, value = field
        except (TypeError, ValueError):
            raise ASGIMisuse(f"a header must be a pair of name and value, not {field!r}") from None
        if not isinstance(name, bytes) or not isinstance(value, bytes):
            raise ASGIMisuse(f"header names and values must be bytes, not {name!r}: {value!r}")
        start, kind = _start_of_line(name)
        if _find_control(value):
            raise ASGIMisuse(f"control character in the value of header {name!r}")
        if kind:
            if kind == _DATE:
                has_date = True
            elif kind == _SERVER:
                has_server = True
            elif kind == _CONTENT_LENGTH:
                given = content_length_of(bytes(value))
                if length >= 0:
                    if length != given:
                        raise ASGIMisuse(f"content-length given twice: {length} and {given}")
                    continue
                length = given
                if status < 200 or status == 204 or status == 205:
                    continue
            else:
                if kind == _CONNECTION:
                    closes = closes or b"close" in [option.strip(b" \t").lower() for option in value.split(b",")]
                continue
        parts.append(start)
        parts.append(value)
    parts.append(b"\r\n")
    if not has_server:
        parts.append(server_field)
    if not has_date:
        parts.append(date_field)
    return b"".join(parts), length, closes


def join_message(head: bytes, lines: bytes, body: bytes) -> bytes:
    """Join an encoded head, further field lines, the blank line and the first bytes of the body."""
    return b"%b%b\r\n%b" % (head, lines, body)


def encode_chunk(body: bytes) -> bytes:
    """Frame ``body`` as one chunk (RFC 9112, 7.1); an empty piece gives nothing: an empty chunk ends the body."""
    return b"%x\r\n%s\r\n" % (len(body), body) if len(body) else b""


@lru_cache(maxsize=256)
def _start_of_line(name: bytes) -> tuple[bytes, int]:
    """Return the end of the line before, the name and what separates it from the value; and the kind of the field."""
    if not _is_name(name):
        raise ASGIMisuse(f"invalid header name {name!r}")
    name = name.lower()
    return b"\r\n%b: " % name, _KINDS.get(name, _PLAIN)
