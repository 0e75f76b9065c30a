"""The opening of a WebSocket: accepted, refused, or denied with an answer of the app's own."""

from __future__ import annotations

from typing import Any

import pytest

from gasgi.errors import ASGIMisuse, ClientDisconnected
from tests.support.frames import (
    BINARY,
    FIN,
    TEXT,
    client_frame,
)
from tests.support.websocket_rig import WebSocketRig, disconnect

# --- the handshake ---


def test_the_first_event_is_connect_and_nothing_is_answered_before_the_app_does() -> None:
    with WebSocketRig(accept=False) as rig:
        assert rig.hear() == {"type": "websocket.connect"}
        assert not rig.listen().done()
        assert rig.transport.take() == b""


def test_accepts() -> None:
    with WebSocketRig(accept=False) as rig:
        rig.say({"type": "websocket.accept", "subprotocol": "chat", "headers": [(b"X-A", b"1")], "other": 5})
        answer = rig.transport.take()
        assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\nx-a: 1\r\n")
        assert b"\r\nsec-websocket-protocol: chat\r\n" in answer
        assert b"\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
        assert answer.endswith(b"\r\n\r\n")


def test_accepts_before_the_app_receives_connect() -> None:
    with WebSocketRig(accept=False) as rig:
        rig.say({"type": "websocket.accept"})
        rig.send(client_frame(FIN | TEXT, b"hi"))
        assert rig.hear() == {"type": "websocket.connect"}
        assert rig.hear() == {"type": "websocket.receive", "text": "hi"}


@pytest.mark.parametrize(
    "event",
    [
        {"type": "websocket.accept", "subprotocol": "other"},
        {"type": "websocket.accept", "subprotocol": 5},
        {"type": "websocket.accept", "headers": [(b"sec-websocket-protocol", b"chat")]},
        {"type": "websocket.accept", "headers": [("a", "b")]},
        {"type": "websocket.accept", "headers": [(b"a",)]},
        {"type": "websocket.accept", "headers": [None]},
        {"type": "websocket.accept", "headers": 5},
        {"type": "websocket.http.response.start", "status": 400, "headers": [b"abc"]},
        {"type": "websocket.send", "text": "early"},
        {"type": "websocket.http.response.body", "body": b""},
        {"type": "http.response.start", "status": 200},
        {"type": "websocket.http.response.start", "status": 101},
        {"type": "websocket.http.response.start", "status": "403"},
        {"type": "websocket.http.response.start"},
        {"type": "websocket.nonsense"},
        {"no": "type"},
        None,
    ],
)
def test_a_wrong_answer_raises_and_leaves_the_handshake_open(event: Any) -> None:
    with WebSocketRig(accept=False) as rig:
        with pytest.raises(ASGIMisuse):
            rig.say(event)
        assert rig.transport.take() == b""
        rig.say({"type": "websocket.accept"})
        assert rig.transport.take().startswith(b"HTTP/1.1 101 ")


def test_close_before_accept_is_403() -> None:
    with WebSocketRig(accept=False) as rig:
        rig.say({"type": "websocket.close"})
        answer = rig.transport.take()
        assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
        assert b"\r\ncontent-length: 0\r\n" in answer
        assert answer.endswith(b"connection: close\r\n\r\n")
        assert rig.transport.is_closing()
        assert rig.hear() == {"type": "websocket.connect"}
        assert rig.hear() == disconnect(1006)
        with pytest.raises(ClientDisconnected):
            rig.text("late")


@pytest.mark.parametrize("end", [None, RuntimeError("boom")])
def test_an_app_that_ends_without_an_answer_gives_500(end: Exception | None) -> None:
    with WebSocketRig(accept=False) as rig:
        rig.finish() if end is None else rig.crash(end)
        answer = rig.transport.take()
        assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
        assert b"\r\nconnection: close\r\n" in answer
        assert rig.transport.is_closing()
        assert len(rig.log.levels("error", "exception")) == 1


def test_a_client_that_leaves_before_the_answer_is_told_of() -> None:
    with WebSocketRig(accept=False) as rig:
        rig.lose()
        assert rig.hear() == {"type": "websocket.connect"}
        assert rig.hear() == disconnect(1006)
        with pytest.raises(ClientDisconnected):
            rig.say({"type": "websocket.accept"})
        assert rig.transport.take() == b""


def test_frames_that_come_before_the_answer_are_held() -> None:
    with WebSocketRig(accept=False, leftover=client_frame(FIN | TEXT, b"ear")) as rig:
        rig.send(client_frame(FIN | TEXT, b"ly"))
        assert rig.hear() == {"type": "websocket.connect"}
        assert not rig.listen().done()
        rig.say({"type": "websocket.accept"})
        assert rig.hear()["text"] == "ly"  # the first went to the task that listened


def test_reading_stops_when_much_comes_before_the_answer() -> None:
    frame = client_frame(FIN | BINARY, bytes(70_000))
    with WebSocketRig(accept=False, leftover=frame) as rig:
        rig.send(frame)
        assert rig.transport.is_reading_paused
        assert rig.hear() == {"type": "websocket.connect"}
        rig.say({"type": "websocket.accept"})
        assert not rig.transport.is_reading_paused
        assert [len(rig.hear()["bytes"]) for _ in range(2)] == [70_000, 70_000]


# --- the denial response ---


def test_denies_with_an_answer_of_the_apps_own() -> None:
    with WebSocketRig(accept=False) as rig:
        headers = [(b"content-type", b"text/plain"), (b"Content-Length", b"9")]
        rig.say({"type": "websocket.http.response.start", "status": 401, "headers": headers})
        assert rig.transport.take() == b""
        rig.say({"type": "websocket.http.response.body", "body": b"not", "more_body": True})
        first = rig.transport.take()
        assert first.startswith(b"HTTP/1.1 401 Unauthorized\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n")
        assert first.endswith(b"connection: close\r\n\r\nnot")
        assert not rig.transport.is_closing()
        rig.say({"type": "websocket.http.response.body", "body": b" today"})
        assert rig.transport.take() == b" today"
        assert rig.transport.is_closing()
        with pytest.raises(ClientDisconnected):
            rig.say({"type": "websocket.http.response.body", "body": b"more"})


def test_a_denial_without_a_pause_leaves_the_loop_to_others() -> None:
    with WebSocketRig(accept=False) as rig:
        rig.hear()
        sent: list[int] = []

        async def deny() -> None:
            await rig.call.send({"type": "websocket.http.response.start", "status": 401})
            for number in range(10_000):
                await rig.call.send({"type": "websocket.http.response.body", "body": bytes(4096), "more_body": True})
                sent.append(number)

        task = rig.loop.create_task(deny())
        rig.settle()
        assert 0 < len(sent) < 300  # 16 before each turn
        task.cancel()


def test_denies_in_chunks_when_the_length_is_not_known() -> None:
    with WebSocketRig(accept=False) as rig:
        rig.say({"type": "websocket.http.response.start", "status": 400})
        rig.say({"type": "websocket.http.response.body", "body": b"abc", "more_body": True})
        rig.say({"type": "websocket.http.response.body"})
        head, _, body = rig.transport.take().partition(b"\r\n\r\n")
        assert b"\r\ntransfer-encoding: chunked" in head
        assert body == b"3\r\nabc\r\n0\r\n\r\n"


@pytest.mark.parametrize("status", [204, 205, 304])
def test_denies_without_a_body(status: int) -> None:
    with WebSocketRig(accept=False) as rig:
        rig.say({"type": "websocket.http.response.start", "status": status})
        rig.say({"type": "websocket.http.response.body", "body": b"ignored"})
        answer = rig.transport.take()
        assert b"transfer-encoding" not in answer
        assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("kind", ["websocket.accept", "websocket.close", "websocket.send"])
def test_nothing_else_may_follow_a_denial(kind: str) -> None:
    with WebSocketRig(accept=False) as rig:
        rig.say({"type": "websocket.http.response.start", "status": 400})
        with pytest.raises(ASGIMisuse):
            rig.say({"type": kind})


def test_a_denial_that_never_got_a_body_gives_500() -> None:
    with WebSocketRig(accept=False) as rig:
        rig.say({"type": "websocket.http.response.start", "status": 400})
        rig.finish()
        assert rig.transport.take().startswith(b"HTTP/1.1 500 ")


def test_a_denial_cut_in_the_middle_does_not_look_whole() -> None:
    with WebSocketRig(accept=False) as rig:
        rig.say({"type": "websocket.http.response.start", "status": 400})
        rig.say({"type": "websocket.http.response.body", "body": b"abc", "more_body": True})
        rig.finish()
        assert rig.transport.take().endswith(b"3\r\nabc\r\n")  # and no last chunk
        assert rig.transport.is_closing()


@pytest.mark.parametrize("length", [b"2", b"5"])
def test_a_denial_that_breaks_its_length_raises_like_any_response(length: bytes) -> None:
    with WebSocketRig(accept=False) as rig:
        rig.say({"type": "websocket.http.response.start", "status": 400, "headers": [(b"content-length", length)]})
        with pytest.raises(ASGIMisuse, match="than its content-length"):
            rig.say({"type": "websocket.http.response.body", "body": b"abc"})
        rig.finish()
        assert rig.transport.take().startswith(b"HTTP/1.1 500 ")
