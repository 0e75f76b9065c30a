"""The writing half of a WebSocket connection: frames, compression, and when bytes reach the transport.

Knows nothing of what is read. The connection built on it is the asyncio protocol.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

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

# From here on a payload is written behind its header instead of copied behind it.
_COPY_BYTES = 16 * 1024
# What sends of one turn may join before they are written.
_JOIN_BYTES = 64 * 1024
# After so much an app lets the loop serve the others although its client takes all, or has gone and the loop has yet to
# say so. Every message counts for a few bytes more, so that empty ones are bounded too.
_TURN_BYTES = 256 * 1024
_MESSAGE_BYTES = 64
# Compressing more than this in one go would hold up the other connections.
_COMPRESS_AT_ONCE_BYTES = 32 * 1024


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
        self._compressing: asyncio.Lock | None = None  # held while a message is compressed in slices
        self._in_turn = 0  # sends that wait for it, or hold it

        self._sent_bytes = 0

    def _is_open(self) -> bool:
        """Whether messages may be sent: the connection knows."""
        raise NotImplementedError

    def send_message(self, payload: bytes | str) -> Awaitable[None]:
        size = len(payload)
        if self._in_turn:
            return self._queue_message(payload)
        if self._deflater is not None and size >= self._compression_min_bytes:
            if size > _COMPRESS_AT_ONCE_BYTES:
                return self._queue_message(payload)
            self._write_compressed(payload)
        else:
            self._write_message(payload)
        self._turn_bytes += size + _MESSAGE_BYTES
        if self._turn_bytes >= _TURN_BYTES:
            self._turn_bytes = 0
            return self._gate.next_turn()
        return DONE if self._gate.is_open else self._gate.wait()

    def _write_message(self, payload: bytes | str) -> None:
        if isinstance(payload, str):
            self._write(encode_frame(_FIN_TEXT, payload))
        else:
            self._write_frame(_FIN_BINARY, payload)

    def _write_compressed(self, payload: bytes | str) -> None:
        if isinstance(payload, str):
            self._write_frame(_FIN_TEXT | _RSV1, self._deflater.deflate(payload.encode()))  # type: ignore[union-attr]
        else:
            self._write_frame(_FIN_BINARY | _RSV1, self._deflater.deflate(payload))  # type: ignore[union-attr]

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
        """Send a message that is large and to be compressed, or that comes behind such a one."""
        if self._compressing is None:
            self._compressing = asyncio.Lock()
        self._in_turn += 1  # now: what is sent before the first step of this must not overtake it
        return self._send_in_turn(payload.encode() if isinstance(payload, str) else payload, isinstance(payload, str))

    async def _send_in_turn(self, data: bytes, is_text: bool) -> None:
        try:
            async with self._compressing:  # type: ignore[union-attr]  # made by _queue_message
                self._check_open()
                if self._deflater is None or len(data) < self._compression_min_bytes:
                    self._write_frame(_FIN_TEXT if is_text else _FIN_BINARY, data)
                else:
                    await self._compress_in_slices(data, is_text)
        finally:
            self._in_turn -= 1
        await self._gate.wait()

    async def _compress_in_slices(self, data: bytes, is_text: bool) -> None:
        """Compress and write one message, letting others run between two slices."""
        first_byte = (_FIN_TEXT if is_text else _FIN_BINARY) | _RSV1
        parts = []
        slices = self._deflater.deflate_in_slices(data)  # type: ignore[union-attr]
        try:
            for part in slices:
                parts.append(part)
                await asyncio.sleep(0)
                self._check_open()
        except BaseException:
            if self._is_open():
                # The peer must get what the compressor has swallowed, or it could read nothing after it.
                parts.extend(slices)
                self._write_frame(first_byte, b"".join(parts))
            raise
        self._write_frame(first_byte, b"".join(parts))

    def _check_open(self) -> None:
        if not self._is_open():
            raise ClientDisconnected("the WebSocket was closed before the message was sent")
