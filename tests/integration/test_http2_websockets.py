"""WebSockets over HTTP/2 on real sockets, from another implementation's client and from HAProxy."""

from __future__ import annotations

import signal

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from tests.integration.test_http2 import APP, CLEAR, HAPROXY
from tests.integration.test_proxies import running_haproxy
from tests.support.frames import CLOSE, FIN, TEXT, Frame, client_frame, close_frame, close_payload, read_frames
from tests.support.gunicorn import free_port
from tests.support.http2_client import Http2Client
from tests.support.http2_rig import Answer
from tests.support.http2_websockets import connect_fields


def open_websocket(client: Http2Client) -> int:
    """Open one whose application echoes; return its stream."""
    number = client.connection.get_next_available_stream_id()
    client.connection.send_headers(number, connect_fields(path=b"/ws"))
    client.answers[number] = Answer()
    send(client, number, b"")
    while not client.answers[number].status:
        client.read()
    assert client.answers[number].status == 200
    return number


def send(client: Http2Client, number: int, data: bytes, ends: bool = False) -> None:
    if data or ends:
        client.connection.send_data(number, data, end_stream=ends)
    client.socket.sendall(client.connection.data_to_send())


def frames(client: Http2Client, number: int, size: int) -> list[Frame]:
    """Wait for ``size`` bytes of a WebSocket and read them."""
    answer = client.answers[number]
    while len(answer.body) < size:
        client.read()
    body, answer.body = answer.body, b""
    return read_frames(body)


def test_many_websockets_share_a_connection_with_requests(start, loop):
    server = start(APP, "--access-logfile", "-", loop=loop, config=CLEAR)
    text = b"x" * 9000
    with Http2Client(server.address) as client:
        numbers = [open_websocket(client) for _ in range(20)]
        streamed = client.ask(b"/stream")
        for _ in range(3):
            for number in numbers:
                send(client, number, client_frame(FIN | TEXT, text))
            for number in numbers:
                assert frames(client, number, 4 + len(text)) == [Frame(TEXT, text)]
        for number in numbers:
            send(client, number, client_frame(FIN | CLOSE, close_payload(4000 + number, "bye")), ends=True)
        for number in numbers:
            answer = client.answer(number)
            assert read_frames(answer.body) == [close_frame(4000 + number, "bye")]
            assert answer.reset_code is None
        assert len(client.answer(streamed).body.split()) == 20
    server.wait_for(r'"CONNECT /ws HTTP/2.0" 200')
    assert "Traceback" not in server.stop()


def test_a_stop_says_1012_and_waits_for_the_answer(start, loop):
    server = start(APP, loop=loop, config=CLEAR)
    with Http2Client(server.address) as client:
        numbers = [open_websocket(client) for _ in range(3)]
        server.signal(signal.SIGTERM)
        for number in numbers:
            assert frames(client, number, 4) == [close_frame(1012)]
            send(client, number, client_frame(FIN | CLOSE, close_payload(1012)), ends=True)
        client.read_to_the_end()
        assert all(client.answers[number].is_whole for number in numbers)
        assert client.goaways == [(0, 2**31 - 1), (0, numbers[-1])]
    assert server.wait() == 0
    assert "Traceback" not in server.log


@pytest.mark.needs_program("haproxy")
def test_haproxy_opens_them_on_its_connection_to_the_worker(start, tmp_path):
    server = start(APP, "--access-logfile", "-", config=CLEAR)
    port, (host, app_port) = free_port(), server.address
    config = HAPROXY.format(port=port, host=host, app_port=app_port, more="").replace(
        "timeout connect", "timeout tunnel 60s\n    timeout connect"
    )
    with running_haproxy(config, tmp_path, port):
        with connect(f"ws://127.0.0.1:{port}/ws", open_timeout=40) as client:
            for message in ("text", b"\0\xff", "é" * 100_000):
                client.send(message)
                assert client.recv(40) == message
            client.close(4001, "enough")
            assert (client.close_code, client.close_reason) == (4001, "enough")
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://127.0.0.1:{port}/refused", open_timeout=40)
        assert refused.value.response.status_code == 403
        with connect(f"ws://127.0.0.1:{port}/ws", open_timeout=40) as client:
            server.signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosedError) as closed:
                client.recv(40)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
    assert server.wait() == 0
    assert server.log.count('"CONNECT /ws HTTP/2.0" 200') == 2
    assert "Traceback" not in server.log
