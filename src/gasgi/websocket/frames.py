"""Decode what a WebSocket client sends into messages and control frames (RFC 6455, 5 and 7).

Bytes in, values out: no I/O, no ASGI. Raises FrameError, which carries the close code, as soon as a byte breaks a rule.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from gasgi._accel import MessageBuffer, encode_frame, unmask, unmask_text
from gasgi.close_codes import INVALID_DATA, NO_STATUS, PROTOCOL_ERROR, TOO_BIG, is_sendable
from gasgi.errors import FrameError

if TYPE_CHECKING:
    from gasgi.websocket.deflate import Inflater

__all__ = ["FrameDecoder", "Opcode", "encode_close"]


class Opcode(IntEnum):
    """RFC 6455, 5.2. Bit 8 marks a control frame."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


# The same as C numbers in the compiled module.
_CONTINUATION = 0
_TEXT = 1
_BINARY = 2
_CLOSE = 8
_PONG = 10

_FIN = 0x80
_RSV1 = 0x40
_RSV23 = 0x30

_MAX_CONTROL_BYTES = 125
_INFLATE_SLACK = 1024
# After so many frames the loop serves the others: 256 KiB may hold 43,000 of them, which say next to nothing. Less than
# 0.1 ms compiled, 1 ms pure.
_FRAMES_PER_TURN = 256
# To read costs more than so many frames: a client that sends a few at a time is not held up for them.
_FRAMES_PER_READ = 4
# So much of an inflated message is as much work as a frame.
_INFLATED_FRAME_BYTES = 512


class FrameDecoder:
    """Give it bytes with ``feed``, then call ``advance`` until it says that it needs more.

    After ``advance`` has raised, or has found a close frame, the decoder takes nothing more; but after 1009 it goes on
    as after ``discard``, since the frames are in order and the peer will answer with a close frame.
    """

    def __init__(self, max_message_bytes: int, inflater: Inflater | None) -> None:
        # Fixed for the connection
        self._max_message_bytes = max_message_bytes
        self._inflater = inflater  # None: permessage-deflate was not agreed on, RSV1 is an error
        # Compressed data may be a little larger than what it says, never much (RFC 1951, 3.2.4: stored blocks).
        self._max_compressed_bytes = max_message_bytes + max_message_bytes // 8 + _INFLATE_SLACK

        # What the last advance() found
        self.is_message = False
        self.opcode = 0
        self.payload: str | bytes = b""  # str for a text message and for the reason of a close frame
        self.close_code = 0

        # Call advance() again in a later turn of the loop: it has done a turn's work, and there is more.
        self.needs_turn = False
        self._turn_frames = 0  # since needs_turn was last set, beyond the few of each read
        self._is_inflating = False  # step by step: a message that makes a large one

        # Bytes not decoded yet
        self._data = b""
        self._position = 0
        self._is_finished = False
        self._is_discarding = False

        # The message under construction
        self._message_opcode = 0  # 0: none
        self._is_compressed = False
        self._buffer: MessageBuffer | None = None
        self._message_bytes = 0

        # The data frame under construction
        self._is_in_frame = False
        self._is_final = False
        self._remaining = 0

    def feed(self, data: bytes) -> None:
        """Add what arrived. Decodes nothing yet."""
        if self._is_finished:
            return
        self._turn_frames = max(self._turn_frames - _FRAMES_PER_READ, 0)
        if self._position < len(self._data):
            data = self._data[self._position :] + data
        self._data = data
        self._position = 0

    def holds_bytes(self) -> bool:
        """Whether bytes wait that ``advance`` has not looked at, or too few of them for a frame."""
        return self._position < len(self._data)

    def advance(self) -> bool:
        """Go to the next message or control frame; False when that needs more bytes or ``needs_turn`` is set.

        Raises FrameError once.
        """
        if self.needs_turn:
            self.needs_turn = False
            self._turn_frames = 0
        try:
            return self._advance()
        except FrameError as exc:
            if exc.close_code == TOO_BIG and not self._is_discarding:
                self.discard()
            else:
                self.stop()
            raise

    def discard(self) -> None:
        """Nobody wants messages any more: from now on find control frames only, and throw the rest away."""
        self._is_discarding = True
        self._is_inflating = False
        self._buffer = None
        if self._is_in_frame:
            self._message_opcode = 0 if self._is_final else _BINARY

    def stop(self) -> None:
        """Take nothing more and release what is held."""
        self._is_finished = True
        self._data = b""
        self._position = 0
        self._buffer = None
        self._is_in_frame = False
        self._inflater = None
        self.needs_turn = False
        self._is_inflating = False

    def _advance(self) -> bool:
        if self._is_inflating:
            return self._take_inflated(self._inflater.inflate_on())  # type: ignore[union-attr]
        data = self._data
        size = len(data)
        while True:
            if self._is_in_frame:
                if not (self._skip_frame() if self._is_discarding else self._continue_frame()):
                    return False
                if self._is_final and not self._is_discarding:
                    return self._end_message()
                data, size = self._data, len(self._data)
                continue
            position = self._position
            if size - position < 2:
                break
            if self._turn_frames >= _FRAMES_PER_TURN:
                self.needs_turn = True
                return False
            self._turn_frames += 1
            first = data[position]
            second = data[position + 1]
            self._check_start(first, second)
            length = second & 0x7F
            position += 6  # two bytes and the key
            if length >= 126:
                length = self._read_length(data, position - 4, length)
                if length < 0:
                    break
                position += 2 if second & 0x7F == 126 else 8
            opcode = first & 0x0F
            if opcode >= _CLOSE:
                if size < position + length:
                    break
                self._position = position + length
                self._end_control(opcode, unmask(data, position, position + length))
                return True
            if not self._is_discarding:
                self._check_size(first, length)
            if size < position:
                break
            if self._is_discarding:
                self._begin_skipping(first, position, length)
                continue
            if first & (_FIN | _RSV1) == _FIN and opcode != _CONTINUATION and size - position >= length:
                # The usual case: a whole message that is not compressed.
                self._position = position + length
                self.is_message = True
                self.opcode = opcode
                if opcode == _TEXT:
                    self.payload = _unmask_text(data, position, position + length)
                else:
                    self.payload = unmask(data, position, position + length)
                return True
            self._begin_frame(first, data, position, length)
        # Keep the beginning of a frame, not the whole read it came with.
        if self._position:
            self._data = data[self._position :]
            self._position = 0
        return False

    def _check_start(self, first: int, second: int) -> None:
        """Check what the first two bytes of a frame say, before any more of it is bought."""
        opcode = first & 0x0F
        if first & _RSV23:
            raise FrameError(PROTOCOL_ERROR, "reserved bits must be 0")
        if first & _RSV1 and (self._inflater is None or opcode == _CONTINUATION or opcode > _BINARY):
            # RFC 7692, 6.1: RSV1 stands on the first frame of a message only.
            raise FrameError(PROTOCOL_ERROR, "reserved bits must be 0")
        if not second & 0x80:
            raise FrameError(PROTOCOL_ERROR, "a client must mask its frames")  # RFC 6455, 5.1
        if opcode >= _CLOSE:
            if opcode > _PONG:
                raise FrameError(PROTOCOL_ERROR, "reserved opcode")
            if not first & _FIN:
                raise FrameError(PROTOCOL_ERROR, "control frames must not be fragmented")  # RFC 6455, 5.5
            if second & 0x7F > _MAX_CONTROL_BYTES:
                raise FrameError(PROTOCOL_ERROR, "control frames hold at most 125 bytes")
        elif opcode > _BINARY:
            raise FrameError(PROTOCOL_ERROR, "reserved opcode")
        elif opcode == _CONTINUATION:
            if self._message_opcode == 0:
                raise FrameError(PROTOCOL_ERROR, "nothing to continue")  # RFC 6455, 5.4
        elif self._message_opcode != 0:
            raise FrameError(PROTOCOL_ERROR, "the previous message is not finished")

    def _read_length(self, data: bytes, position: int, form: int) -> int:
        """Read a length of two or eight bytes; -1 when it has not arrived (RFC 6455, 5.2)."""
        if form == 126:
            if len(data) < position + 2:
                return -1
            length = data[position] << 8 | data[position + 1]
            if length < 126:
                raise FrameError(PROTOCOL_ERROR, "the length is not in its shortest form")
            return length
        if len(data) < position + 8:
            return -1
        if data[position] & 0x80:
            raise FrameError(PROTOCOL_ERROR, "the length has its highest bit set")
        long_length = int.from_bytes(data[position : position + 8], "big")
        if long_length < 65536:
            raise FrameError(PROTOCOL_ERROR, "the length is not in its shortest form")
        if long_length > self._max_compressed_bytes and not self._is_discarding:
            raise FrameError(TOO_BIG, "message too big")
        return long_length

    def _check_size(self, first: int, length: int) -> None:
        """Refuse a message that is too big from its length alone."""
        limit = self._max_message_bytes
        if first & _RSV1 or (first & 0x0F == _CONTINUATION and self._is_compressed):
            limit = self._max_compressed_bytes
        if length > limit - self._message_bytes:
            raise FrameError(TOO_BIG, "message too big")

    def _begin_frame(self, first: int, data: bytes, position: int, length: int) -> None:
        if first & 0x0F != _CONTINUATION:
            self._message_opcode = first & 0x0F
            self._is_compressed = bool(first & _RSV1)
        if self._buffer is None:
            self._buffer = MessageBuffer()
        self._buffer.start_frame(data, position, length)
        self._position = position
        self._message_bytes += length
        self._remaining = length
        self._is_final = bool(first & _FIN)
        self._is_in_frame = True

    def _begin_skipping(self, first: int, position: int, length: int) -> None:
        self._message_opcode = 0 if first & _FIN else _BINARY  # whether another message may begin after this frame
        self._position = position
        self._remaining = length
        self._is_in_frame = True

    def _skip_frame(self) -> bool:
        """Throw away what is there of the frame's payload; True at the frame's end."""
        available = len(self._data) - self._position
        if available < self._remaining:
            self._remaining -= available
            self._data = b""
            self._position = 0
            return False
        self._position += self._remaining
        self._remaining = 0
        self._is_in_frame = False
        return True

    def _continue_frame(self) -> bool:
        """Take what is there of the frame's payload; True at the frame's end."""
        position = self._position
        available = len(self._data) - position
        if available > self._remaining:
            available = self._remaining
        buffer = self._buffer
        if available:
            buffer.append(self._data, position, position + available)  # type: ignore[union-attr]
            self._position = position + available
            self._remaining -= available
        if self._remaining == 0:
            self._is_in_frame = False
        # RFC 6455, 8.1, and fail fast: each piece is checked when it comes. Compressed text is checked at the end.
        if self._message_opcode == _TEXT and not self._is_compressed and (available or self._is_final):
            is_whole = self._is_final and not self._is_in_frame
            if not buffer.is_text(is_whole):  # type: ignore[union-attr]
                raise FrameError(INVALID_DATA, "invalid UTF-8")
        if self._is_in_frame:
            self._data = b""
            self._position = 0
            return False
        return True

    def _end_message(self) -> bool:
        """Put the message together; False when inflating it takes another turn."""
        buffer = self._buffer
        is_text = self._message_opcode == _TEXT
        self.is_message = True
        self.opcode = self._message_opcode
        self._message_opcode = 0
        self._message_bytes = 0
        self._buffer = None
        if self._is_compressed:
            self._is_compressed = False
            compressed = buffer.take()  # type: ignore[union-attr]
            return self._take_inflated(self._inflater.inflate(compressed, self._max_message_bytes))  # type: ignore[union-attr]
        self.payload = buffer.take_text() if is_text else buffer.take()  # type: ignore[union-attr]
        return True

    def _take_inflated(self, inflated: bytes | None) -> bool:
        self.needs_turn = self._is_inflating = inflated is None
        if inflated is None:
            return False
        self._turn_frames += len(inflated) // _INFLATED_FRAME_BYTES
        self.payload = _decode_text(inflated) if self.opcode == _TEXT else inflated
        return True

    def _end_control(self, opcode: int, payload: bytes) -> None:
        self.is_message = False
        self.opcode = opcode
        self.payload = payload
        if opcode == _CLOSE:
            self.stop()
            self.close_code = NO_STATUS
            if payload:
                self.close_code = _read_close_code(payload)
            self.payload = _decode_text(payload[2:])


def encode_close(code: int, reason: str) -> bytes:
    """Encode a close frame; ``reason`` is cut to what fits, between two characters (RFC 6455, 5.5.1)."""
    if code == NO_STATUS:
        return encode_frame(_FIN | _CLOSE, b"")
    body = reason.encode("utf-8", "replace")[: _MAX_CONTROL_BYTES - 2]
    body = body.decode("utf-8", "ignore").encode()
    return encode_frame(_FIN | _CLOSE, code.to_bytes(2, "big") + body)


def _read_close_code(payload: bytes) -> int:
    if len(payload) < 2:
        raise FrameError(PROTOCOL_ERROR, "a close code has two bytes")
    code = payload[0] << 8 | payload[1]
    if not is_sendable(code):
        raise FrameError(PROTOCOL_ERROR, "invalid close code")
    return code


def _unmask_text(data: bytes, start: int, stop: int) -> str:
    try:
        return unmask_text(data, start, stop)
    except UnicodeDecodeError:
        raise FrameError(INVALID_DATA, "invalid UTF-8") from None


def _decode_text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise FrameError(INVALID_DATA, "invalid UTF-8") from None
