"""benchmarks/ws_h2_load.c against another implementation's server: it counts echoes, and sees what is none."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived
from h2.settings import SettingCodes, Settings
from harness.load import LoadError, compile_c, run_load

Answer = Callable[[bytes], bytes]


def echo(payload: bytes) -> bytes:
    """An unmasked final binary frame (RFC 6455, 5.2)."""
    size = len(payload)
    head = bytes([0x82, size]) if size < 126 else b"\x82\x7e" + size.to_bytes(2, "big")
    return head + payload


def unmask(frame: bytes) -> bytes | None:
    """The payload of one whole masked frame of less than 64 KiB; None while it is not whole."""
    if len(frame) < 4:
        return None
    size, start = frame[1] & 0x7F, 2
    if size == 126:
        size, start = int.from_bytes(frame[2:4], "big"), 4
    key, masked = frame[start : start + 4], frame[start + 4 :]
    if len(masked) < size:
        return None
    return bytes(byte ^ key[i & 3] for i, byte in enumerate(masked))


class EchoServer:
    """One connection; ``answer`` makes the echo of a payload. What windows do not allow yet waits in ``unsent``."""

    def __init__(self, answer: Answer, status: bytes, offers: bool) -> None:
        self._answer, self._status = answer, status
        self._held: dict[int, bytes] = {}
        self._unsent: dict[int, bytes] = {}
        self._connection = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self._connection.local_settings = Settings(
            client=False, initial_values={SettingCodes.ENABLE_CONNECT_PROTOCOL: int(offers)}
        )
        self.requests: list[dict[bytes, bytes]] = []

    def serve(self, listener: socket.socket) -> None:
        stream, _ = listener.accept()
        with stream:
            self._connection.initiate_connection()
            stream.sendall(self._connection.data_to_send())
            while data := stream.recv(65536):
                for event in self._connection.receive_data(data):
                    self._take(event)
                self._send_on()
                stream.sendall(self._connection.data_to_send())

    def _take(self, event: object) -> None:
        if isinstance(event, RequestReceived):
            self.requests.append(dict(event.headers))
            self._connection.send_headers(event.stream_id, [(b":status", self._status)])
        elif isinstance(event, DataReceived):
            self._connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            held = self._held.get(event.stream_id, b"") + event.data
            payload = unmask(held)
            self._held[event.stream_id] = b"" if payload is not None else held
            if payload is not None:
                self._unsent[event.stream_id] = self._unsent.get(event.stream_id, b"") + self._answer(payload)

    def _send_on(self) -> None:
        for stream_id, data in self._unsent.items():
            while data:
                room = min(self._connection.local_flow_control_window(stream_id), 16384)
                if not room:
                    break
                self._connection.send_data(stream_id, data[:room])
                data = data[room:]
            self._unsent[stream_id] = data


@contextmanager
def serving(answer: Answer = echo, status: bytes = b"200", offers: bool = True) -> Iterator[tuple[int, EchoServer]]:
    server = EchoServer(answer, status, offers)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: suppress_reset(server, listener))
        thread.start()
        yield listener.getsockname()[1], server
        thread.join(10)
        assert not thread.is_alive()


def suppress_reset(server: EchoServer, listener: socket.socket) -> None:
    """Serve until the load ends: it just goes."""
    try:
        server.serve(listener)
    except ConnectionError:
        pass


if sys.platform == "linux":  # nowhere else is there epoll

    @pytest.fixture(name="program", scope="module")
    def _program(tmp_path_factory: pytest.TempPathFactory) -> Path:
        return compile_c("ws_h2_load", folder=tmp_path_factory.mktemp("loads"))

    def load(program: Path, port: int, message_bytes: int) -> dict[str, int]:
        found = run_load([str(program), str(port), "1", "3", str(message_bytes), "0.2"], None, 1)
        return {"answers": found["answers"], "bytes": found["bytes"], **found["errors"]}

    @pytest.mark.parametrize("message_bytes", [32, 1024, 60000])
    def test_echoes_are_counted(program: Path, message_bytes: int) -> None:
        with serving() as (port, server):
            found = load(program, port, message_bytes)

        assert found["answers"] >= 3  # each has one at least
        assert found == {
            "answers": found["answers"],
            "bytes": found["answers"] * message_bytes,
            **dict.fromkeys(("read", "write", "protocol", "mismatch", "timeout"), 0),
        }
        assert server.requests == 3 * [
            {
                b":method": b"CONNECT",
                b":protocol": b"websocket",
                b":scheme": b"http",
                b":path": b"/ws",
                b":authority": b"127.0.0.1",
                b"sec-websocket-version": b"13",
            }
        ]

    def test_an_echo_in_two_frames_is_one(program: Path) -> None:
        def answer(payload: bytes) -> bytes:
            return b"\x02\x0a" + payload[:10] + b"\x80\x16" + payload[10:]

        with serving(answer) as (port, _):
            found = load(program, port, 32)

        assert found["answers"] >= 3  # each has one at least
        assert found["mismatch"] == found["protocol"] == 0

    @pytest.mark.parametrize(
        ("answer", "counter"),
        [
            (lambda payload: echo(payload[:-1] + b"?"), "mismatch"),
            (lambda payload: echo(payload[:-1]), "mismatch"),
            (lambda payload: echo(payload) * 2, "protocol"),
            (lambda payload: b"\x89\x00", "protocol"),
        ],
        ids=["another byte", "a byte too few", "twice", "a ping"],
    )
    def test_what_is_no_echo_is_an_error(program: Path, answer: Answer, counter: str) -> None:
        with serving(answer) as (port, _):
            found = load(program, port, 32)

        assert (found["answers"], found[counter]) == (0, 3)

    def test_a_refused_websocket_ends_the_run(program: Path) -> None:
        with serving(status=b"403") as (port, _), pytest.raises(LoadError, match="no WebSocket"):
            load(program, port, 32)

    def test_a_server_without_websockets_over_http_2_ends_the_run(program: Path) -> None:
        with serving(offers=False) as (port, _), pytest.raises(LoadError, match="offers no WebSockets"):
            load(program, port, 32)

    def test_a_server_that_is_not_there_ends_the_run(program: Path) -> None:
        done = subprocess.run([program, "1", "1", "1", "32", "1"], capture_output=True, text=True, check=False)

        assert done.returncode == 2
        assert "connect" in done.stderr
