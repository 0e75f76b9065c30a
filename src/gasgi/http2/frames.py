"""Read the frames of an HTTP/2 client out of bytes (RFC 9113, 3.4, 4 and 6; RFC 9218, 7).

Bytes in, calls out: no I/O, no states of streams, no HPACK. Raises Http2Error as soon as a byte breaks the connection.
"""

from __future__ import annotations

from gasgi.errors import Http2Error
from gasgi.http2.sink import FrameSink
from gasgi.http2.wire import (
    ACK,
    CONTINUATION,
    DATA,
    ENABLE_CONNECT_PROTOCOL,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    MAX_FRAME_SIZE_MAX,
    MAX_FRAME_SIZE_MIN,
    MAX_WINDOW,
    NO_RFC7540_PRIORITIES,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PRIORITY_UPDATE,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    WITH_PRIORITY,
)
from gasgi.http2_codes import ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR

__all__ = ["FrameReader", "read_settings"]

HEAD_BYTES = 9  # of every frame (RFC 9113, 4.1)
# An honest client splits a block at 16 KiB. Every frame counts, the empty ones too (CVE-2024-27316).
MAX_CONTINUATIONS = 32


class FrameReader:
    """Give it bytes with ``feed``; it calls the sink. After it has raised it takes nothing more.

    ``max_frame_bytes`` is the SETTINGS_MAX_FRAME_SIZE that the client was told, ``max_block_bytes`` what a header block
    may take on the wire.
    """

    def __init__(self, sink: FrameSink, max_frame_bytes: int, max_block_bytes: int) -> None:
        # Fixed for the connection
        self._sink = sink
        self._max_frame_bytes = max_frame_bytes
        self._max_block_bytes = max_block_bytes

        # Bytes not read yet
        self._data = b""
        self._position = 0
        self._is_paused = False
        self._is_stopped = False

        # How far the preface and the first SETTINGS have come
        self._preface_bytes = 0
        self._has_settings = False

        # The frame in progress: its head, and what is missing
        self._type = 0
        self._flags = 0
        self._stream_id = 0
        self._length = 0
        self._partial: bytearray | None = None  # the payload so far, where it is needed whole
        self._data_left = -1  # of a DATA frame, padding not counted; -1: none in progress
        self._padding = 0
        self._skip = 0  # bytes of a payload that nobody needs

        # The header block in progress
        self._block_stream = 0
        self._block: bytearray | None = None
        self._block_flags = 0
        self._is_block_broken = False
        self._continuations = 0

    def feed(self, data: bytes) -> None:
        """Read on; raise Http2Error once, then never again. ``feed(b"")`` reads what a pause has held back."""
        if self._is_stopped:
            return
        if self._position < len(self._data):
            data = self._data[self._position :] + data if data else self._data[self._position :]
        self._data = data
        self._position = 0
        if self._is_paused:
            return
        try:
            if self._preface_bytes < len(PREFACE):
                self._read_preface()
            while not self._is_paused and self._read_on():
                pass
        except Http2Error:
            self.stop()
            raise
        if self._position == len(self._data):
            self._data = b""
            self._position = 0

    def pause(self) -> None:
        """Stop reading after this frame, until ``resume`` and ``feed``."""
        self._is_paused = True

    def resume(self) -> None:
        """Let the next ``feed`` read on."""
        self._is_paused = False

    def stop(self) -> None:
        """Read nothing more and hold nothing: the connection has come to its end."""
        self._is_stopped = self._is_paused = True
        self._data = b""
        self._position = 0
        self._partial = None
        self._block = None

    def is_held(self) -> bool:
        """Whether a pause holds bytes back."""
        return self._is_paused and self._position < len(self._data)

    def is_in_block(self) -> bool:
        """Whether a header block has begun and not ended."""
        return self._block_stream != 0

    def has_begun(self) -> bool:
        """Whether the preface and the SETTINGS after it have come (RFC 9113, 3.4)."""
        return self._has_settings

    # Frames

    def _read_preface(self) -> None:
        start = self._preface_bytes
        wanted = PREFACE[start : start + len(self._data)]
        if not self._data.startswith(wanted):
            raise Http2Error(PROTOCOL_ERROR, "invalid connection preface")
        self._preface_bytes = start + len(wanted)
        self._position = len(wanted)

    def _read_on(self) -> bool:
        """Read a frame or a piece of one; return False when more bytes are needed."""
        available = len(self._data) - self._position
        if not available:
            return False
        if self._skip:
            size = min(self._skip, available)
            self._skip -= size
            self._position += size
            return True
        if self._data_left >= 0:
            self._read_data()
            return True
        if self._partial is not None:
            return self._read_partial(self._partial)
        if available < HEAD_BYTES:
            return False
        self._read_frame()
        return True

    def _read_frame(self) -> None:
        data = self._data
        position = self._position
        length = data[position] << 16 | data[position + 1] << 8 | data[position + 2]
        frame_type = data[position + 3]
        # The bit in front is reserved, and not looked at (RFC 9113, 4.1).
        stream_id = (
            (data[position + 5] & 0x7F) << 24 | data[position + 6] << 16 | data[position + 7] << 8 | data[position + 8]
        )
        position += HEAD_BYTES
        self._type = frame_type
        self._flags = data[position - 5]
        self._stream_id = stream_id
        self._length = length
        self._check_head(frame_type, length, stream_id)
        self._position = position
        if frame_type == DATA:
            self._begin_data()
        elif frame_type > CONTINUATION and frame_type != PRIORITY_UPDATE:
            self._skip = length
            self._sink.on_unknown(frame_type)
        elif length <= len(data) - position:
            self._position = position + length
            self._read_payload(data[position : position + length])
        else:
            self._partial = bytearray(data[position:])
            self._position = len(data)

    def _check_head(self, frame_type: int, length: int, stream_id: int) -> None:
        """Judge a frame by its head, before its payload is here."""
        if length > self._max_frame_bytes:
            raise Http2Error(FRAME_SIZE_ERROR, "frame is larger than SETTINGS_MAX_FRAME_SIZE")
        if self._block_stream:
            # RFC 9113, 4.3: nothing comes between the frames of a header block.
            if frame_type != CONTINUATION or stream_id != self._block_stream:
                raise Http2Error(PROTOCOL_ERROR, "header block interrupted by another frame")
        elif not self._has_settings and (frame_type != SETTINGS or self._flags & ACK):
            raise Http2Error(PROTOCOL_ERROR, "connection does not begin with SETTINGS")
        if frame_type <= RST_STREAM:
            if stream_id == 0:
                raise Http2Error(PROTOCOL_ERROR, "stream frame with stream identifier 0")
            if frame_type == RST_STREAM and length != 4:
                raise Http2Error(FRAME_SIZE_ERROR, "RST_STREAM with an invalid size")
        elif frame_type == PUSH_PROMISE:
            raise Http2Error(PROTOCOL_ERROR, "PUSH_PROMISE from a client")
        elif frame_type == CONTINUATION:
            if not self._block_stream:
                raise Http2Error(PROTOCOL_ERROR, "CONTINUATION without HEADERS")
            self._check_continuation(length)
        elif frame_type == WINDOW_UPDATE:
            if length != 4:
                raise Http2Error(FRAME_SIZE_ERROR, "WINDOW_UPDATE with an invalid size")
        elif frame_type <= GOAWAY or frame_type == PRIORITY_UPDATE:
            self._check_connection_frame(frame_type, length, stream_id)

    def _check_connection_frame(self, frame_type: int, length: int, stream_id: int) -> None:
        if stream_id:
            raise Http2Error(PROTOCOL_ERROR, "connection frame with a stream identifier other than 0")
        if frame_type == SETTINGS:
            if length % 6 or (length and self._flags & ACK):
                raise Http2Error(FRAME_SIZE_ERROR, "SETTINGS with an invalid size")
        elif frame_type == PING:
            if length != 8:
                raise Http2Error(FRAME_SIZE_ERROR, "PING with an invalid size")
        elif length < (8 if frame_type == GOAWAY else 4):
            raise Http2Error(FRAME_SIZE_ERROR, "GOAWAY or PRIORITY_UPDATE with an invalid size")

    def _check_continuation(self, length: int) -> None:
        block: bytearray = self._block  # type: ignore[assignment]  # as long as _block_stream is set
        self._continuations += 1
        if self._continuations > MAX_CONTINUATIONS:
            raise Http2Error(ENHANCE_YOUR_CALM, "too many CONTINUATION frames")
        if len(block) + length > self._max_block_bytes:
            raise Http2Error(ENHANCE_YOUR_CALM, "header block is too large")

    # DATA, as it comes

    def _begin_data(self) -> None:
        length = self._length
        self._data_left = length
        self._padding = 0
        if self._flags & PADDED:
            if not length:
                raise Http2Error(FRAME_SIZE_ERROR, "padded frame without a padding length")
            self._padding = -1  # its first octet is not here yet
        elif not length:
            self._data_left = -1
            self._sink.on_data(self._stream_id, b"", 0, self._flags & END_STREAM != 0)

    def _read_data(self) -> None:
        """Give on what is here of a DATA frame: at least one byte."""
        data = self._data
        position = self._position
        window_bytes = 0
        if self._padding < 0:
            self._padding = data[position]
            self._data_left -= 1 + self._padding
            if self._data_left < 0:
                raise Http2Error(PROTOCOL_ERROR, "padding is larger than the frame")  # RFC 9113, 6.1
            position += 1
            window_bytes = 1
        size = min(self._data_left, len(data) - position)
        piece = data[position : position + size]
        self._position = position + size
        self._data_left -= size
        window_bytes += size
        is_whole = False
        if not self._data_left:
            # The padding is counted with the last piece, and read away after it.
            window_bytes += self._padding
            self._skip = self._padding
            self._data_left = -1
            is_whole = True
        self._sink.on_data(self._stream_id, piece, window_bytes, is_whole and self._flags & END_STREAM != 0)

    # All others, whole

    def _read_partial(self, partial: bytearray) -> bool:
        missing = self._length - len(partial)
        piece = self._data[self._position : self._position + missing]
        partial += piece
        self._position += len(piece)
        if len(piece) < missing:
            return False
        self._partial = None
        self._read_payload(bytes(partial))
        return True

    def _read_payload(self, payload: bytes) -> None:
        frame_type = self._type
        stream_id = self._stream_id
        sink = self._sink
        if frame_type == HEADERS:
            self._read_headers(payload)
        elif frame_type == WINDOW_UPDATE:
            increment = _number_at(payload, 0) & MAX_WINDOW
            if increment:
                sink.on_window_update(stream_id, increment)
            elif stream_id:
                sink.on_broken_frame(stream_id, PROTOCOL_ERROR, "WINDOW_UPDATE of 0 bytes")
            else:
                raise Http2Error(PROTOCOL_ERROR, "WINDOW_UPDATE of 0 bytes")
        elif frame_type == RST_STREAM:
            sink.on_reset(stream_id, _number_at(payload, 0))
        elif frame_type == SETTINGS:
            self._has_settings = True
            if self._flags & ACK:
                sink.on_settings_ack()
            else:
                sink.on_settings(read_settings(payload))
        elif frame_type == PING:
            if self._flags & ACK:
                sink.on_ping_ack(payload)
            else:
                sink.on_ping(payload)
        elif frame_type == CONTINUATION:
            self._read_continuation(payload)
        elif frame_type == PRIORITY:
            if len(payload) != 5:
                sink.on_broken_frame(stream_id, FRAME_SIZE_ERROR, "PRIORITY with an invalid size")
            elif _number_at(payload, 0) & MAX_WINDOW == stream_id:
                # RFC 7540, 5.3.1; RFC 9113 does not say it anymore.
                sink.on_broken_frame(stream_id, PROTOCOL_ERROR, "stream depends on itself")
            else:
                sink.on_priority(stream_id)
        elif frame_type == PRIORITY_UPDATE:
            sink.on_priority_update(_number_at(payload, 0) & MAX_WINDOW, payload[4:])
        else:
            sink.on_goaway(_number_at(payload, 0) & MAX_WINDOW, _number_at(payload, 4))

    def _read_headers(self, payload: bytes) -> None:
        flags = self._flags
        start = 0
        stop = len(payload)
        is_broken = False
        if flags & (PADDED | WITH_PRIORITY):
            if flags & PADDED:
                if not stop:
                    raise Http2Error(FRAME_SIZE_ERROR, "padded frame without a padding length")
                stop -= payload[0]
                start = 1
            if flags & WITH_PRIORITY:
                if len(payload) < start + 5:
                    raise Http2Error(FRAME_SIZE_ERROR, "HEADERS without room for the priority")
                is_broken = _number_at(payload, start) & MAX_WINDOW == self._stream_id
                start += 5
            if start > stop:
                raise Http2Error(PROTOCOL_ERROR, "padding is larger than the frame")  # RFC 9113, 6.2
            payload = payload[start:stop]
        if len(payload) > self._max_block_bytes:
            raise Http2Error(ENHANCE_YOUR_CALM, "header block is too large")
        if flags & END_HEADERS:
            self._sink.on_headers(self._stream_id, payload, flags & END_STREAM != 0, is_broken)
            return
        self._block_stream = self._stream_id
        self._block = bytearray(payload)
        self._block_flags = flags
        self._is_block_broken = is_broken
        self._continuations = 0

    def _read_continuation(self, payload: bytes) -> None:
        block: bytearray = self._block  # type: ignore[assignment]  # as long as _block_stream is set
        block += payload
        if not self._flags & END_HEADERS:
            return
        stream_id = self._block_stream
        self._block_stream = 0
        self._block = None
        self._sink.on_headers(stream_id, bytes(block), self._block_flags & END_STREAM != 0, self._is_block_broken)


def _number_at(payload: bytes, i: int) -> int:
    """Return the 32 bits at ``i``."""
    number = payload[i]
    number = number << 8 | payload[i + 1]
    number = number << 8 | payload[i + 2]
    return number << 8 | payload[i + 3]


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """Return (setting, value) in order; raise Http2Error for a value that is not allowed (RFC 9113, 6.5.2)."""
    settings = []
    for i in range(0, len(payload), 6):
        setting = payload[i] << 8 | payload[i + 1]
        value = _number_at(payload, i + 2)
        if setting in (ENABLE_PUSH, ENABLE_CONNECT_PROTOCOL, NO_RFC7540_PRIORITIES):
            if value > 1:
                raise Http2Error(PROTOCOL_ERROR, "setting is neither 0 nor 1")
        elif setting == INITIAL_WINDOW_SIZE:
            if value > MAX_WINDOW:
                raise Http2Error(FLOW_CONTROL_ERROR, "initial window is too large")
        elif setting == MAX_FRAME_SIZE and not MAX_FRAME_SIZE_MIN <= value <= MAX_FRAME_SIZE_MAX:
            raise Http2Error(PROTOCOL_ERROR, "SETTINGS_MAX_FRAME_SIZE outside its range")
        settings.append((setting, value))
    return settings
