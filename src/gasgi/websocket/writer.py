"""The writing half of a WebSocket connection: frames, compression, and when bytes reach the transport.

Knows nothing of what is read. The connection built on it is the asyncio protocol.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterator

from gasgi._accel import encode_frame, encode_frame_header
from gasgi.asgi.awaitables import DONE
from gasgi.asgi.websocket import WebSocketStream
from gasgi.errors import ClientDisconnected
from gasgi.serving.flow import WriteGate
from gasgi.serving.runtime import Runtime
from gasgi.websocket.deflate import DeflateAgreement, Deflater

__all__ = ["WebSocketWriter"]

_FIN_TEXT = 0x81
_FIN_BINARY = 0x82
_RSV1 = 0x40

# From here on a payload is written after its header instead of copied after it.
_COPY_BYTES = 16 * 1024
# A broadcast sends the same object to one client after the other: its frame is made once for all of them. Smaller ones
# are as quickly made; no larger one is kept, since the latest stays until another comes.
_KEPT_FROM_BYTES = 1024
_KEPT_TO_BYTES = 64 * 1024
# What sends of one turn may join before they are written.
_JOIN_BYTES = 64 * 1024
# After so much an app lets the loop serve the others although its client takes all, or has gone and the loop has yet to
# say so. Every message counts for a few bytes more, so that empty ones are bounded too.
_TURN_BYTES = 256 * 1024
_MESSAGE_BYTES = 64
# Compressing more than this in one go would hold up the other connections: 1 to 2 ms at level 1.
_COMPRESS_AT_ONCE_BYTES = 32 * 1024
# Compressing costs so many times what sending the same bytes as they are costs, and counts for it.
_COMPRESSED_WEIGHT = 8

# A message that waits: its bytes, whether they are text, and what hears that it is written (None) or why it is not.
_Waiting = tuple[bytes, bool, "asyncio.Future[Exception | None]"]


class WebSocketWriter(WebSocketStream):
    """Writes messages; ``deflate`` is what was agreed on, None for no compression."""

    def __init__(self, runtime: Runtime, transport: asyncio.Transport, deflate: DeflateAgreement | None) -> None:
        # Fixed for the connection
        settings = runtime.settings
        self._runtime = runtime
        self._transport = transport
        self._gate = WriteGate(runtime.loop)
        self._deflater: Deflater | None = None
        self._compression_min_bytes = settings.websocket_compression_min_bytes
        if deflate is not None:
            deflater = Deflater(deflate, settings.websocket_compression_level)
            if deflater.can_compress:
                self._deflater = deflater

        # What waits to be written
        self._may_write_now = True  # nothing was written since data arrived or joined frames left
        self._is_flush_due = False
        self._out: list[bytes] = []  # frames of this turn, to be written in one go
        self._out_bytes = 0
        self._turn_bytes = 0  # sent since the app last let others run

        # Messages that are compressed in slices, and those sent after them. While there are any, a step is due in the
        # next turn of the loop, whatever becomes of the coroutines that wait for them.
        self._waiting: deque[_Waiting] | None = None
        self._slices: Iterator[bytes] | None = None  # of the first of them, once that is begun
        self._parts: list[bytes] = []  # of it, compressed

        self._sent_bytes = 0

    def _is_open(self) -> bool:
        """Whether messages may be sent: the connection knows."""
        raise NotImplementedError

    def send_message(self, payload: bytes | str) -> Awaitable[None]:
        if self._waiting:
            return self._queue_message(payload)
        if self._deflater is not None and len(payload) >= self._compression_min_bytes:
            is_text = isinstance(payload, str)
            data = payload.encode() if isinstance(payload, str) else payload
            if len(data) > _COMPRESS_AT_ONCE_BYTES:
                return self._queue_message(payload)
            self._write_frame((_FIN_TEXT if is_text else _FIN_BINARY) | _RSV1, self._deflater.deflate(data))
            self._turn_bytes += _COMPRESSED_WEIGHT * (len(data) + _MESSAGE_BYTES)
        else:
            before = self._sent_bytes
            self._write_message(payload)
            self._turn_bytes += self._sent_bytes - before + _MESSAGE_BYTES
        if self._turn_bytes >= _TURN_BYTES:
            self._turn_bytes = 0
            return self._gate.next_turn()
        return DONE if self._gate.is_open else self._gate.wait()

    def _write_message(self, payload: bytes | str) -> None:
        if isinstance(payload, str):
            frame = _kept_frame(_FIN_TEXT, payload)
            if len(frame) < _COPY_BYTES:
                self._write(frame)
            else:
                self._flush()
                self._sent_bytes += len(frame)
                self._transport.write(frame)
        elif len(payload) < _COPY_BYTES:
            self._write(_kept_frame(_FIN_BINARY, payload))
        else:
            self._write_large(_FIN_BINARY, payload)

    def _write_frame(self, first_byte: int, payload: bytes) -> None:
        if len(payload) < _COPY_BYTES:
            self._write(encode_frame(first_byte, payload))
        else:
            self._write_large(first_byte, payload)

    def _write_large(self, first_byte: int, payload: bytes) -> None:
        self._flush()
        size = len(payload)
        self._sent_bytes += size
        self._transport.writelines((encode_frame_header(first_byte, size), payload))

    def _write(self, data: bytes) -> None:
        """Write the first bytes of a turn of the loop at once and join those that follow in it."""
        self._sent_bytes += len(data)
        if self._may_write_now:
            self._may_write_now = False
            self._transport.write(data)
            return
        self._out.append(data)
        self._out_bytes += len(data)
        if self._out_bytes >= _JOIN_BYTES:
            self._flush()
        elif not self._is_flush_due:
            self._is_flush_due = True
            self._runtime.loop.call_soon(self._flush_turn)

    def _flush_turn(self) -> None:
        self._is_flush_due = False
        self._flush()
        self._may_write_now = True

    def _flush(self) -> None:
        if self._out:
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
            self._out_bytes = 0
            self._transport.write(data)

    def _queue_message(self, payload: bytes | str) -> Awaitable[None]:
        """Send a message that is large and to be compressed, or that comes after such a one.

        Nothing is counted or locked by what is returned: it may be cancelled, or dropped, before its first step.
        """
        is_text = isinstance(payload, str)
        data = payload.encode() if isinstance(payload, str) else payload
        written: asyncio.Future[Exception | None] = self._runtime.loop.create_future()
        if self._waiting is None:
            self._waiting = deque()
        if not self._waiting:
            self._runtime.loop.call_soon(self._write_waiting)
        self._waiting.append((data, is_text, written))
        return self._until_written(written)

    async def _until_written(self, written: asyncio.Future[Exception | None]) -> None:
        error = await written
        if error is not None:
            raise error
        await self._gate.wait()

    def _write_waiting(self) -> None:
        """Compress and write what waits, a slice in a turn of the loop or small messages of that size."""
        waiting: deque[_Waiting] = self._waiting  # type: ignore[assignment]  # made by _queue_message
        try:
            room = _COMPRESS_AT_ONCE_BYTES
            while waiting and room > 0:
                if self._is_open():
                    data, is_text, written = waiting[0]
                    room -= self._write_some(data, is_text, written)
                else:
                    self._tell_first(ClientDisconnected("the WebSocket was closed before the message was sent"))
        except Exception as exc:
            # The compressor has swallowed what the client will never see: it could read nothing that came after it.
            self._transport.abort()
            self._tell_first(exc)
        if waiting:
            self._runtime.loop.call_soon(self._write_waiting)

    def _write_some(self, data: bytes, is_text: bool, written: asyncio.Future[Exception | None]) -> int:
        """Do the next piece of work on the first message that waits; return how much of a turn that took, in bytes."""
        first_byte = _FIN_TEXT if is_text else _FIN_BINARY
        if self._slices is None:
            if written.cancelled():
                self._tell_first(None)
                return _MESSAGE_BYTES
            if self._deflater is None or len(data) < self._compression_min_bytes:
                self._write_frame(first_byte, data)
                self._tell_first(None)
                return len(data) + _MESSAGE_BYTES
            self._slices = self._deflater.deflate_in_slices(data)
        # Once begun it is sent, also when its send is cancelled: what comes after it builds on it (RFC 7692, 7.2.1).
        part = next(self._slices, None)
        if part is not None:
            self._parts.append(part)
            return min(len(data), _COMPRESS_AT_ONCE_BYTES)
        self._write_frame(first_byte | _RSV1, b"".join(self._parts))
        self._tell_first(None)
        return _MESSAGE_BYTES

    def _tell_first(self, error: Exception | None) -> None:
        """Be done with the first message that waits."""
        written = self._waiting.popleft()[2]  # type: ignore[union-attr]  # there is one
        self._slices = None
        self._parts.clear()
        if not written.done():
            written.set_result(error)


# The latest message that was worth it, of whatever connection. One thread writes all of a worker's.
_latest: bytes | str | None = None
_latest_frame = b""


def _kept_frame(first_byte: int, payload: bytes | str) -> bytes:
    """Return the frame of a message that is not compressed, the one made before where the same object is sent again."""
    global _latest, _latest_frame
    size = len(payload)
    if size < _KEPT_FROM_BYTES or size > _KEPT_TO_BYTES:
        return encode_frame(first_byte, payload)
    if payload is not _latest:
        _latest_frame = encode_frame(first_byte, payload)
        _latest = payload
    return _latest_frame
