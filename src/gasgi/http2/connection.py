"""An HTTP/2 connection: reads frames, runs an exchange for each stream, and ends with GOAWAY.

The asyncio protocol of a connection whose client speaks HTTP/2. Its parts: reader and
streams judge what comes, the sender writes what goes, the guard counts what costs a client nothing.
"""

from __future__ import annotations

import asyncio

from gasgi._accel import HpackDecoder, RequestHead
from gasgi.errors import Http2Error, RequestError, StreamError
from gasgi.http2.encoder import (
    SETTINGS_ACK,
    encode_goaway,
    encode_own_settings,
    encode_ping_ack,
    encode_reset,
    encode_window_update,
)
from gasgi.http2.floods import (
    EMPTY_DATA,
    PINGS,
    PRIORITIES,
    PROVOKED_RESETS,
    RESETS,
    SETTINGS_FRAMES,
    UNKNOWN_FRAMES,
    WINDOW_UPDATES,
    FloodGuard,
)
from gasgi.http2.frames import FrameReader
from gasgi.http2.heads import check_trailers
from gasgi.http2.leaving import Leaving
from gasgi.http2.requests import Requests
from gasgi.http2.sender import Queued, Sender
from gasgi.http2.sink import FrameSink
from gasgi.http2.streams import Stream, Streams
from gasgi.http2.wire import DEFAULT_WINDOW, MAX_STREAM_ID
from gasgi.http2_codes import NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, SETTINGS_TIMEOUT
from gasgi.proxy.protocol import ProxyInfo
from gasgi.reporting.timing import held_since
from gasgi.serving.deadlines import Deadlines
from gasgi.serving.flow import WriteGate, resume_reading
from gasgi.serving.peer import Peer
from gasgi.serving.runtime import Runtime
from gasgi.types import Headers

__all__ = ["Http2Connection"]

# Of a header list on the wire: up to here one that is too large is answered, beyond it the connection ends.
BLOCK_PER_LIST = 2
MIN_BLOCK_BYTES = 32768
CONNECTION_WINDOW = 1024 * 1024  # given back as bytes come: what is held, the windows of the streams bound
PSEUDO_FIELDS = 5
SETTINGS_S = 30.0  # as long as honest clients take at most to acknowledge SETTINGS
GOAWAY_S = 1.0  # between the two GOAWAYs of a stop: what is on its way by then is still served


class Http2Connection(FrameSink):
    """``proxied`` is what a PROXY protocol header said, which the server reads before this is made."""

    def __init__(self, runtime: Runtime, proxied: ProxyInfo | None = None) -> None:
        # Fixed for the connection
        self._runtime = runtime
        self._proxied = proxied
        self._transport: asyncio.Transport = None  # type: ignore[assignment]  # from connection_made on
        self._peer: Peer = None  # type: ignore[assignment]  # from connection_made on
        self._requests: Requests = None  # type: ignore[assignment]  # from connection_made on
        self._gate = WriteGate(runtime.loop)
        settings = runtime.settings
        self._max_running = 2 * settings.http2_max_streams
        self._streams = Streams(
            settings.http2_max_streams, settings.http2_window_bytes, max(CONNECTION_WINDOW, settings.http2_window_bytes)
        )
        self._guard = FloodGuard()
        self._sender = Sender(runtime, self._gate, self._streams, self._guard)
        max_block_bytes = max(MIN_BLOCK_BYTES, BLOCK_PER_LIST * settings.http2_max_list_bytes)
        self._reader = FrameReader(self, settings.http2_max_frame_bytes, max_block_bytes)
        self._decoder = HpackDecoder(
            max_list_bytes=settings.http2_max_list_bytes, max_fields=runtime.head_limits.fields + PSEUDO_FIELDS
        )
        self._deadlines = Deadlines(runtime)
        self._leaving = Leaving(self._sender)

        # What it does
        self._settings_at = -1.0  # when the client must have acknowledged SETTINGS; 0: it has, -1: it has sent none
        self._is_ending = False  # the last GOAWAY is sent
        self._held_at = 0.0  # since when requests wait for their turn, by the clock of slow requests; 0: none does
        self._shut_at = 0.0  # when the last GOAWAY of a stop is due

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:
        runtime = self._runtime
        self._transport = transport
        self._sender.outbox.transport = self._deadlines.transport = transport
        self._peer = Peer(runtime, transport, self._proxied)
        self._requests = Requests(runtime, self._peer, self._sender)
        transport.set_write_buffer_limits(high=runtime.settings.write_buffer_bytes)
        runtime.connections.add(self)
        self._sender.last_active = runtime.now
        self._deadlines.set_read(runtime.settings.first_byte_timeout_s)
        more = self._streams.receive_window - DEFAULT_WINDOW
        self._sender.say(encode_own_settings(runtime.settings) + encode_window_update(0, more))

    def data_received(self, data: bytes) -> None:
        if self._runtime.meter is not None:
            self._runtime.meter.count_received(len(data))
        self._read(data)

    def _read(self, data: bytes) -> None:
        reader = self._reader
        try:
            reader.feed(data)
        except Http2Error as exc:
            self._end(exc.code, exc.text)
            return
        increment = self._streams.take_credit()
        if increment:
            self._sender.say(encode_window_update(0, increment))
        if reader.is_in_block():
            if not self._deadlines.read_at:
                self._deadlines.set_read(self._runtime.settings.header_timeout_s)
        elif reader.has_begun():
            self._deadlines.read_at = 0.0
        if self._runtime.slow is not None:
            self._held_at = held_since(self._held_at, reader.is_held())

    def eof_received(self) -> None:
        pass  # the transport closes: no client of HTTP/2 shuts one side

    def connection_lost(self, exc: Exception | None) -> None:
        self._reader.stop()
        self._deadlines.clear()
        self._is_ending = True
        self._drop()
        if self._sender.running:
            # Stays among the connections until the last app has ended: that is who sweeps their grace periods.
            self._sender.on_quiet = self._forget
        else:
            self._forget()

    def pause_writing(self) -> None:
        self._gate.pause()
        self._deadlines.set_write()
        # A client that takes nothing must not be owed ever more acknowledgements.
        if not self._is_ending:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._deadlines.write_at = 0.0
        self._gate.resume()
        if not self._is_ending:
            self._sender.pump()
            resume_reading(self._runtime.loop, self._transport)

    # Connection, for the server and the turns

    def sweep(self, now: float) -> None:
        deadlines = self._deadlines
        self._leaving.sweep(now)
        if self._is_ending:
            if deadlines.is_write_over(now):
                self._transport.abort()
            return
        for stream in self._streams.owners():
            self._leaving.look(stream, now)
        if deadlines.is_read_over(now):
            self._end(PROTOCOL_ERROR if self._reader.has_begun() else NO_ERROR, "the client sent nothing for too long")
        elif deadlines.is_write_over(now):
            self._gate.lost()  # nothing of this sweep is written any more
            self._transport.abort()
        elif 0 < self._settings_at <= now:
            self._end(SETTINGS_TIMEOUT, "SETTINGS were not acknowledged")  # RFC 9113, 6.5.3
        elif self._shut_at and now >= self._shut_at:
            self._shut_at = 0.0
            self._shut()
        elif len(self._streams) or not self._reader.has_begun():
            pass
        elif self._sender.last_active + self._runtime.keep_alive_s <= now:
            self._end(NO_ERROR, "")

    def drain(self) -> None:
        if self._is_ending or self._shut_at:
            return
        # RFC 9113, 6.8: a first GOAWAY refuses nothing; the real one comes when requests on their way have arrived.
        self._sender.outbox.put(encode_goaway(MAX_STREAM_ID, NO_ERROR))
        self._sender.outbox.flush()
        self._shut_at = self._runtime.now + GOAWAY_S
        for stream in self._streams.owners():
            stream.drain()

    def abort(self) -> None:
        for stream in self._streams.owners():
            exchange = stream.exchange
            if exchange is not None:
                exchange.cancel()
        self._leaving.cancel()
        self._gate.lost()
        self._transport.abort()

    def take_turn(self) -> None:
        if not self._is_ending:
            self._reader.resume()
            self._read(b"")

    # FrameSink

    def on_headers(self, stream_id: int, block: bytes, ends_stream: bool, is_broken: bool) -> None:
        refusal: RequestError | None = None
        fields: Headers = []
        try:
            fields = self._decoder.decode(block)
        except RequestError as exc:
            refusal = exc
        try:
            state = self._streams.receive_headers(stream_id, ends_stream)
            if state is None:
                return
            if is_broken:
                raise StreamError(stream_id, PROTOCOL_ERROR, "stream depends on itself")
            if state.owner is not None:
                if refusal is not None:
                    raise StreamError(stream_id, PROTOCOL_ERROR, "trailers are too large")
                check_trailers(stream_id, fields, self._decoder.flaw)
                state.owner.receive(b"", True)
            elif self._sender.running + self._sender.websockets >= self._max_running:
                # A reset makes room among the streams at once; the app of the stream may still run.
                raise StreamError(
                    stream_id, REFUSED_STREAM, "too many requests still running after their clients reset them"
                )
            else:
                self._begin(state, None, fields, ends_stream, refusal)
        except StreamError as exc:
            self._break(exc)

    def upgrade(self, head: RequestHead, body: bytes, settings: list[tuple[int, int]], data: bytes) -> None:
        """Begin with a whole request of HTTP/1.1 as stream 1 (RFC 7540, 3.2); ``data`` has come after it.

        ``settings`` are those of HTTP2-Settings. Call once, after ``connection_made``.
        """
        self._sender.obey(settings)
        self._sender.withhold()
        state: Stream = self._streams.receive_headers(1, True)  # type: ignore[assignment]  # the first one
        self._begin(state, head, [], True, None)
        if body and state.owner is not None:
            state.owner.receive(body, True)
        self._read(data)

    def _begin(
        self, state: Stream, head: RequestHead | None, fields: Headers, ends_stream: bool, refusal: RequestError | None
    ) -> None:
        """Hand a request to the app; its head is ``head``, or in the ``fields``."""
        exchange = self._requests.begin(state, head, fields, self._decoder.flaw, ends_stream, refusal, self._held_at)
        if exchange is None:
            return
        exchange.start()
        turns = self._runtime.turns
        if turns.is_over():
            # The frames after this one wait for their turn, and then the bytes after them.
            self._reader.pause()
            turns.wait(self)

    def on_data(self, stream_id: int, piece: bytes, window_bytes: int, ends_stream: bool) -> None:
        if not piece and not ends_stream:
            self._guard.count(EMPTY_DATA, self._runtime.now)
        try:
            state = self._streams.receive_data(stream_id, len(piece), window_bytes, ends_stream)
        except StreamError as exc:
            self._break(exc)
            return
        if state is not None:
            state.owner.receive(piece, ends_stream)

    def on_reset(self, stream_id: int, code: int) -> None:
        self._guard.count(RESETS, self._runtime.now)
        state = self._streams.receive_reset(stream_id)
        if state is not None:
            self._lose(state)

    def on_window_update(self, stream_id: int, increment: int) -> None:
        self._guard.count(WINDOW_UPDATES, self._runtime.now)
        try:
            state = self._streams.receive_window_update(stream_id, increment)
        except StreamError as exc:
            self._break(exc)
            return
        if state is not None:
            if state.owner is not None:
                self._sender.queue(state.owner)
        elif not stream_id:
            self._sender.pump()

    def on_settings(self, settings: list[tuple[int, int]]) -> None:
        self._guard.count(SETTINGS_FRAMES, self._runtime.now)
        self._sender.obey(settings)
        self._sender.say(SETTINGS_ACK)
        if self._settings_at < 0:
            self._settings_at = self._runtime.now + SETTINGS_S

    def on_settings_ack(self) -> None:
        self._guard.count(SETTINGS_FRAMES, self._runtime.now)
        self._streams.settle_window()
        self._settings_at = 0.0

    def on_ping(self, payload: bytes) -> None:
        self._guard.count(PINGS, self._runtime.now)
        self._sender.say(encode_ping_ack(payload))

    def on_ping_ack(self, payload: bytes) -> None:
        self._guard.count(PINGS, self._runtime.now)

    def on_goaway(self, last_stream_id: int, code: int) -> None:
        self._guard.count(SETTINGS_FRAMES, self._runtime.now)
        self._close_when_empty()  # the client opens no more: its streams end, and then the connection

    def on_priority(self, stream_id: int) -> None:
        self._guard.count(PRIORITIES, self._runtime.now)

    def on_priority_update(self, stream_id: int, value: bytes) -> None:
        self._guard.count(PRIORITIES, self._runtime.now)
        self._requests.priorities.update(stream_id, value)

    def on_unknown(self, frame_type: int) -> None:
        self._guard.count(UNKNOWN_FRAMES, self._runtime.now)

    def on_broken_frame(self, stream_id: int, code: int, text: str) -> None:
        try:
            self._streams.receive_broken_frame(stream_id, code, text)
        except StreamError as exc:
            self._break(exc)

    # Ends

    def _break(self, exc: StreamError) -> None:
        """Reset the stream that the client has broken."""
        self._runtime.log.info("Reset a stream from %s: %s", self._peer, exc)
        self._guard.count(PROVOKED_RESETS, self._runtime.now)
        state = self._streams.get(exc.stream_id)
        if state is not None:
            self._streams.reset(state)
            self._lose(state)
        self._sender.say(encode_reset(exc.stream_id, exc.code))

    def _lose(self, state: Stream) -> None:
        """Tell the app of a stream that is closed."""
        owner: Queued | None = state.owner
        if owner is not None:
            owner.lose()
            self._leaving.add(owner)

    def _shut(self) -> None:
        """Say which stream was the last one, and close after it."""
        self._streams.shut()
        self._sender.outbox.put(encode_goaway(self._streams.last_number, NO_ERROR))
        self._sender.outbox.flush()
        self._close_when_empty()

    def _close_when_empty(self) -> None:
        self._sender.on_empty = self._close
        if not len(self._streams):
            self._close()

    def _end(self, code: int, text: str) -> None:
        """End the connection at once: nothing that comes is read any more."""
        if self._is_ending:
            return
        if code != NO_ERROR:
            self._runtime.log.info("Closing the connection from %s: HTTP/2 error %d: %s", self._peer, code, text)
        self._sender.outbox.put(encode_goaway(self._streams.last_number, code, text.encode()))
        self._close()

    def _forget(self) -> None:
        """The connection is lost, and no app of it runs any more."""
        self._sender.on_quiet = None
        self._leaving.clear()
        self._runtime.forget(self)

    def _close(self) -> None:
        self._is_ending = True
        self._reader.stop()
        self._sender.outbox.flush()
        self._transport.close()
        # A client that does not read keeps a closing transport open.
        self._deadlines.read_at = 0.0
        self._deadlines.set_write()
        self._drop()

    def _drop(self) -> None:
        """Nothing is written any more: tell the apps of all streams."""
        self._gate.lost()
        self._sender.clear()
        for state in self._streams:
            self._streams.reset(state)
            self._lose(state)
