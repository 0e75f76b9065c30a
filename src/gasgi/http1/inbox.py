"""What has come on a connection and is not the application's yet: heads, bodies, and bytes that are not parsed.

The only owner of unparsed bytes. Parses in order: a head, its body, the next head.
"""

from __future__ import annotations

import asyncio

from gasgi._accel import HeadParser, RequestHead
from gasgi.http1.body import ChunkedBody, LengthBody, MessageBody
from gasgi.serving.flow import resume_reading
from gasgi.serving.pieces import add_piece
from gasgi.serving.runtime import Runtime
from gasgi.serving.sizes import HOLD_BYTES, WINDOW_BYTES

__all__ = ["Inbox"]


class Inbox:
    """One per connection; ``transport`` is set when it is there."""

    def __init__(self, runtime: Runtime) -> None:
        # Fixed for the connection
        self._runtime = runtime
        self._parser = HeadParser(runtime.head_limits, runtime.field_reader)
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # from connection_made on

        self.body: MessageBody | None = None  # the rest of the request's; None when it is whole
        self.is_behind = False  # bytes of the body are held: they take more than a turn to decode
        self._held = b""  # not parsed yet
        self._held_at = 0  # how far _held is parsed
        self._late: list[bytes] | None = None  # came after _held
        self._late_bytes = 0
        self.is_paused = False
        self.is_eof = False  # the client has shut its side: nothing more comes

    # Heads

    def read_head(self, data: bytes) -> RequestHead | None:
        """Parse what has just come, with nothing held; raise RequestError. What is after the head is held."""
        head = self._parser.feed(data)
        if head is not None:
            self._held = self._parser.take_leftover()
            self._held_at = 0
        return head

    def next_head(self) -> RequestHead | None:
        """Parse what is held, up to the end of the next head; raise RequestError."""
        while True:
            window = self._take_window(WINDOW_BYTES)
            if not window:
                return None
            head = self._parser.feed(window)
            if head is not None:
                self._held_at -= len(self._parser.take_leftover())
                return head

    def is_in_head(self) -> bool:
        """Whether a head has begun and is not whole."""
        return self._parser.is_partial

    # Bodies

    def begin_body(self, head: RequestHead) -> None:
        """Expect the body that ``head`` announces."""
        if head.is_chunked:
            self.body = ChunkedBody(self._runtime.settings.limit_request_field_bytes)
        else:
            self.body = LengthBody(head.content_length)

    def take_whole_body(self, length: int) -> bytes | None:
        """Return a counted body that is not begun when all ``length`` bytes of it are here, None when they are not."""
        start = self._held_at
        left = len(self._held) - start
        if left < length:
            return None
        if start == 0 and left == length:
            body, self._held = self._held, b""
            return body
        self._held_at = start + length
        return self._held[start : start + length]

    def read_body(self, data: bytes) -> bytes:
        """Return the body's part of what has just come, with nothing held, and hold the rest; raise RequestError."""
        body: MessageBody = self.body  # type: ignore[assignment]  # called while there is one
        piece = body.feed(data)
        if body.is_complete:
            self.body = None
        leftover = body.take_leftover()
        if leftover:
            self.is_behind = self.body is not None
            self.hold(leftover)
        return piece

    def next_piece(self, size: int) -> bytes | None:
        """Return the body's part of up to ``size`` of the bytes held, None when none are; raise RequestError."""
        window = self._take_window(size)
        if not window:
            return None
        body: MessageBody = self.body  # type: ignore[assignment]  # called while there is one
        piece = body.feed(window)
        if body.is_complete:
            self.body = None
        self._held_at -= len(body.take_leftover())
        self.is_behind = self.body is not None and self.has_bytes()
        return piece

    # Bytes

    def has_bytes(self) -> bool:
        """Whether anything is held."""
        return self._held_at < len(self._held) or self._late is not None

    def hold(self, data: bytes) -> None:
        """Keep bytes of later requests; stop reading when there are many."""
        if self._late is None:
            self._late = [data]
        else:
            add_piece(self._late, data)
        self._late_bytes += len(data)
        if self._late_bytes + len(self._held) - self._held_at > HOLD_BYTES:
            self.pause()

    def take(self) -> bytes:
        """Return all that is held and hold nothing."""
        held = self._held[self._held_at :] if self._held_at else self._held
        self._held = b""
        self._held_at = 0
        if self._late is not None:
            held = b"".join([held, *self._late]) if held or len(self._late) > 1 else self._late[0]
            self._late = None
            self._late_bytes = 0
        return held

    def clear(self) -> None:
        """Forget what is held, and the body that is under way."""
        self.body = None
        self.is_behind = False
        self._held = b""
        self._held_at = 0
        self._late = None
        self._late_bytes = 0

    def _take_window(self, size: int) -> bytes:
        # So that a long burst is not copied for each of its requests.
        if self._held_at >= len(self._held):
            self._held = self.take()
        # Compared before it is added: a client's content-length may be the largest number there is.
        if size > len(self._held) - self._held_at:
            size = len(self._held) - self._held_at
        window = self._held[self._held_at : self._held_at + size]
        self._held_at += size
        return window

    # Reading

    def pause(self) -> None:
        """Read no more for now."""
        if not self.is_paused and not self.is_eof:
            self.is_paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read on, if reading was paused."""
        if self.is_paused:
            self.is_paused = False
            if not self.transport.is_closing():
                resume_reading(self._runtime.loop, self.transport)
