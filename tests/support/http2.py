"""Frames of HTTP/2 as a test writes them, and a sink that keeps what a reader told it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gasgi.errors import Http2Error
from gasgi.http2.frames import FrameReader
from gasgi.http2.sink import FrameSink
from gasgi.http2.wire import PREFACE

__all__ = ["BEGIN", "Recorder", "frame", "frames_of", "number", "read", "settings"]


def number(value: int) -> bytes:
    """32 bits."""
    return value.to_bytes(4, "big")


def frame(frame_type: int, flags: int = 0, stream_id: int = 0, payload: bytes = b"") -> bytes:
    """A frame (RFC 9113, 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes([frame_type, flags]) + number(stream_id) + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(4, 0, 0, b"".join(setting.to_bytes(2, "big") + number(value) for setting, value in pairs))


def frames_of(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """Type, flags, stream and payload of each frame."""
    found = []
    while data:
        length = int.from_bytes(data[:3], "big")
        assert len(data) >= 9 + length
        found.append((data[3], data[4], int.from_bytes(data[5:9], "big"), data[9 : 9 + length]))
        data = data[9 + length :]
    return found


BEGIN = PREFACE + settings()


class Recorder(FrameSink):
    """Keeps the calls; the pieces of a DATA frame become one, so that it does not matter how the bytes came."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.pieces: list[tuple[Any, ...]] = []

    def on_data(self, stream_id: int, piece: bytes, window_bytes: int, ends_stream: bool) -> None:
        self.pieces.append((stream_id, piece, window_bytes, ends_stream))
        if self.calls and self.calls[-1][:2] == ("data", stream_id) and not self.calls[-1][4]:
            _, _, before, window_before, _ = self.calls.pop()
            piece, window_bytes = before + piece, window_before + window_bytes
        self.calls.append(("data", stream_id, piece, window_bytes, ends_stream))

    def on_headers(self, stream_id: int, block: bytes, ends_stream: bool, is_broken: bool) -> None:
        self.calls.append(("headers", stream_id, block, ends_stream, is_broken))

    def on_priority(self, stream_id: int) -> None:
        self.calls.append(("priority", stream_id))

    def on_priority_update(self, stream_id: int, value: bytes) -> None:
        self.calls.append(("priority update", stream_id, value))

    def on_reset(self, stream_id: int, code: int) -> None:
        self.calls.append(("reset", stream_id, code))

    def on_settings(self, settings: list[tuple[int, int]]) -> None:
        self.calls.append(("settings", settings))

    def on_settings_ack(self) -> None:
        self.calls.append(("settings ack",))

    def on_ping(self, payload: bytes) -> None:
        self.calls.append(("ping", payload))

    def on_ping_ack(self, payload: bytes) -> None:
        self.calls.append(("ping ack", payload))

    def on_goaway(self, last_stream_id: int, code: int) -> None:
        self.calls.append(("goaway", last_stream_id, code))

    def on_window_update(self, stream_id: int, increment: int) -> None:
        self.calls.append(("window", stream_id, increment))

    def on_unknown(self, frame_type: int) -> None:
        self.calls.append(("unknown", frame_type))

    def on_broken_frame(self, stream_id: int, code: int, text: str) -> None:
        self.calls.append(("broken", stream_id, code, text))


def read(
    pieces: Iterable[bytes], max_frame_bytes: int = 16384, max_block_bytes: int = 65536
) -> tuple[list[tuple[Any, ...]], tuple[int, str] | None]:
    """Read ``pieces``; return the calls and how the connection broke, if it did."""
    sink = Recorder()
    reader = FrameReader(sink, max_frame_bytes, max_block_bytes)
    try:
        for piece in pieces:
            reader.feed(piece)
    except Http2Error as exc:
        return sink.calls, (exc.code, exc.text)
    return sink.calls, None
