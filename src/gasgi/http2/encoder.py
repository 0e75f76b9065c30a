"""Encode the frames that a server sends (RFC 9113, 6). Values in, bytes out; no I/O, and no rules of streams."""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import TYPE_CHECKING

from gasgi.http2.wire import (
    ACK,
    CONTINUATION,
    DATA,
    DEFAULT_WINDOW,
    ENABLE_CONNECT_PROTOCOL,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    MAX_FRAME_SIZE_MIN,
    MAX_HEADER_LIST_SIZE,
    NO_RFC7540_PRIORITIES,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
)

if TYPE_CHECKING:
    from gasgi.settings import Settings

__all__ = [
    "SETTINGS_ACK",
    "encode_data_head",
    "encode_goaway",
    "encode_headers",
    "encode_own_settings",
    "encode_ping",
    "encode_ping_ack",
    "encode_reset",
    "encode_settings",
    "encode_window_update",
]

_HEAD = Struct(">HBBBI").pack  # the length in two parts: it has 24 bits
_HEAD_AND_NUMBER = Struct(">HBBBII").pack
_GOAWAY = Struct(">HBBBIII").pack
_SETTING = Struct(">HI").pack

SETTINGS_ACK = _HEAD(0, 0, SETTINGS, ACK, 0)


def encode_settings(settings: Iterable[tuple[int, int]]) -> bytes:
    """Encode SETTINGS with (setting, value) in order."""
    payload = b"".join([_SETTING(setting, value) for setting, value in settings])
    return _encode_head(len(payload), SETTINGS, 0, 0) + payload


def encode_own_settings(settings: Settings) -> bytes:
    """Encode what a client must know, and not what it takes for granted (RFC 9113, 6.5.2)."""
    pairs = [
        (MAX_CONCURRENT_STREAMS, settings.http2_max_streams),
        (MAX_HEADER_LIST_SIZE, settings.http2_max_list_bytes),
        (ENABLE_CONNECT_PROTOCOL, 1),  # RFC 8441, 3: WebSockets
        (NO_RFC7540_PRIORITIES, 1),  # RFC 9218, 2.1
    ]
    if settings.http2_window_bytes != DEFAULT_WINDOW:
        pairs.append((INITIAL_WINDOW_SIZE, settings.http2_window_bytes))
    if settings.http2_max_frame_bytes != MAX_FRAME_SIZE_MIN:
        pairs.append((MAX_FRAME_SIZE, settings.http2_max_frame_bytes))
    return encode_settings(pairs)


def encode_ping(payload: bytes) -> bytes:
    """Encode a PING of 8 bytes."""
    return _encode_head(8, PING, 0, 0) + payload


def encode_ping_ack(payload: bytes) -> bytes:
    """Encode the answer to a PING, with its 8 bytes."""
    return _encode_head(8, PING, ACK, 0) + payload


def encode_window_update(stream_id: int, increment: int) -> bytes:
    """Give back ``increment`` bytes, 1 to 2**31 - 1, of the window of a stream; 0 is the connection."""
    return _HEAD_AND_NUMBER(0, 4, WINDOW_UPDATE, 0, stream_id, increment)


def encode_reset(stream_id: int, code: int) -> bytes:
    """Encode RST_STREAM."""
    return _HEAD_AND_NUMBER(0, 4, RST_STREAM, 0, stream_id, code)


def encode_goaway(last_stream_id: int, code: int, text: bytes = b"") -> bytes:
    """Encode GOAWAY; ``text`` is for whoever looks at the client's log."""
    length = 8 + len(text)
    return _GOAWAY(length >> 8, length & 0xFF, GOAWAY, 0, 0, last_stream_id, code) + text


def encode_headers(stream_id: int, block: bytes, ends_stream: bool, max_frame_bytes: int) -> bytes:
    """Encode a header block as HEADERS and, above the peer's SETTINGS_MAX_FRAME_SIZE, CONTINUATION frames."""
    flags = END_STREAM if ends_stream else 0
    length = len(block)
    if length <= max_frame_bytes:
        return _encode_head(length, HEADERS, flags | END_HEADERS, stream_id) + block
    parts = [_encode_head(max_frame_bytes, HEADERS, flags, stream_id), block[:max_frame_bytes]]
    for start in range(max_frame_bytes, length, max_frame_bytes):
        piece = block[start : start + max_frame_bytes]
        is_last = start + max_frame_bytes >= length
        parts.append(_encode_head(len(piece), CONTINUATION, END_HEADERS if is_last else 0, stream_id))
        parts.append(piece)
    return b"".join(parts)


def encode_data_head(stream_id: int, length: int, ends_stream: bool) -> bytes:
    """Encode the head of a DATA frame; ``length`` bytes follow, no more than SETTINGS_MAX_FRAME_SIZE."""
    return _encode_head(length, DATA, END_STREAM if ends_stream else 0, stream_id)


def _encode_head(length: int, frame_type: int, flags: int, stream_id: int) -> bytes:
    return _HEAD(length >> 8, length & 0xFF, frame_type, flags, stream_id)
