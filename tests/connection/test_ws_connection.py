"""A WebSocket from the upgrade to its end: ASGI events on one side, bytes on the other, a fake clock above."""

from __future__ import annotations

import asyncio
import random
import zlib
from typing import Any

import pytest

from gasgi.errors import ASGIMisuse, ClientDisconnected
from gasgi.settings import Settings
from tests.support.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    RSV1,
    TEXT,
    Frame,
    client_frame,
    close_payload,
    read_frames,
)
from tests.support.websocket_rig import WebSocketRig
from tests.support.wire import split_everywhere

DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
NOISE = random.Random(6455).randbytes(300_000)


def close_frame(code: int, reason: str = "") -> Frame:
    return Frame(CLOSE, close_payload(code, reason))


def disconnect(code: int, reason: str = "") -> dict[str, Any]:
    return {"type": "websocket.disconnect", "code": code, "reason": reason}


class RecordingObserver:
    """What the observer is told."""

    def __init__(self) -> None:
        self.began: list[Any] = []
        self.ended: list[Any] = []

    def begin(self, head: Any, client: Any, server: Any, scheme: str) -> str:
        self.began.append((head.path, client, server, scheme))
        return "view"

    def end(self, view: str, status: int, headers: Any, sent_bytes: int, duration_s: float) -> None:
        assert view == "view"
        assert duration_s >= 0
        self.ended.append((status, list(headers), sent_bytes))


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
        rig.feed(client_frame(FIN | TEXT, b"hi"))
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
        assert answer.endswith(b"connection: close\r\n\r\n")
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


def test_frames_that_come_before_the_answer_are_held_and_reading_stops() -> None:
    with WebSocketRig(accept=False, leftover=client_frame(FIN | TEXT, b"ear")) as rig:
        assert rig.transport.is_reading_paused
        rig.feed(client_frame(FIN | TEXT, b"ly"))
        assert rig.hear() == {"type": "websocket.connect"}
        assert not rig.listen().done()
        rig.say({"type": "websocket.accept"})
        assert not rig.transport.is_reading_paused
        assert rig.hear()["text"] == "ly"  # the first went to the task that listened


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
            await rig.send({"type": "websocket.http.response.start", "status": 401})
            for number in range(10_000):
                await rig.send({"type": "websocket.http.response.body", "body": b"x", "more_body": True})
                sent.append(number)

        task = rig.loop.create_task(deny())
        rig.settle()
        assert 0 < len(sent) < 100
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
        assert not rig.transport.take().endswith(b"0\r\n\r\n")
        assert rig.transport.was_aborted


def test_a_denial_shorter_than_its_length_does_not_look_whole() -> None:
    with WebSocketRig(accept=False) as rig:
        rig.say({"type": "websocket.http.response.start", "status": 400, "headers": [(b"content-length", b"5")]})
        rig.say({"type": "websocket.http.response.body", "body": b"abc"})
        assert rig.transport.was_aborted


def test_a_denial_longer_than_its_length_is_cut() -> None:
    with WebSocketRig(accept=False) as rig:
        rig.say({"type": "websocket.http.response.start", "status": 400, "headers": [(b"content-length", b"2")]})
        rig.say({"type": "websocket.http.response.body", "body": b"abc"})
        assert rig.transport.take().endswith(b"\r\n\r\nab")


# --- messages ---


def test_receives_messages_however_they_arrive() -> None:
    data = client_frame(TEXT, b"on") + client_frame(FIN, b"e") + client_frame(FIN | BINARY, b"\xff")
    for pieces in split_everywhere(data):
        with WebSocketRig() as rig:
            for piece in pieces:
                rig.connection.data_received(piece)
            assert rig.hear() == {"type": "websocket.receive", "text": "one"}
            assert rig.hear() == {"type": "websocket.receive", "bytes": b"\xff"}


def test_a_waiting_receive_wakes() -> None:
    with WebSocketRig() as rig:
        task = rig.listen()
        assert not task.done()
        rig.feed(client_frame(FIN | TEXT, b"hi"))
        assert task.result() == {"type": "websocket.receive", "text": "hi"}


def test_a_cancelled_receive_loses_nothing() -> None:
    with WebSocketRig() as rig:
        task = rig.listen()
        task.cancel()
        rig.settle()
        rig.feed(client_frame(FIN | TEXT, b"hi"))
        assert rig.hear()["text"] == "hi"


def test_a_receive_cancelled_in_the_turn_that_wakes_it_loses_nothing() -> None:
    with WebSocketRig() as rig:
        first, second = rig.listen(), rig.listen()
        rig.connection.data_received(client_frame(FIN | TEXT, b"hi"))
        first.cancel()
        rig.settle()
        assert first.cancelled()
        assert second.result()["text"] == "hi"


def test_two_tasks_may_receive() -> None:
    with WebSocketRig() as rig:
        first, second = rig.listen(), rig.listen()
        rig.feed(client_frame(FIN | TEXT, b"1") + client_frame(FIN | TEXT, b"2"))
        assert (first.result()["text"], second.result()["text"]) == ("1", "2")


@pytest.mark.parametrize("wrap", ["ensure_future", "create_task", "wait_for", "gather"])
@pytest.mark.parametrize("is_there", [True, False])
def test_receive_can_be_given_to_asyncio(wrap: str, is_there: bool) -> None:
    with WebSocketRig() as rig:

        async def receive() -> Any:
            awaitable = rig.receive()
            if wrap == "ensure_future":
                return await asyncio.ensure_future(awaitable)
            if wrap == "create_task":
                return await asyncio.create_task(awaitable)
            if wrap == "wait_for":
                return await asyncio.wait_for(awaitable, 5)
            return (await asyncio.gather(awaitable))[0]

        if is_there:
            rig.feed(client_frame(FIN | TEXT, b"hi"))
        task = rig.loop.create_task(receive())
        rig.settle()
        if not is_there:
            rig.feed(client_frame(FIN | TEXT, b"hi"))
        assert task.result()["text"] == "hi"


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 300_000])
def test_sends_messages_of_every_size_in_one_write(size: int) -> None:
    with WebSocketRig() as rig:
        rig.text("t" * size)
        assert len(rig.transport.writes) == 1
        assert rig.frames() == [Frame(TEXT, b"t" * size)]
        rig.binary(NOISE[:size])
        assert len(rig.transport.writes) == 1
        assert rig.frames() == [Frame(BINARY, NOISE[:size])]


def test_sends_text_as_utf8() -> None:
    with WebSocketRig() as rig:
        rig.text("é€😀")
        assert rig.frames() == [Frame(TEXT, "é€😀".encode())]


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_sends_a_copy_of_what_can_change(kind: Any) -> None:
    with WebSocketRig() as rig:
        data = bytearray(b"before")
        rig.loop.call_soon(rig.send, {"type": "websocket.send", "bytes": kind(data)})
        rig.loop.call_soon(lambda: data.__setitem__(0, 0))
        rig.settle()
        assert rig.frames() == [Frame(BINARY, b"before")]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "websocket.send"},
        {"type": "websocket.send", "text": None, "bytes": None},
        {"type": "websocket.send", "text": "a", "bytes": b"b"},
        {"type": "websocket.send", "text": b"a"},
        {"type": "websocket.send", "bytes": "b"},
        {"type": "websocket.send", "text": "\ud800"},
        {"type": "websocket.accept"},
        {"type": "websocket.http.response.start", "status": 400},
        {"type": "websocket.close", "code": 1005},
        {"type": "websocket.close", "code": "1000"},
        {"type": "websocket.close", "code": 999},
        {"type": "websocket.close", "code": 5000},
        {"type": "websocket.close", "code": 1000, "reason": b"bytes"},
        {"type": "http.response.body"},
    ],
)
def test_a_wrong_event_raises_and_leaves_the_websocket_open(event: Any) -> None:
    with WebSocketRig() as rig:
        with pytest.raises(ASGIMisuse):
            rig.say(event)
        rig.say({"type": "websocket.send", "text": "fine", "bytes": None, "extra": 1})
        assert rig.frames() == [Frame(TEXT, b"fine")]


def test_sends_of_one_turn_leave_in_two_writes_and_in_order() -> None:
    with WebSocketRig() as rig:

        async def burst() -> None:
            for number in range(50):
                await rig.send({"type": "websocket.send", "text": str(number)})

        rig.run(burst())
        rig.settle()
        assert len(rig.transport.writes) <= 2
        assert [frame.payload for frame in rig.frames()] == [b"%d" % number for number in range(50)]


def test_large_and_small_sends_of_one_turn_stay_in_order() -> None:
    with WebSocketRig() as rig:
        sizes = [10, 20_000, 30, 70_000, 5, 5, 64_000, 7]

        async def burst() -> None:
            for size in sizes:
                await rig.send({"type": "websocket.send", "bytes": NOISE[:size]})

        rig.run(burst())
        rig.settle()
        assert [frame.payload for frame in rig.frames()] == [NOISE[:size] for size in sizes]


def test_a_burst_is_not_held_above_64_kib() -> None:
    with WebSocketRig() as rig:

        async def burst() -> int:
            most = 0
            sent = 0
            for _ in range(200):
                await rig.send({"type": "websocket.send", "bytes": NOISE[:1000]})
                sent += 1004
                most = max(most, sent - len(rig.transport.written))
            return most

        assert 0 < rig.run(burst()) <= 65536 + 1004


# --- back-pressure ---


def test_send_waits_while_the_client_does_not_read() -> None:
    with WebSocketRig() as rig:
        rig.connection.pause_writing()
        task = rig.text("slow")
        assert not task.done()
        rig.connection.resume_writing()
        rig.settle()
        assert task.result() is None
        assert rig.frames() == [Frame(TEXT, b"slow")]


def test_a_waiting_send_ends_when_the_client_is_lost() -> None:
    with WebSocketRig() as rig:
        rig.connection.pause_writing()
        task = rig.text("never read")
        rig.lose()
        with pytest.raises(ClientDisconnected):
            task.result()
        with pytest.raises(OSError, match="closed"):
            rig.text("again")


@pytest.mark.parametrize("size", [0, 10, 4096, 65536, 1_000_000])
def test_an_app_that_sends_without_a_pause_leaves_the_loop_to_others(size: int) -> None:
    # The transport takes everything: its client reads fast, or the loop has yet to say that it is gone.
    with WebSocketRig() as rig:
        turns = 0

        async def stream() -> None:
            most = 100 if size > 4096 else 20_000
            for _ in range(most):
                if turns == 3:
                    return
                await rig.send({"type": "websocket.send", "bytes": bytes(size)})
            raise AssertionError(f"{most} messages, and {turns} turns for others")

        async def others() -> None:
            nonlocal turns
            while turns < 3:
                await asyncio.sleep(0)
                turns += 1

        async def both() -> None:
            await asyncio.gather(stream(), others())

        rig.loop.run_until_complete(both())


def test_reading_pauses_while_the_app_does_not_receive() -> None:
    with WebSocketRig(Settings(websocket_queue_messages=4)) as rig:
        for number in range(6):
            rig.feed(client_frame(FIN | TEXT, b"%d" % number))
        assert rig.transport.is_reading_paused
        assert [rig.hear()["text"] for _ in range(6)] == ["0", "1", "2", "3", "4", "5"]
        assert not rig.transport.is_reading_paused
        assert not rig.listen().done()


def test_a_read_with_many_messages_is_taken_in_portions() -> None:
    with WebSocketRig(Settings(websocket_queue_messages=4)) as rig:
        rig.feed(b"".join(client_frame(FIN | TEXT, b"%d" % number) for number in range(50)))
        assert [rig.hear()["text"] for _ in range(50)] == [str(number) for number in range(50)]


def test_reading_pauses_by_bytes_too() -> None:
    with WebSocketRig(Settings(websocket_queue_bytes=1000)) as rig:
        rig.feed(client_frame(FIN | BINARY, NOISE[:999]))
        rig.feed(client_frame(FIN | BINARY, b"1"))
        assert not rig.transport.is_reading_paused
        rig.feed(client_frame(FIN | BINARY, b"2"))
        assert rig.transport.is_reading_paused
        assert [len(rig.hear()["bytes"]) for _ in range(3)] == [999, 1, 1]
        assert not rig.transport.is_reading_paused


def test_an_app_that_always_finds_a_message_lets_others_run() -> None:
    with WebSocketRig(Settings(websocket_queue_messages=10)) as rig:
        turns = []

        async def others() -> None:
            while True:
                turns.append(1)
                await asyncio.sleep(0)

        async def greedy() -> None:
            for _ in range(1000):
                await rig.receive()

        other = rig.loop.create_task(others())
        rig.connection.data_received(client_frame(FIN | TEXT, b"x") * 1000)
        rig.run(greedy())
        other.cancel()
        assert len(turns) >= 100


def test_a_close_frame_behind_held_messages_is_read_in_its_turn() -> None:
    with WebSocketRig(Settings(websocket_queue_messages=2)) as rig:
        frames = [client_frame(FIN | TEXT, b"%d" % number) for number in range(5)]
        rig.feed(b"".join(frames) + client_frame(FIN | CLOSE, close_payload(1000)))
        assert [rig.hear()["text"] for _ in range(5)] == ["0", "1", "2", "3", "4"]
        assert rig.hear() == disconnect(1000)


# --- control frames ---


def test_answers_pings_in_order() -> None:
    with WebSocketRig() as rig:
        rig.feed(client_frame(FIN | PING, b"1") + client_frame(FIN | PING) + client_frame(FIN | PING, b"x" * 125))
        assert rig.frames() == [Frame(PONG, b"1"), Frame(PONG, b""), Frame(PONG, b"x" * 125)]


def test_answers_a_ping_between_fragments() -> None:
    with WebSocketRig() as rig:
        rig.feed(client_frame(TEXT, b"a") + client_frame(FIN | PING, b"p") + client_frame(FIN, b"b"))
        assert rig.frames() == [Frame(PONG, b"p")]
        assert rig.hear()["text"] == "ab"


def test_answers_only_the_latest_ping_of_a_client_that_does_not_read() -> None:
    with WebSocketRig() as rig:
        rig.connection.pause_writing()
        for number in range(1000):
            rig.feed(client_frame(FIN | PING, b"%d" % number))
        assert rig.frames() == []
        rig.connection.resume_writing()
        rig.settle()
        assert rig.frames() == [Frame(PONG, b"999")]  # RFC 6455, 5.5.3


def test_ignores_pongs_that_nobody_asked_for() -> None:
    with WebSocketRig() as rig:
        rig.feed(client_frame(FIN | PONG, b"hello"))
        assert rig.frames() == []


# --- closing: RFC 6455, 5.5.1 and 7 ---


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_the_client_closes(code: int) -> None:
    with WebSocketRig() as rig:
        rig.feed(client_frame(FIN | TEXT, b"last") + client_frame(FIN | CLOSE, close_payload(code, "why é")))
        assert rig.frames() == [close_frame(code)]
        assert rig.transport.is_closing()
        assert rig.hear() == {"type": "websocket.receive", "text": "last"}
        assert rig.hear() == disconnect(code, "why é")
        assert rig.hear() == disconnect(code, "why é")
        with pytest.raises(ClientDisconnected):
            rig.text("late")
        with pytest.raises(ClientDisconnected):
            rig.say({"type": "websocket.close"})
        assert rig.frames() == []


def test_the_client_closes_without_a_code() -> None:
    with WebSocketRig() as rig:
        rig.feed(client_frame(FIN | CLOSE))
        assert rig.frames() == [Frame(CLOSE, b"")]
        assert rig.hear() == disconnect(1005)


def test_the_client_is_lost() -> None:
    with WebSocketRig() as rig:
        task = rig.listen()
        rig.lose(ConnectionResetError())
        assert task.result() == disconnect(1006)
        assert rig.hear() == disconnect(1006)
        assert not rig.connection.eof_received()


def test_an_unknown_event_raises_misuse_even_after_the_end() -> None:
    with WebSocketRig() as rig:
        rig.lose()
        with pytest.raises(ASGIMisuse):
            rig.say({"type": "websocket.nonsense"})


def test_the_app_closes() -> None:
    with WebSocketRig() as rig:
        rig.feed(client_frame(FIN | TEXT, b"unread"))
        rig.say({"type": "websocket.close", "code": 4000, "reason": "enough"})
        assert rig.frames() == [close_frame(4000, "enough")]
        assert not rig.transport.is_closing()
        assert rig.hear() == disconnect(4000, "enough")
        with pytest.raises(ClientDisconnected):
            rig.text("late")
        rig.feed(client_frame(FIN | TEXT, b"on its way") + client_frame(FIN | PING, b"p"))
        assert not rig.transport.is_closing()
        rig.feed(client_frame(FIN | CLOSE, close_payload(4000)))
        assert rig.transport.is_closing()
        assert rig.frames() == []
        assert rig.hear() == disconnect(4000, "enough")


@pytest.mark.parametrize("event", [{}, {"code": None, "reason": None}, {"code": 1000, "reason": ""}])
def test_the_app_closes_with_1000_unless_it_says_otherwise(event: dict[str, Any]) -> None:
    with WebSocketRig() as rig:
        rig.say({"type": "websocket.close", **event})
        assert rig.frames() == [close_frame(1000)]


def test_a_long_reason_is_cut_between_characters() -> None:
    with WebSocketRig() as rig:
        rig.say({"type": "websocket.close", "reason": "é" * 100})
        assert rig.frames() == [close_frame(1000, "é" * 61)]


def test_closing_reads_on_behind_messages_that_nobody_took() -> None:
    with WebSocketRig(Settings(websocket_queue_messages=2)) as rig:
        frames = client_frame(FIN | TEXT, b"x") * 5
        rig.feed(frames)
        rig.feed(frames)
        assert rig.transport.is_reading_paused
        rig.say({"type": "websocket.close"})
        assert not rig.transport.is_reading_paused
        rig.feed(client_frame(FIN | CLOSE, close_payload(1000)))
        assert rig.transport.is_closing()


def test_a_client_that_does_not_close_back_is_dropped() -> None:
    with WebSocketRig(Settings(websocket_close_timeout_s=5)) as rig:
        rig.say({"type": "websocket.close"})
        rig.pass_time(4)
        assert not rig.transport.was_aborted
        rig.pass_time(1)
        assert rig.transport.was_aborted


def test_a_client_that_does_not_read_the_close_frame_is_dropped() -> None:
    with WebSocketRig(Settings(websocket_close_timeout_s=5)) as rig:
        rig.feed(client_frame(FIN | CLOSE))
        rig.pass_time(5)
        assert rig.transport.was_aborted


def test_1000_when_the_app_returns() -> None:
    with WebSocketRig() as rig:
        rig.finish()
        assert rig.frames() == [close_frame(1000)]
        assert rig.log.lines == []
        assert not rig.runtime.exchanges


def test_1011_and_a_traceback_when_the_app_raises() -> None:
    with WebSocketRig() as rig:
        rig.crash(ValueError("boom"))
        assert rig.frames() == [close_frame(1011)]
        assert len(rig.log.levels("exception")) == 1


def test_nothing_is_logged_when_the_app_ends_by_client_disconnected() -> None:
    with WebSocketRig() as rig:
        rig.lose()
        rig.crash(ClientDisconnected("gone"))
        assert rig.log.lines == []


def test_nothing_is_logged_when_a_framework_wraps_client_disconnected() -> None:
    with WebSocketRig() as rig:
        rig.lose()
        wrapped = RuntimeError("WebSocketDisconnect")
        wrapped.__cause__ = ClientDisconnected("gone")
        rig.crash(wrapped)
        assert rig.log.lines == []


def test_client_disconnected_from_an_open_websocket_is_a_failure() -> None:
    with WebSocketRig() as rig:
        rig.crash(ClientDisconnected("of another connection"))
        assert rig.frames() == [close_frame(1011)]
        assert len(rig.log.levels("exception")) == 1


def test_messages_after_the_end_of_the_app_are_dropped() -> None:
    with WebSocketRig() as rig:
        rig.finish()
        rig.feed(client_frame(FIN | TEXT, b"late") * 1000)
        assert not rig.transport.is_reading_paused
        rig.feed(client_frame(FIN | CLOSE, close_payload(1000)))
        assert rig.transport.is_closing()


# --- a client that breaks the protocol ---


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (client_frame(FIN | 3), 1002),
        (client_frame(FIN | CONTINUATION), 1002),
        (client_frame(FIN | TEXT, b"\xff"), 1007),
        (client_frame(FIN | CLOSE, close_payload(1005)), 1002),
    ],
)
def test_says_what_was_wrong_and_ends(data: bytes, code: int) -> None:
    with WebSocketRig() as rig:
        task = rig.listen()
        rig.feed(data)
        (frame,) = rig.frames()
        assert frame.opcode == CLOSE
        assert int.from_bytes(frame.payload[:2], "big") == code
        assert rig.transport.eof_written
        assert task.result() == disconnect(code, frame.payload[2:].decode())
        with pytest.raises(ClientDisconnected):
            rig.text("late")


def test_reads_away_what_a_failed_client_sends_but_not_for_long() -> None:
    # Closing with unread bytes would reset the connection before the client has seen the close frame.
    with WebSocketRig() as rig:
        rig.feed(client_frame(FIN | 3) + client_frame(FIN | TEXT, b"more"))
        rig.feed(client_frame(FIN | TEXT, b"and more"))
        assert not rig.transport.was_aborted
        rig.pass_time(2)
        assert rig.transport.was_aborted


def test_closes_at_once_where_the_transport_cannot_end_its_side_alone() -> None:
    with WebSocketRig() as rig:
        rig.transport.can_write_eof = lambda: False  # type: ignore[method-assign]
        rig.feed(client_frame(FIN | 3))
        assert rig.transport.is_closing()


def test_the_app_answers_what_came_before_the_error() -> None:
    with WebSocketRig() as rig:
        rig.feed(client_frame(FIN | TEXT, b"good") + client_frame(FIN | 3))
        assert rig.frames() == []
        assert rig.hear()["text"] == "good"
        rig.text("answer")
        assert rig.hear() == disconnect(1002, "reserved opcode")
        frames = rig.frames()
        assert frames == [Frame(TEXT, b"answer"), close_frame(1002, "reserved opcode")]


def test_an_app_that_does_not_receive_keeps_the_error_waiting_for_one_sweep_only() -> None:
    with WebSocketRig() as rig:
        rig.feed(client_frame(FIN | TEXT, b"good") + client_frame(FIN | 3))
        rig.pass_time(1)
        assert rig.frames() == [close_frame(1002, "reserved opcode")]
        assert rig.hear()["text"] == "good"
        assert rig.hear() == disconnect(1002, "reserved opcode")


def test_an_error_after_our_close_frame_ends_the_connection() -> None:
    with WebSocketRig() as rig:
        rig.say({"type": "websocket.close"})
        assert len(rig.frames()) == 1
        rig.feed(client_frame(FIN | 3))
        assert rig.frames() == []
        assert rig.transport.is_closing()


# --- keeping alive ---

ALIVE = Settings(websocket_ping_interval_s=20, websocket_ping_timeout_s=10)


def test_pings_a_silent_client() -> None:
    with WebSocketRig(ALIVE) as rig:
        rig.pass_time(19)
        assert rig.frames() == []
        rig.pass_time(1)
        assert rig.frames() == [Frame(PING, b"")]
        rig.feed(client_frame(FIN | PONG))
        rig.pass_time(19)
        assert rig.frames() == []
        rig.pass_time(1)
        assert rig.frames() == [Frame(PING, b"")]


def test_does_not_ping_a_client_that_speaks() -> None:
    with WebSocketRig(ALIVE) as rig:
        for _ in range(10):
            rig.pass_time(15)
            rig.feed(client_frame(FIN | PONG))
        assert rig.frames() == []


def test_drops_a_client_that_does_not_answer() -> None:
    with WebSocketRig(ALIVE) as rig:
        task = rig.listen()
        rig.pass_time(29)
        assert not rig.transport.was_aborted
        rig.pass_time(1)
        assert rig.frames() == [Frame(PING, b""), close_frame(1011, "ping timeout")]
        assert rig.transport.was_aborted
        assert task.result() == disconnect(1006, "ping timeout")


def test_half_a_frame_is_an_answer() -> None:
    # The client cannot put a pong into the middle of a frame that it is sending slowly.
    with WebSocketRig(ALIVE) as rig:
        rig.pass_time(20)
        rig.feed(client_frame(FIN | BINARY, bytes(100))[:50])
        rig.pass_time(15)
        assert not rig.transport.was_aborted


def test_0_switches_pings_off() -> None:
    with WebSocketRig(Settings(websocket_ping_interval_s=0)) as rig:
        rig.pass_time(300)
        assert rig.frames() == []


def test_0_switches_the_answer_to_pings_off() -> None:
    with WebSocketRig(Settings(websocket_ping_interval_s=20, websocket_ping_timeout_s=0)) as rig:
        rig.pass_time(300)
        assert not rig.transport.was_aborted


def test_does_not_ping_while_it_does_not_read() -> None:
    # Pongs would stay unread behind the messages that the app does not take.
    with WebSocketRig(Settings(websocket_queue_messages=1)) as rig:
        rig.feed(client_frame(FIN | TEXT, b"1"))
        rig.feed(client_frame(FIN | TEXT, b"2"))
        assert rig.transport.is_reading_paused
        rig.pass_time(300)
        assert rig.frames() == []
        assert not rig.transport.was_aborted
        rig.hear()
        rig.hear()
        rig.pass_time(5)
        assert rig.frames() == []


def test_does_not_ping_before_the_handshake_is_answered() -> None:
    with WebSocketRig(accept=False) as rig:
        rig.pass_time(300)
        assert rig.transport.take() == b""


def test_drops_a_client_that_does_not_read() -> None:
    with WebSocketRig(Settings(write_timeout_s=30, websocket_ping_interval_s=0)) as rig:
        rig.connection.pause_writing()
        rig.pass_time(29)
        assert not rig.transport.was_aborted
        rig.pass_time(1)
        assert rig.transport.was_aborted
        assert rig.hear()["code"] == 1006


def test_keeps_a_client_that_reads_again() -> None:
    with WebSocketRig(Settings(write_timeout_s=30, websocket_ping_interval_s=0)) as rig:
        for _ in range(3):
            rig.connection.pause_writing()
            rig.pass_time(20)
            rig.connection.resume_writing()
            rig.pass_time(20)
        assert not rig.transport.was_aborted


# --- the end of the worker ---


def test_drain_says_1012() -> None:
    with WebSocketRig() as rig:
        rig.connection.drain()
        assert rig.frames() == [close_frame(1012)]
        assert rig.hear() == disconnect(1012)
        with pytest.raises(ClientDisconnected):
            rig.text("late")
        rig.feed(client_frame(FIN | CLOSE, close_payload(1012)))
        assert rig.transport.is_closing()


def test_a_handshake_that_waits_for_the_app_is_answered_before_it_is_told_1012() -> None:
    with WebSocketRig(accept=False) as rig:
        rig.runtime.is_draining = True
        rig.connection.drain()
        assert rig.transport.take() == b""
        assert rig.hear() == {"type": "websocket.connect"}
        rig.say({"type": "websocket.accept"})
        head, _, frames = rig.transport.take().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert read_frames(frames) == [close_frame(1012)]
        assert rig.hear() == disconnect(1012)


def test_a_handshake_that_comes_while_draining_is_not_forgotten() -> None:
    with WebSocketRig(accept=False) as rig:
        rig.runtime.is_draining = True
        rig.say({"type": "websocket.accept"})
        assert rig.transport.take().endswith(b"\r\n\r\n\x88\x02\x03\xf4")  # 1012


def test_drain_lets_a_denial_end() -> None:
    with WebSocketRig(accept=False) as rig:
        rig.say({"type": "websocket.http.response.start", "status": 400})
        rig.connection.drain()
        rig.say({"type": "websocket.http.response.body", "body": b"whole"})
        assert rig.transport.take().endswith(b"5\r\nwhole\r\n0\r\n\r\n")


def test_drain_twice_says_it_once() -> None:
    with WebSocketRig() as rig:
        rig.connection.drain()
        rig.connection.drain()
        assert rig.frames() == [close_frame(1012)]


def test_abort_cancels_the_app_and_drops_the_connection() -> None:
    with WebSocketRig() as rig:
        rig.connection.abort()
        rig.settle()
        assert rig.was_cancelled
        assert rig.transport.was_aborted or rig.transport.is_closing()
        assert rig.log.lines == []
        assert not rig.runtime.exchanges


def test_an_app_that_outlives_its_client_can_be_cancelled() -> None:
    with WebSocketRig() as rig:
        rig.lose()
        assert not rig.runtime.connections
        (conversation,) = rig.runtime.exchanges
        conversation.cancel()
        rig.settle()
        assert rig.was_cancelled


# --- compression ---


def inflate(frame: Frame) -> bytes:
    assert frame.is_compressed
    return zlib.decompressobj(-15).decompress(frame.payload + b"\x00\x00\xff\xff")


def test_compresses_what_is_large_enough() -> None:
    with WebSocketRig(Settings(websocket_compression_min_bytes=100), extra=DEFLATE) as rig:
        rig.text("x" * 99)
        assert rig.frames() == [Frame(TEXT, b"x" * 99)]
        rig.text("é" * 100)
        rig.settle()
        (frame,) = rig.frames()
        assert frame.opcode == TEXT
        assert len(frame.payload) < 50
        assert inflate(frame).decode() == "é" * 100


def test_does_not_compress_where_it_was_not_agreed_on() -> None:
    with WebSocketRig() as rig:
        rig.text("x" * 1000)
        assert rig.frames() == [Frame(TEXT, b"x" * 1000)]
        rig.feed(client_frame(FIN | RSV1 | TEXT, b"\x00"))
        assert rig.frames()[0].payload[:2] == b"\x03\xea"  # 1002


def test_receives_compressed_messages() -> None:
    with WebSocketRig(extra=DEFLATE) as rig:
        rig.feed(client_frame(FIN | RSV1 | TEXT, bytes.fromhex("f248cdc9c90700")))  # RFC 7692, 7.2.3.1
        assert rig.hear()["text"] == "Hello"


def test_refuses_a_bomb() -> None:
    with WebSocketRig(Settings(websocket_max_message_bytes=100_000), extra=DEFLATE) as rig:
        compressor = zlib.compressobj(wbits=-12)
        bomb = compressor.compress(bytes(10_000_000)) + compressor.flush(zlib.Z_SYNC_FLUSH)
        task = rig.listen()
        rig.feed(client_frame(FIN | RSV1 | BINARY, bomb[:-4]))
        assert task.result()["code"] == 1009


def finish_all(rig: WebSocketRig, tasks: list[Any]) -> None:
    rig.run(asyncio.wait_for(asyncio.gather(*tasks), 30))
    rig.settle()


def test_compresses_a_large_message_in_slices_and_keeps_the_order() -> None:
    with WebSocketRig(extra=DEFLATE) as rig:
        turns = []

        async def others() -> None:
            while True:
                turns.append(1)
                await asyncio.sleep(0)

        other = rig.loop.create_task(others())
        tasks = [rig.loop.create_task(_send(rig, NOISE)), rig.loop.create_task(_send(rig, b"small"))]
        finish_all(rig, tasks)
        other.cancel()
        first, second = rig.frames()
        assert inflate(first) == NOISE
        assert second == Frame(BINARY, b"small")
        assert len(turns) > len(NOISE) // 65536  # others had their turns in between


async def _send(rig: WebSocketRig, data: bytes) -> None:
    await rig.send({"type": "websocket.send", "bytes": data})


def test_a_cancelled_large_send_does_not_spoil_what_follows() -> None:
    with WebSocketRig(extra=DEFLATE) as rig:

        async def impatient() -> None:
            task = asyncio.ensure_future(rig.send({"type": "websocket.send", "bytes": NOISE}))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        rig.run(impatient())
        rig.binary(b"after " * 100)
        rig.settle()
        first, second = rig.frames()
        inflater = zlib.decompressobj(-15)
        assert inflater.decompress(first.payload + b"\x00\x00\xff\xff") == NOISE
        assert inflater.decompress(second.payload + b"\x00\x00\xff\xff") == b"after " * 100


def test_a_large_send_ends_when_the_client_is_lost() -> None:
    with WebSocketRig(extra=DEFLATE) as rig:

        async def lost() -> None:
            task = asyncio.ensure_future(rig.send({"type": "websocket.send", "bytes": NOISE}))
            await asyncio.sleep(0)
            rig.connection.connection_lost(None)
            with pytest.raises(ClientDisconnected):
                await task

        rig.run(lost())
        assert rig.transport.take() == b""


# --- the observer ---


def test_a_websocket_counts_as_one_request_once_it_is_answered() -> None:
    with WebSocketRig(accept=False) as rig:
        assert rig.runtime.requests_completed == 0
        rig.say({"type": "websocket.accept"})
        assert rig.runtime.requests_completed == 1
        rig.feed(client_frame(FIN | CLOSE))
        rig.lose()
        assert rig.runtime.requests_completed == 1
    with WebSocketRig(accept=False) as rig:
        rig.say({"type": "websocket.close"})
        rig.lose()
        assert rig.runtime.requests_completed == 1


def test_the_observer_hears_of_an_accepted_websocket_when_it_is_over() -> None:
    observer = RecordingObserver()
    with WebSocketRig(observer=observer) as rig:
        assert observer.began == [("/chat", ("192.0.2.1", 50000), ("192.0.2.2", 8000), "ws")]
        rig.text("hello")
        rig.feed(client_frame(FIN | CLOSE))
        assert observer.ended == []
        rig.lose()
        ((status, headers, sent_bytes),) = observer.ended
        assert (status, headers) == (101, [])
        assert sent_bytes == 7 + 2
    assert len(observer.ended) == 1


def test_the_observer_hears_of_a_refusal_at_once() -> None:
    observer = RecordingObserver()
    with WebSocketRig(observer=observer, accept=False) as rig:
        rig.say({"type": "websocket.close"})
        assert observer.ended == [(403, [(b"content-length", b"0")], 0)]
    assert len(observer.ended) == 1


def test_the_observer_hears_of_a_denial_and_its_body() -> None:
    observer = RecordingObserver()
    with WebSocketRig(observer=observer, accept=False) as rig:
        headers = [(b"content-length", b"4")]
        rig.say({"type": "websocket.http.response.start", "status": 401, "headers": headers})
        rig.say({"type": "websocket.http.response.body", "body": b"body"})
        assert observer.ended == [(401, headers, 4)]


def test_the_observer_hears_of_a_client_that_left_before_the_answer() -> None:
    observer = RecordingObserver()
    with WebSocketRig(observer=observer, accept=False) as rig:
        rig.lose()
        assert observer.ended == [(499, [], 0)]
