"""What the streams of an HTTP/2 connection share to send: codec, windows, outbox, and whose DATA goes next.

Streams whose DATA cannot leave at once stand in a row and send a frame each in turn, or in the order of their
priorities where the client has any.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Protocol

from gasgi._accel import HpackEncoder
from gasgi.asgi.app_task import AppTask
from gasgi.asgi.awaitables import DONE
from gasgi.asgi.stream import HttpStream
from gasgi.http2.encoder import encode_data_head, encode_headers, encode_reset, encode_window_update
from gasgi.http2.floods import FloodGuard
from gasgi.http2.pieces import Pieces
from gasgi.http2.streams import Stream, Streams
from gasgi.http2.wire import DEFAULT_WINDOW, HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE_MIN
from gasgi.reporting.timing import Timing
from gasgi.serving.flow import WriteGate
from gasgi.serving.outbox import Outbox
from gasgi.serving.runtime import Runtime
from gasgi.serving.sizes import FLUSH_BYTES, JOIN_BYTES

__all__ = ["Queued", "Sender"]

TURN_BYTES = 256 * 1024  # of DATA in a turn of the loop: then the others have their turn


class Queued(HttpStream):
    """What a stream is for: it takes what comes on it, and can stand in the row.

    ``rank``: priorities, 0 by default; ``is_endless``: no other could wait for its end; ``waiting``: DATA for the
    windows of the client; ``looks``: how often quiet_heads has looked at the head that is held.
    """

    state: Stream
    number: int
    rank: int
    is_endless: bool
    exchange: AppTask | None
    waiting: Pieces | None
    is_in_row: bool
    looks: int

    def receive(self, piece: bytes, ends_stream: bool) -> None:
        """Take DATA, or the end of the stream."""
        raise NotImplementedError

    def lose(self) -> None:
        """The stream was reset, or its connection is lost; the state has been moved."""
        raise NotImplementedError

    def drain(self) -> None:
        """The worker is stopping."""

    def send_frame(self) -> int:
        """Send one DATA frame, as large as windows and frame size allow; return its size."""
        raise NotImplementedError

    def stays(self) -> bool:
        """Say whether it stands in the row from now on: DATA waits and the window of the stream is open."""
        self.is_in_row = self.waits() and self.state.send_window > 0
        return self.is_in_row

    def waits(self) -> bool:
        """Whether DATA waits."""
        return self.waiting is not None and self.waiting.size > 0


class Row(Protocol):
    """Of streams that can send."""

    def __iter__(self) -> Iterator[Queued]: ...
    def append(self, stream: Queued, /) -> None: ...
    def popleft(self) -> Queued: ...
    def clear(self) -> None: ...


class Sender:
    """One per connection."""

    def __init__(self, runtime: Runtime, gate: WriteGate, streams: Streams, guard: FloodGuard) -> None:
        # Fixed for the connection
        self.runtime = runtime
        self.gate = gate
        self.outbox = Outbox(runtime.loop, gate)
        self.streams = streams
        self.guard = guard
        self.encoder = HpackEncoder()
        self.on_empty: Callable[[], object] | None = None  # called when the last stream has ended, once it is set
        self.on_quiet: Callable[[], object] | None = None  # the same for the last app

        # What the client said
        self.max_frame_bytes = MAX_FRAME_SIZE_MIN

        self.running = 0  # tasks of apps that have not ended
        self.websockets = 0  # the same for WebSockets, which have no grace period when their client leaves
        self.held = 0  # heads of answers that wait for the first piece of their body
        self.withheld = 0  # of the client's window
        self.is_watched = False  # by quiet_heads, for the streams: each of them would be held there
        self.number = 0
        self.last_active = 0.0  # when the latest stream ended
        self.sent_at = 0.0  # when DATA left last
        self.row: Row = deque[Queued]()
        self.has_ranks = False  # the client has spoken of priorities: another one knows whose DATA goes next
        self._is_turn_due = False

        # The fields of the server, as pairs
        self._server_line = b""
        self._server: tuple[bytes, bytes] | None = None
        self._date_line = b""
        self._date: tuple[bytes, bytes] | None = None

    def server(self) -> tuple[bytes, bytes] | None:
        """Return the server field, None where it is switched off."""
        line = self.runtime.server_field
        if line is not self._server_line:
            self._server_line = line
            self._server = _pair_of(line)
        return self._server

    def date(self) -> tuple[bytes, bytes] | None:
        """Return the date field: the same object for a second."""
        line = self.runtime.date_field
        if line is not self._date_line:
            self._date_line = line
            self._date = _pair_of(line)
        return self._date

    def head(self, number: int, status: int, fields: Iterable[tuple[bytes, bytes]], ends_stream: bool) -> bytes:
        """Encode a head; what it returns must go into the outbox before anything else is encoded."""
        return encode_headers(number, self.encoder.encode(status, fields), ends_stream, self.max_frame_bytes)

    def trailers(self, number: int, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Encode trailers, as ``head`` does."""
        return encode_headers(number, self.encoder.encode_trailers(fields), True, self.max_frame_bytes)

    def say(self, frames: bytes) -> None:
        """Send frames that are no DATA."""
        self.outbox.put(frames)
        self.outbox.flush_soon()

    def obey(self, settings: list[tuple[int, int]]) -> None:
        """Do as the SETTINGS of the client say."""
        for setting, value in settings:
            if setting == HEADER_TABLE_SIZE:
                self.encoder.set_max_table_bytes(value)
            elif setting == INITIAL_WINDOW_SIZE:
                self.streams.receive_initial_window(value)
                for stream in self.streams.owners():
                    self.queue(stream)
            # Larger frames than the smallest of MAX_FRAME_SIZE would keep other streams waiting for longer.
        if self.withheld:
            self.streams.send_window += self.withheld
            self.withheld = 0
            self.pump()

    def withhold(self) -> None:
        """Send one frame of DATA at most until the client's SETTINGS have come.

        After a 101 curl (7.88) takes no more than 32 KiB before it has read that.
        """
        self.withheld = DEFAULT_WINDOW - MAX_FRAME_SIZE_MIN
        self.streams.send_window -= self.withheld

    def put_data(self, stream: Stream, body: bytes, size: int, ends: bool) -> None:
        """Send one DATA frame, which has room."""
        outbox = self.outbox
        if size <= JOIN_BYTES:
            outbox.put(encode_data_head(stream.number, size, ends) + body)
        else:
            outbox.put(encode_data_head(stream.number, size, ends))
            outbox.put(body)
        outbox.flush_soon()
        if size:
            self.sent_at = self.runtime.now
            self.streams.take_send_window(stream, size)
            self.guard.data_sent(size)

    def give_back(self, stream: Stream, size: int) -> None:
        """Let the client send on what the app took."""
        increment = self.streams.give_back(stream, size)
        if increment:
            self.say(encode_window_update(stream.number, increment))

    def pace(self, is_idle: bool, timing: Timing | None) -> Awaitable[None]:
        """Return what an app awaits after a piece with more to come that has left; ``is_idle``: nothing of it has."""
        gate = self.gate
        if self.outbox.size >= FLUSH_BYTES:
            self.outbox.flush()
            is_idle = True  # an app that streams without a pause must not keep the loop from everybody else
        if gate.is_open:
            return gate.next_turn() if is_idle else DONE
        return gate.wait() if timing is None else _wait_timed(gate, timing)

    def reset(self, stream: Stream, code: int) -> None:
        """Reset a stream."""
        self.say(encode_reset(stream.number, code))
        self.streams.reset(stream)

    def stream_over(self) -> None:
        """A stream has left the table."""
        self.last_active = self.runtime.now
        if self.on_empty is not None and not len(self.streams):
            self.on_empty()

    def app_over(self) -> None:
        """The app of a stream has ended."""
        self.running -= 1
        if self.on_quiet is not None and not self.running:
            self.on_quiet()

    def due_in(self, seconds: float) -> float:
        """Return the loop time of a deadline; 0 for none."""
        return self.runtime.now + seconds if seconds > 0 else 0.0

    def is_behind(self, stream: Queued, now: float) -> bool:
        """Whether a stream waits for the DATA of others, more urgent ones, and not for the client, which takes them."""
        return stream.is_in_row and now < self.sent_at + self.runtime.settings.write_timeout_s

    # For quiet_heads

    def hold_head(self) -> None:
        """A stream holds a head back."""
        self.held += 1
        if not self.is_watched:
            self.runtime.quiet_heads.watch(self)

    def holds_head(self) -> bool:
        """Look at all streams; return whether one holds a head."""
        if self.held:
            for stream in self.streams.owners():
                stream.looks += 1
        return self.held > 0

    def send_held_head(self) -> None:
        """Let go what has been looked at before."""
        for stream in self.streams.owners():
            stream.send_quiet_head()
        if self.held and not self.is_watched:
            self.runtime.quiet_heads.watch(self)

    # The row

    def room(self, stream: Stream) -> int:
        """Return how many bytes of DATA of a stream that does not stand in the row can leave now, in one frame."""
        if not self.gate.is_open or (self.has_ranks and self.row):
            return 0
        return min(self.max_frame_bytes, self.streams.sendable(stream))

    def queue(self, stream: Queued) -> None:
        """Let a stream have its turn when it can send and does not stand in the row already."""
        if stream.is_in_row or not stream.stays():
            return
        self.row.append(stream)
        if not self._is_turn_due:
            self._is_turn_due = True
            self.runtime.loop.call_soon(self._take_turn)

    def pump(self) -> None:
        """Send from the row until both ends have enough: a frame of each stream in turn."""
        row = self.row
        left = TURN_BYTES
        while row and self.gate.is_open and self.streams.send_window > 0:
            if left <= 0:
                if not self._is_turn_due:
                    self._is_turn_due = True
                    self.runtime.loop.call_soon(self._take_turn)
                break
            stream = row.popleft()
            left -= stream.send_frame()
            if stream.stays():
                row.append(stream)
            if self.outbox.size >= FLUSH_BYTES:
                self.outbox.flush()
        self.outbox.flush_soon()

    def clear(self) -> None:
        """The connection is lost."""
        self.row.clear()
        self.outbox.clear()
        self.runtime.quiet_heads.forget(self)
        self.on_empty = None

    def _take_turn(self) -> None:
        self._is_turn_due = False
        if not self.gate.is_lost:
            self.pump()


async def _wait_timed(gate: WriteGate, timing: Timing) -> None:
    timing.begin_client_wait()
    try:
        await gate.wait()
    finally:
        timing.end_client_wait()


def _pair_of(line: bytes) -> tuple[bytes, bytes] | None:
    """Return a field line of HTTP/1.1 as a pair."""
    name, colon, value = line.partition(b": ")
    return (name, value.rstrip(b"\r\n")) if colon else None
