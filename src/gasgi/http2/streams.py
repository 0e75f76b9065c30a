"""The streams of one HTTP/2 connection: their states, their numbers and their windows (RFC 9113, 5.1, 5.2 and 6.9).

Knows neither frames nor I/O nor what the streams are for. A connection calls ``receive_*`` for what the client sent,
and the verbs for what it sent itself. Http2Error ends the connection, StreamError the stream alone: the connection
sends RST_STREAM, and calls ``reset`` when ``get`` still knows the stream. What must be ignored gives None.

A stream that the client resets makes room for the next at once, while the app may still run: how many run is not
counted here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gasgi.errors import Http2Error, StreamError
from gasgi.http2.wire import DEFAULT_WINDOW, MAX_WINDOW
from gasgi.http2_codes import FLOW_CONTROL_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, STREAM_CLOSED

__all__ = ["CLOSED", "HALF_CLOSED_LOCAL", "HALF_CLOSED_REMOTE", "OPEN", "Stream", "Streams"]

# Idle and skipped streams have no object. Who moves the state of one:
#   OPEN --receive_headers, receive_data with END_STREAM--> HALF_CLOSED_REMOTE --end_local--> CLOSED
#   OPEN --end_local--> HALF_CLOSED_LOCAL --receive_headers, receive_data with END_STREAM--> CLOSED
#   any --receive_reset, reset--> CLOSED
OPEN = 0
HALF_CLOSED_REMOTE = 1
HALF_CLOSED_LOCAL = 2
CLOSED = 3

# How a stream came to its end; of a forgotten one, and of one that was skipped, nothing is known.
_UNKNOWN = 0
_ENDED = 1
_RESET_BY_CLIENT = 2
_RESET_HERE = 3

# So many streams of the newest are remembered after their end: a power of two.
_REMEMBERED = 256


class Stream:
    """One stream; made by ``Streams.receive_headers``. ``owner`` is whatever the connection hangs on it."""

    def __init__(self, number: int, state: int, receive_window: int, send_window: int) -> None:
        self.number = number
        self.state = state
        self.owner: Any = None
        self.send_window = send_window  # may be negative (RFC 9113, 6.9.2)
        self.receive_window = receive_window
        self.credit = 0  # bytes taken by the app and not given back to the client yet
        self.length_left = -1  # of a content-length: bytes of DATA that are still due; -1: none was given


class Streams:
    """The streams of a connection that are not closed, the numbers of the others, and the windows of all."""

    def __init__(self, max_streams: int, stream_window: int, connection_window: int) -> None:
        # What the client was told
        self.max_streams = max_streams
        self._stream_window = stream_window
        self._opening_window = max(
            stream_window, DEFAULT_WINDOW
        )  # of new streams; until it has heard, the client has this
        self._connection_window = connection_window

        # Streams
        self._streams: dict[int, Stream] = {}
        self.last_number = 0  # the highest that was opened, or refused
        self._is_shut = False
        self._ends = [0] * _REMEMBERED  # number and kind of end of the newest closed ones

        # Windows
        self.send_window = DEFAULT_WINDOW
        self.initial_send_window = DEFAULT_WINDOW
        self.receive_window = connection_window
        self.credit = 0  # bytes received and not given back to the client yet

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[Stream]:
        return iter(list(self._streams.values()))

    def owners(self) -> list[Any]:
        """Return the owners of all streams, in a list of its own: what is done to one may end others."""
        return [stream.owner for stream in self._streams.values() if stream.owner is not None]

    def get(self, number: int) -> Stream | None:
        """Return a stream that is not closed."""
        return self._streams.get(number)

    # What the client sends

    def receive_headers(self, number: int, ends_stream: bool) -> Stream | None:
        """Open a stream, or take the trailers of one that is open: of a new one ``owner`` is None."""
        stream = self._streams.get(number)
        if stream is None:
            return self._open(number, ends_stream)
        if stream.state == HALF_CLOSED_REMOTE:
            raise StreamError(number, STREAM_CLOSED, "HEADERS after the end of the stream")
        if not ends_stream:
            # RFC 9113, 8.1: only trailers can follow.
            raise StreamError(number, PROTOCOL_ERROR, "trailers without END_STREAM")
        self._end_remote(stream)
        return stream

    def receive_data(self, number: int, size: int, window_bytes: int, ends_stream: bool) -> Stream | None:
        """Take ``size`` bytes of DATA that count ``window_bytes``, padding included.

        The window of the connection is given back as the bytes come (``take_credit``), since one stream that nobody
        reads must not stop the others; that of the stream as the app takes them (``give_back``).
        """
        self.receive_window -= window_bytes
        if self.receive_window < 0:
            raise Http2Error(FLOW_CONTROL_ERROR, "more DATA than the window of the connection")
        self.credit += window_bytes
        stream = self._streams.get(number)
        if stream is None:
            self._check_closed(number, "DATA")
            return None
        if stream.state == HALF_CLOSED_REMOTE:
            raise StreamError(number, STREAM_CLOSED, "DATA after the end of the stream")
        stream.receive_window -= window_bytes
        if stream.receive_window < 0:
            raise StreamError(number, FLOW_CONTROL_ERROR, "more DATA than the window of the stream")
        stream.credit += window_bytes - size
        if stream.length_left >= 0:
            stream.length_left -= size
            if stream.length_left < 0:
                raise StreamError(number, PROTOCOL_ERROR, "more DATA than the content-length")  # RFC 9113, 8.1.1
        if ends_stream:
            self._end_remote(stream)
        return stream

    def expect_length(self, stream: Stream, length: int) -> None:
        """Hold the DATA of the stream to the content-length of its request, which is not negative."""
        stream.length_left = length
        if length and (stream.state == HALF_CLOSED_REMOTE or stream.state == CLOSED):
            raise StreamError(stream.number, PROTOCOL_ERROR, "less DATA than the content-length")  # RFC 9113, 8.1.1

    def receive_reset(self, number: int) -> Stream | None:
        """Close a stream that the client has reset."""
        stream = self._streams.get(number)
        if stream is None:
            self._check_not_idle(number, "RST_STREAM")
            if self._end_of(number) == _RESET_HERE:
                self._remember(number, _RESET_BY_CLIENT)
        else:
            self._close(stream, _RESET_BY_CLIENT)
        return stream

    def receive_window_update(self, number: int, increment: int) -> Stream | None:
        """Widen the window of a stream, or with number 0 that of the connection."""
        if not number:
            self.send_window += increment
            if self.send_window > MAX_WINDOW:
                raise Http2Error(FLOW_CONTROL_ERROR, "the window of the connection is too large")
            return None
        stream = self._streams.get(number)
        if stream is None:
            self._check_not_idle(number, "WINDOW_UPDATE")
            return None
        stream.send_window += increment
        if stream.send_window > MAX_WINDOW:
            raise StreamError(number, FLOW_CONTROL_ERROR, "the window of the stream is too large")
        return stream

    def receive_initial_window(self, size: int) -> None:
        """Obey SETTINGS_INITIAL_WINDOW_SIZE, which changes the windows of all streams (RFC 9113, 6.9.2)."""
        change = size - self.initial_send_window
        self.initial_send_window = size
        for stream in self._streams.values():
            stream.send_window += change
            if stream.send_window > MAX_WINDOW:
                raise Http2Error(FLOW_CONTROL_ERROR, "the window of a stream is too large")

    def settle_window(self) -> None:
        """The client has heard of the windows of streams: one that is smaller than the default counts from here on."""
        change = self._stream_window - self._opening_window
        self._opening_window = self._stream_window
        for stream in self._streams.values():
            stream.receive_window += change

    def receive_broken_frame(self, number: int, code: int, text: str) -> None:
        """Take a frame that breaks its stream: raise StreamError, Http2Error on one that cannot be reset."""
        if self._is_idle(number):
            raise Http2Error(code, text)
        if number not in self._streams:
            if self._end_of(number) == _RESET_HERE:
                return
            self._remember(number, _RESET_HERE)
        raise StreamError(number, code, text)

    # What is sent to the client

    def end_local(self, stream: Stream) -> None:
        """END_STREAM was sent."""
        if stream.state == OPEN:
            stream.state = HALF_CLOSED_LOCAL
        elif stream.state == HALF_CLOSED_REMOTE:
            self._close(stream, _ENDED)

    def reset(self, stream: Stream) -> None:
        """RST_STREAM was sent, or will be: what still comes on the stream is ignored."""
        if stream.state != CLOSED:
            self._close(stream, _RESET_HERE)

    def sendable(self, stream: Stream) -> int:
        """Return how many bytes of DATA both windows let through."""
        size = min(stream.send_window, self.send_window)
        return size if size > 0 else 0

    def take_send_window(self, stream: Stream, size: int) -> None:
        """DATA of ``size`` bytes was sent."""
        stream.send_window -= size
        self.send_window -= size

    def give_back(self, stream: Stream, size: int) -> int:
        """The app took ``size`` bytes; return the increment of a WINDOW_UPDATE that is due for the stream, or 0."""
        stream.credit += size
        # Half a window at a time: the client is not held up, and few frames do.
        if stream.credit * 2 < self._stream_window or stream.state == HALF_CLOSED_REMOTE or stream.state == CLOSED:
            return 0
        increment = stream.credit
        stream.credit = 0
        stream.receive_window += increment
        return increment

    def take_credit(self) -> int:
        """Return the increment of a WINDOW_UPDATE that is due for the connection, or 0."""
        if self.credit * 2 < self._connection_window:
            return 0
        increment = self.credit
        self.credit = 0
        self.receive_window += increment
        return increment

    def shut(self) -> None:
        """The last GOAWAY was sent, with ``last_number``: what the client opens from now on is ignored."""
        self._is_shut = True

    # Numbers

    def _open(self, number: int, ends_stream: bool) -> Stream | None:
        if not number & 1:
            raise Http2Error(PROTOCOL_ERROR, "even stream identifier")  # RFC 9113, 5.1.1
        if number <= self.last_number:
            if self._end_of(number) == _UNKNOWN:
                raise Http2Error(PROTOCOL_ERROR, "stream identifier lower than an earlier one")  # RFC 9113, 5.1.1
            self._check_closed(number, "HEADERS")
            return None
        if self._is_shut:
            return None
        self.last_number = number
        if len(self._streams) >= self.max_streams:
            self._remember(number, _RESET_HERE)
            raise StreamError(number, REFUSED_STREAM, "more streams than SETTINGS_MAX_CONCURRENT_STREAMS")
        stream = Stream(
            number, HALF_CLOSED_REMOTE if ends_stream else OPEN, self._opening_window, self.initial_send_window
        )
        self._streams[number] = stream
        return stream

    def _is_idle(self, number: int) -> bool:
        return number > self.last_number or not number & 1

    def _check_not_idle(self, number: int, what: str) -> None:
        if self._is_idle(number) and not (self._is_shut and number & 1):
            raise Http2Error(PROTOCOL_ERROR, f"{what} on an idle stream")  # RFC 9113, 5.1

    def _check_closed(self, number: int, what: str) -> None:
        """Judge a frame on a stream that is not open: ignored only where the client cannot know of the end yet."""
        self._check_not_idle(number, what)
        end = self._end_of(number)
        if end == _ENDED:
            raise Http2Error(STREAM_CLOSED, f"{what} on a closed stream")  # RFC 9113, 5.1
        if end == _RESET_BY_CLIENT or (end == _UNKNOWN and number <= self.last_number):
            # Once: what follows is ignored.
            self._remember(number, _RESET_HERE)
            raise StreamError(number, STREAM_CLOSED, f"{what} on a closed stream")

    def _end_remote(self, stream: Stream) -> None:
        if stream.length_left > 0:
            raise StreamError(stream.number, PROTOCOL_ERROR, "less DATA than the content-length")  # RFC 9113, 8.1.1
        if stream.state == OPEN:
            stream.state = HALF_CLOSED_REMOTE
        else:
            self._close(stream, _ENDED)

    def _close(self, stream: Stream, end: int) -> None:
        stream.state = CLOSED
        del self._streams[stream.number]
        self._remember(stream.number, end)

    def _remember(self, number: int, end: int) -> None:
        self._ends[(number >> 1) % _REMEMBERED] = number << 2 | end

    def _end_of(self, number: int) -> int:
        end = self._ends[(number >> 1) % _REMEMBERED]
        return end & 3 if end >> 2 == number else _UNKNOWN
