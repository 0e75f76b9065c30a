"""Exceptions that cross a layer. Each carries the answer, so nobody matches on message text."""

from __future__ import annotations

from gasgi.tables import STATUS_PHRASES

__all__ = [
    "ASGIMisuse",
    "ClientDisconnected",
    "FrameError",
    "Http2Error",
    "RequestError",
    "SettingError",
    "StreamError",
]


class RequestError(Exception):
    """A request that must be refused: ``status`` and ``fields`` answer it, ``detail`` is for the log."""

    def __init__(self, status: int, detail: str, fields: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.fields = fields

    def __str__(self) -> str:
        return f"{self.status} {STATUS_PHRASES[self.status].decode('ascii')}: {self.detail}"


class FrameError(Exception):
    """A WebSocket peer broke RFC 6455: ``close_code`` and ``reason`` go into the close frame."""

    def __init__(self, close_code: int, reason: str) -> None:
        super().__init__(close_code, reason)
        self.close_code = close_code
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.close_code} {self.reason}"


class Http2Error(Exception):
    """An HTTP/2 peer broke the connection (RFC 9113, 5.4.1): ``code`` goes into the GOAWAY, ``text`` into the log."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return f"HTTP/2 error {self.code}: {self.text}"


class StreamError(Exception):
    """An HTTP/2 peer broke one stream (RFC 9113, 5.4.2): ``code`` goes into the RST_STREAM, ``text`` into the log."""

    def __init__(self, stream_id: int, code: int, text: str) -> None:
        super().__init__(stream_id, code, text)
        self.stream_id = stream_id
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return f"HTTP/2 error {self.code} of stream {self.stream_id}: {self.text}"


class ClientDisconnected(OSError):
    """``send`` was called after the client left (ASGI 2.4); raised to the app and never logged."""


class ASGIMisuse(RuntimeError):
    """The application sent an event that ASGI does not allow here; raised out of ``send``."""


class SettingError(ValueError):
    """A setting has a value gasgi cannot honour; the message names the setting."""
