"""What the reader of frames calls: a connection, or a test."""

from __future__ import annotations

__all__ = ["FrameSink"]


class FrameSink:
    """What a reader calls, in the order of the frames; everything has been checked that one frame alone can tell.

    A call may raise Http2Error, which ``feed`` lets through, and may call ``pause`` or ``stop`` of the reader.
    """

    def on_data(self, stream_id: int, piece: bytes, window_bytes: int, ends_stream: bool) -> None:
        """Take a piece of a DATA frame, which may come in several; ``window_bytes`` counts padding too.

        Only the last piece of a frame ends the stream, and a frame without any payload is one empty piece.
        """
        raise NotImplementedError

    def on_headers(self, stream_id: int, block: bytes, ends_stream: bool, is_broken: bool) -> None:
        """Take a whole header block, to be decoded in any case; ``is_broken``: reset the stream (PROTOCOL_ERROR)."""
        raise NotImplementedError

    def on_priority(self, stream_id: int) -> None:
        """Take a PRIORITY frame, which says nothing anymore (RFC 9113, 5.3.2)."""
        raise NotImplementedError

    def on_priority_update(self, stream_id: int, value: bytes) -> None:
        """Take a PRIORITY_UPDATE, with the value of a priority field (RFC 9218, 7.1); the stream may be any."""
        raise NotImplementedError

    def on_reset(self, stream_id: int, code: int) -> None:
        """Take an RST_STREAM."""
        raise NotImplementedError

    def on_settings(self, settings: list[tuple[int, int]]) -> None:
        """Take SETTINGS, in order, with valid values; an acknowledgement is due."""
        raise NotImplementedError

    def on_settings_ack(self) -> None:
        """Take the acknowledgement of the server's SETTINGS."""
        raise NotImplementedError

    def on_ping(self, payload: bytes) -> None:
        """Take a PING, to be sent back."""
        raise NotImplementedError

    def on_ping_ack(self, payload: bytes) -> None:
        """Take a PING that has been sent back."""
        raise NotImplementedError

    def on_goaway(self, last_stream_id: int, code: int) -> None:
        """Take a GOAWAY."""
        raise NotImplementedError

    def on_window_update(self, stream_id: int, increment: int) -> None:
        """Take a WINDOW_UPDATE of 1 to 2**31 - 1 bytes; stream 0 is the connection."""
        raise NotImplementedError

    def on_unknown(self, frame_type: int) -> None:
        """Take note of a frame of a type not known here; its payload is not kept (RFC 9113, 5.5)."""
        raise NotImplementedError

    def on_broken_frame(self, stream_id: int, code: int, text: str) -> None:
        """Take note of a frame that breaks one stream and no more (RFC 9113, 5.4.2)."""
        raise NotImplementedError
