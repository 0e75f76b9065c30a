"""Priorities of streams (RFC 9218): what a client says of them, and whose DATA goes first then.

Until its client has spoken of priorities the streams of a connection share it evenly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from itertools import chain

from gasgi.errors import Http2Error
from gasgi.http2.sender import Queued, Sender
from gasgi.http2_codes import PROTOCOL_ERROR

__all__ = ["Priorities", "PriorityRow", "read_priority"]

# The rank of a stream is twice its urgency, plus 1 when it is incremental, and 0 where nothing was said.
URGENCIES = 8
USUAL_URGENCY = 3
_DIGITS = {b"%d" % urgency: urgency for urgency in range(URGENCIES)}


def read_priority(value: bytes) -> int:
    """Return the rank that a priority field gives (RFC 9218, 4); what cannot be read says nothing."""
    urgency = USUAL_URGENCY
    is_incremental = False
    for member in value.split(b","):
        key, equals, said = member.partition(b";")[0].strip(b" \t").partition(b"=")
        if key == b"u":
            urgency = _DIGITS.get(said, urgency)
        elif key == b"i":
            is_incremental = not equals or said == b"?1"
    return 2 * (urgency - USUAL_URGENCY) + is_incremental


class Level:
    """The streams of one urgency: what is incremental takes turns, and with it the first of what is not."""

    def __init__(self) -> None:
        self._shared: deque[Queued] = deque()
        self._ordered: list[tuple[int, Queued]] = []  # a heap
        self._is_turn_of_shared = False

    def __bool__(self) -> bool:
        return bool(self._shared or self._ordered)

    def __iter__(self) -> Iterator[Queued]:
        yield from [stream for _, stream in sorted(self._ordered)]
        yield from self._shared

    def put(self, stream: Queued) -> None:
        """Add a stream."""
        # RFC 9218, 11: what is after a tunnel must not wait for its end, whatever is said of the tunnel.
        if stream.rank & 1 or stream.is_endless:
            self._shared.append(stream)
        else:
            heappush(self._ordered, (stream.number, stream))

    def pop(self) -> Queued:
        """Take the next; there must be one."""
        if self._ordered and not (self._shared and self._is_turn_of_shared):
            self._is_turn_of_shared = True
            return heappop(self._ordered)[1]
        self._is_turn_of_shared = False
        return self._shared.popleft()

    def remove(self, stream: Queued) -> bool:
        """Take a stream out; return whether it was here."""
        if stream in self._shared:
            self._shared.remove(stream)
            return True
        entry = (stream.number, stream)
        if entry in self._ordered:
            self._ordered.remove(entry)
            heapify(self._ordered)
            return True
        return False


class PriorityRow:
    """In the place of a sender's row: the lowest urgency first."""

    def __init__(self, streams: Iterable[Queued]) -> None:
        self._levels = [Level() for _ in range(URGENCIES)]
        for stream in streams:
            self.append(stream)

    def __bool__(self) -> bool:
        return any(self._levels)

    def __iter__(self) -> Iterator[Queued]:
        return chain.from_iterable(self._levels)

    def append(self, stream: Queued) -> None:
        """Add a stream that can send, at its place."""
        self._level(stream).put(stream)

    def popleft(self) -> Queued:
        """Take the stream that sends next; there must be one."""
        return next(level for level in self._levels if level).pop()

    def clear(self) -> None:
        """Hold no stream."""
        self._levels = [Level() for _ in range(URGENCIES)]

    def move(self, stream: Queued, rank: int) -> None:
        """Give a stream another rank, whether it stands here or not."""
        stands = self._level(stream).remove(stream)
        stream.rank = rank
        if stands:
            self.append(stream)

    def _level(self, stream: Queued) -> Level:
        return self._levels[(stream.rank >> 1) + USUAL_URGENCY]


class Priorities:
    """Of the streams of one connection, as its client wants them; not ``is_heard``: whatever it wants."""

    def __init__(self, sender: Sender, is_heard: bool) -> None:
        # Fixed for the connection
        self._sender = sender
        self._streams = sender.streams
        self._is_heard = is_heard

        self._row: PriorityRow | None = None  # from the first word of the client on
        self._early: dict[int, int] = {}  # ranks of streams that are not open yet, as many as may be open

    def update(self, stream_id: int, value: bytes) -> None:
        """Obey a PRIORITY_UPDATE (RFC 9218, 7.1); raise Http2Error for a stream that no client opens."""
        if not stream_id & 1:
            raise Http2Error(PROTOCOL_ERROR, "PRIORITY_UPDATE of a stream that is not the client's")
        if not self._is_heard:
            return
        streams = self._streams
        state = streams.get(stream_id)
        if state is not None:
            if state.owner is not None:
                self._heard().move(state.owner, read_priority(value))
        elif stream_id > streams.last_number and (len(self._early) < streams.max_streams or stream_id in self._early):
            self._heard()
            self._early[stream_id] = read_priority(value)

    def begin(self, stream: Queued, value: bytes | None) -> None:
        """Give a request that begins its rank: that of an update before it, or else what its priority field says."""
        if not self._is_heard:
            return
        self._heard()
        early = self._early.pop(stream.number, None)
        if early is not None:
            stream.rank = early
        elif value is not None:
            stream.rank = read_priority(value)
        if self._early:
            # Of streams that were skipped: they never open.
            for number in [number for number in self._early if number < stream.number]:
                del self._early[number]

    def _heard(self) -> PriorityRow:
        """Return the row of streams: from here on in the order of priorities."""
        row = self._row
        if row is None:
            row = self._row = PriorityRow(self._sender.row)
            self._sender.row = row
            self._sender.has_ranks = True
        return row
