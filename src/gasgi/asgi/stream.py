"""What an exchange needs of the stream that carries it; knows neither framing nor sockets.

An HTTP/1.1 connection is such a stream, and an HTTP/2 stream can be one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Iterable
from typing import Any

__all__ = ["HttpStream"]


class HttpStream:
    """One request's way to the wire. What sends raises ClientDisconnected once it is lost."""

    def prepare_head(self, status: int, headers: Iterable[Iterable[bytes]]) -> None:
        """Check and hold the head of the response until the first body piece; raise ASGIMisuse when it is not valid."""
        raise NotImplementedError

    def send_body(self, body: bytes, more: bool) -> Awaitable[None]:
        """Send a piece of the body, the last one unless ``more``; the result is awaited by the app."""
        raise NotImplementedError

    def send_informational(self, status: int, headers: Iterable[Iterable[bytes]]) -> Awaitable[None]:
        """Send an interim (1xx) response."""
        raise NotImplementedError

    def send_trailers(self, headers: Iterable[Iterable[bytes]], more: bool) -> Awaitable[None]:
        """Send fields after the body; the response ends with them unless ``more``."""
        raise NotImplementedError

    def send_file(self, file: Any, offset: int | None, count: int | None, more: bool) -> Coroutine[Any, Any, None]:
        """Send ``count`` bytes of a path, a file descriptor or an open file from ``offset`` as a body piece."""
        raise NotImplementedError

    def body_taken(self, size: int) -> None:
        """The app took ``size`` bytes of the request's body and wants more; 0: it waits for them."""
        raise NotImplementedError

    def fail(self) -> None:
        """The app ended without a whole response: answer 500 when nothing was sent yet, otherwise cut it off."""
        raise NotImplementedError

    def cut_off(self) -> None:
        """End the response so that the client can tell that it is not whole."""
        raise NotImplementedError

    def give_up(self) -> None:
        """The client left before there was an answer, and the app has ended: end the stream."""
        raise NotImplementedError

    def exchange_ended(self) -> None:
        """The app's task is over."""
        raise NotImplementedError
