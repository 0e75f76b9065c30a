"""Decode the body of one request: a counted body (RFC 9112, 6.2) or a chunked one (7.1).

Bytes in, body bytes out, and where the message ends: httptools says neither where in its input a body ends, so that a
pipelined request after it could be held back, nor does it bound chunk lines and trailers. No I/O, no ASGI.
"""

from __future__ import annotations

import re

from gasgi.errors import RequestError
from gasgi.tables import FORBIDDEN_TRAILERS, TOKEN_PATTERN

__all__ = ["ChunkedBody", "LengthBody", "MessageBody"]

_NOTHING = b""
# Sixteen hexadecimal digits are 64 bits; the sign bit must not be among them.
_SIZE_DIGITS_MAX = 16
_SIZE_MAX = 2**63 - 1

# After so many lines the loop serves the others: a read of 256 KiB may hold 43,000 chunks, which say next to nothing.
_LINES_PER_TURN = 256

# RFC 9112, 7.1.1. What an extension says is ignored, its grammar is not: whoever reads an unclosed quote differently
# finds another end of the line.
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
_CHUNK_LINE = re.compile(
    rb"([0-9A-Fa-f]{1,16})"
    rb"(?:[\t ]*;[\t ]*%(token)b(?:[\t ]*=[\t ]*(?:%(token)b|%(quoted)b))?)*\r"
    % {b"token": TOKEN_PATTERN, b"quoted": _QUOTED}
)
# RFC 9110, 5.1 and 5.5: token ":" field-value. A folded line starts with a blank, so it is none.
_TRAILER_LINE = re.compile(rb"(%b):[\t -~\x80-\xff]*\r" % TOKEN_PATTERN)

# The value of each hexadecimal digit; 16 for a byte that is none.
_DIGITS = bytes([int(chr(byte), 16) if chr(byte) in "0123456789abcdefABCDEF" else 16 for byte in range(256)])
# So many digits of a usual size line are read without looking for its end: 28 bits.
_USUAL_DIGITS = 7
_CR = 13
_LF = 10

# ChunkedBody._state. Who moves it: ``feed``.
#   SIZE_LINE --size--> DATA --all of it--> DATA_END --CRLF--> SIZE_LINE
#   SIZE_LINE --size 0--> TRAILERS --empty line--> COMPLETE
_SIZE_LINE = 0
_DATA = 1
_DATA_END = 2
_TRAILERS = 3
_COMPLETE = 4


class MessageBody:
    """What the inbox knows of a body, whatever ends it."""

    def __init__(self) -> None:
        self.is_complete = False
        self._leftover = _NOTHING

    def feed(self, data: bytes) -> bytes:
        """Return the body bytes in ``data``: ``data`` itself when all of it is. Raise RequestError once.

        The rest is left over: what lies after the body, or what takes more work than a turn of the loop has room for.
        """
        raise NotImplementedError

    def take_leftover(self) -> bytes:
        """Return the bytes that were not decoded and forget them."""
        leftover = self._leftover
        self._leftover = _NOTHING
        return leftover


class LengthBody(MessageBody):
    """A body of exactly ``length`` bytes."""

    def __init__(self, length: int) -> None:
        self.is_complete = length == 0
        self._leftover = _NOTHING
        self._remaining = length

    def feed(self, data: bytes) -> bytes:
        size = len(data)
        if size < self._remaining:
            self._remaining -= size
            return data
        if self.is_complete:
            self._leftover += data
            return _NOTHING
        if size == self._remaining:
            self._remaining = 0
            self.is_complete = True
            return data
        body = data[: self._remaining]
        self._leftover = data[self._remaining :]
        self._remaining = 0
        self.is_complete = True
        return body


class ChunkedBody(MessageBody):
    """A chunked body; its extensions and trailers together hold at most ``limit`` bytes, and are then thrown away."""

    def __init__(self, limit: int) -> None:
        self.is_complete = False
        self._leftover = _NOTHING
        self._state = _SIZE_LINE
        # Bytes of the chunk still to come
        self._remaining = 0
        # What extensions and trailers may still take
        self._budget = limit
        # The unfinished line; a bytearray, so that a trickled one costs linear time
        self._line = bytearray()

    def feed(self, data: bytes) -> bytes:
        size = len(data)
        if self._state == _DATA and size <= self._remaining:
            self._remaining -= size
            if self._remaining == 0:
                self._state = _DATA_END
            return data
        if self.is_complete:
            self._leftover += data
            return _NOTHING
        body = _NOTHING
        pieces: list[bytes] | None = None
        position = 0
        lines = 0
        while position < size:
            if self._state == _DATA:
                end = size if size - position < self._remaining else position + self._remaining
                piece = data[position:end]
                self._remaining -= end - position
                position = end
                if self._remaining == 0:
                    self._state = _DATA_END
                if pieces is not None:
                    pieces.append(piece)
                elif body:
                    pieces = [body, piece]
                else:
                    body = piece
                continue
            if self._state != _DATA_END:
                if lines >= _LINES_PER_TURN:
                    self._leftover = data[position:]
                    break
                lines += 1
            end = self._skip_usual_line(data, position, size)
            if end > 0:
                position = end
                continue
            end = data.find(b"\n", position)
            if end < 0:
                self._hold_line(data[position:])
                break
            line = data[position:end]
            if self._line:
                line = bytes(self._line) + line
                self._line = bytearray()
            position = end + 1
            self._read_line(line)
            if self._state == _COMPLETE:
                self.is_complete = True
                self._leftover = data[position:]
                break
        return body if pieces is None else b"".join(pieces)

    def _skip_usual_line(self, data: bytes, position: int, size: int) -> int:
        """Take a size without an extension, or the end of a chunk; return where the line ends, 0 when it is neither."""
        if self._line:
            return 0
        if self._state == _DATA_END:
            if size - position < 2 or data[position] != _CR or data[position + 1] != _LF:
                return 0
            self._state = _SIZE_LINE
            return position + 2
        if self._state != _SIZE_LINE:
            return 0
        number = 0
        start = position
        last = min(size - 2, start + _USUAL_DIGITS)  # where CR stands at the latest
        while position < last and _DIGITS[data[position]] < 16:
            number = number << 4 | _DIGITS[data[position]]
            position += 1
        if number == 0 or position > last or data[position] != _CR or data[position + 1] != _LF:
            return 0
        self._remaining = number
        self._state = _DATA
        return position + 2

    def _hold_line(self, piece: bytes) -> None:
        self._line += piece
        self._check_length(len(self._line))

    def _check_length(self, length: int) -> None:
        """Refuse a line of ``length`` bytes (its CR counts, its LF does not) that no budget can pay any more."""
        if self._state == _SIZE_LINE:
            if length > _SIZE_DIGITS_MAX + 1 + self._budget:
                raise RequestError(400, "chunk extensions are too long")
        elif self._state == _DATA_END:
            if length > 1:
                raise RequestError(400, "chunk is longer than its size")
        elif length > 1 and length + 1 > self._budget:
            raise RequestError(431, "trailers are too long")

    def _read_line(self, line: bytes) -> None:
        """Take one line, with its CR and without its LF."""
        self._check_length(len(line))
        if self._state == _SIZE_LINE:
            self._read_size(line)
        elif line == b"\r":
            self._state = _COMPLETE if self._state == _TRAILERS else _SIZE_LINE
        elif self._state == _DATA_END:
            raise RequestError(400, "chunk does not end with CRLF")
        else:
            self._read_trailer(line)

    def _read_size(self, line: bytes) -> None:
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            raise RequestError(400, "invalid chunk size or extension")
        digits = match.group(1)
        self._budget -= len(line) - 1 - len(digits)
        if self._budget < 0:
            raise RequestError(400, "chunk extensions are too long")
        size = int(digits, 16)
        if size > _SIZE_MAX:
            raise RequestError(400, "chunk size is too large")
        self._remaining = size
        self._state = _DATA if size else _TRAILERS

    def _read_trailer(self, line: bytes) -> None:
        match = _TRAILER_LINE.fullmatch(line)
        if match is None:
            raise RequestError(400, "invalid trailer field")
        # RFC 9110, 6.5.1: what frames, routes or authenticates is refused here rather than trusted to be unused.
        if match.group(1).lower() in FORBIDDEN_TRAILERS:
            raise RequestError(400, "forbidden trailer field")
        self._budget -= len(line) + 1
