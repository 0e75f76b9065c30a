"""An HTTP/2 client on a blocking socket, by another implementation, for tests with a real server."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from gasgi.http2.wire import GOAWAY
from tests.support.http2_rig import Answer

__all__ = ["Http2Client"]


class Http2Client:
    """``before`` is sent ahead of the preface; each wait fails after a minute of silence."""

    def __init__(self, address: Any, source: str | None = None, before: bytes = b"") -> None:
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, source_address=(source, 0) if source else None)
        self.socket.settimeout(60)
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        self.answers: dict[int, Answer] = {}
        self.goaways: list[tuple[int, int]] = []  # code, last stream
        self._data = b""
        self.connection.initiate_connection()
        self.socket.sendall(before + self.connection.data_to_send())

    def __enter__(self) -> Http2Client:  # noqa: PYI034  # typing has no Self before Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, path: bytes, method: bytes = b"GET", body: bytes | None = None) -> int:
        """Send a request, with a body that fits the windows; return its stream."""
        number = self.connection.get_next_available_stream_id()
        fields = [(b":method", method), (b":scheme", b"http"), (b":authority", b"h"), (b":path", path)]
        self.connection.send_headers(number, fields, end_stream=body is None)
        self.answers[number] = Answer()
        if body is not None:
            size = self.connection.max_outbound_frame_size
            for start in range(0, len(body), size):
                self.connection.send_data(number, body[start : start + size])
            self.connection.end_stream(number)
        self.socket.sendall(self.connection.data_to_send())
        return number

    def answer(self, number: int) -> Answer:
        """Wait for an answer to be whole."""
        answer = self.answers[number]
        while not answer.is_whole:
            self.read()
        return answer

    def read(self) -> None:
        """Wait for some bytes."""
        data = self.socket.recv(65536)
        assert data, "the server has closed"
        self._take(data)

    def read_to_the_end(self) -> None:
        """Wait until the server closes."""
        while data := self.socket.recv(65536):
            self._take(data)

    def _take(self, data: bytes) -> None:
        """Take the frames that are whole; GOAWAY is kept from ``h2``, which would end the streams with it."""
        self._data += data
        while len(self._data) >= 9 and len(self._data) >= 9 + int.from_bytes(self._data[:3], "big"):
            size = 9 + int.from_bytes(self._data[:3], "big")
            frame, self._data = self._data[:size], self._data[size:]
            if frame[3] == GOAWAY:
                self.goaways.append((int.from_bytes(frame[13:17], "big"), int.from_bytes(frame[9:13], "big")))
            else:
                for event in self.connection.receive_data(frame):
                    self._note(event)
        with contextlib.suppress(OSError):
            self.socket.sendall(self.connection.data_to_send())

    def _note(self, event: Any) -> None:
        answer = self.answers.get(getattr(event, "stream_id", None) or 0, Answer())
        if isinstance(event, h2.events.ResponseReceived):
            answer.fields = dict(event.headers)
            answer.status = int(answer.fields.pop(b":status"))
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            answer.pieces.append(len(event.data))
            if event.flow_controlled_length:
                self.connection.increment_flow_control_window(event.flow_controlled_length)
                with contextlib.suppress(h2.exceptions.StreamClosedError):
                    self.connection.increment_flow_control_window(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            answer.is_whole = True
        elif isinstance(event, h2.events.StreamReset):
            answer.reset_code = event.error_code
