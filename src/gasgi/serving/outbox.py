"""Bytes on their way to a transport: small pieces that are put in one turn of the loop leave in one write.

Knows neither framing nor requests. Who waits for a slow client waits at the gate.
"""

from __future__ import annotations

import asyncio

from gasgi.serving.flow import WriteGate
from gasgi.serving.sizes import FLUSH_BYTES, JOIN_BYTES

__all__ = ["Outbox"]

HOLD_S = 0.001  # how long a complete answer may wait for the next ones of a pipeline


class Outbox:
    """One per connection; ``transport`` is set when it is there."""

    def __init__(self, loop: asyncio.AbstractEventLoop, gate: WriteGate) -> None:
        # Fixed for the connection
        self._loop = loop
        self._gate = gate
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # from connection_made on

        self._pieces: list[bytes] = []
        self.size = 0  # bytes in _pieces
        self._is_flush_due = False
        self._answers_held = 0  # complete answers among the pieces, waiting for those to the requests pipelined after
        self._flush_by = 0.0  # loop time until which the first of them waits

    def put(self, data: bytes) -> None:
        """Take bytes, to be written with the next flush."""
        if data:
            self._pieces.append(data)
            self.size += len(data)

    def flush_soon(self) -> None:
        """Write at the end of this turn of the loop."""
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush_turn)

    def hold_answer(self) -> None:
        """Let a complete answer wait for those to the requests pipelined after it; at once when there is much."""
        if self.size >= FLUSH_BYTES:
            self.flush()
            return
        if not self._answers_held and not self._flush_by:
            self._flush_by = self._loop.time() + HOLD_S
        self._answers_held += 1
        self.flush_soon()

    def flush(self) -> None:
        """Hand everything to the transport in one write."""
        self._answers_held = 0
        self._flush_by = 0.0
        size = self.size
        if not size:
            return
        pieces = self._pieces
        self._pieces = []
        self.size = 0
        if self._gate.is_lost:
            return
        if len(pieces) == 1:
            self.transport.write(pieces[0])
        elif size <= JOIN_BYTES:
            self.transport.write(b"".join(pieces))
        else:
            self.transport.writelines(pieces)

    def clear(self) -> None:
        """Forget what has not been written: nobody will read it."""
        self._pieces.clear()
        self.size = 0

    def _flush_turn(self) -> None:
        self._is_flush_due = False
        if self._answers_held and self.size < FLUSH_BYTES and self._loop.time() < self._flush_by:
            # Another answer joined those held, and the app is at the next request: it is likely to join in a turn.
            self._answers_held = 0
            self.flush_soon()
            return
        self.flush()
