"""The messages of a WebSocket, its control frames among them, and the bounds of what waits."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from gasgi.errors import ASGIMisuse, ClientDisconnected
from gasgi.setting_sources import load_settings
from gasgi.settings import Settings
from tests.support.frames import (
    BINARY,
    CLOSE,
    FIN,
    PING,
    PONG,
    TEXT,
    Frame,
    client_frame,
    close_payload,
)
from tests.support.websocket_rig import WebSocketRig, disconnect
from tests.support.wire import split_everywhere

NOISE = random.Random(6455).randbytes(300_000)


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
        rig.send(client_frame(FIN | TEXT, b"hi"))
        assert task.result() == {"type": "websocket.receive", "text": "hi"}


def test_a_cancelled_receive_loses_nothing() -> None:
    with WebSocketRig() as rig:
        task = rig.listen()
        task.cancel()
        rig.settle()
        rig.send(client_frame(FIN | TEXT, b"hi"))
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
        rig.send(client_frame(FIN | TEXT, b"1") + client_frame(FIN | TEXT, b"2"))
        assert (first.result()["text"], second.result()["text"]) == ("1", "2")


@pytest.mark.parametrize("wrap", ["ensure_future", "create_task", "wait_for", "gather"])
@pytest.mark.parametrize("is_there", [True, False])
def test_receive_can_be_given_to_asyncio(wrap: str, is_there: bool) -> None:
    with WebSocketRig() as rig:

        async def receive() -> Any:
            awaitable = rig.call.receive()
            if wrap == "ensure_future":
                return await asyncio.ensure_future(awaitable)
            if wrap == "create_task":
                return await asyncio.create_task(awaitable)
            if wrap == "wait_for":
                return await asyncio.wait_for(awaitable, 5)
            return (await asyncio.gather(awaitable))[0]

        if is_there:
            rig.send(client_frame(FIN | TEXT, b"hi"))
        task = rig.loop.create_task(receive())
        rig.settle()
        if not is_there:
            rig.send(client_frame(FIN | TEXT, b"hi"))
        assert task.result()["text"] == "hi"


@pytest.mark.parametrize("event", [{"type": "websocket.send"}, {"type": "websocket.accept"}, {"type": []}, {}, None])
def test_send_raises_where_it_is_awaited(event: Any) -> None:
    with WebSocketRig() as rig:

        async def send() -> Any:
            return await asyncio.gather(
                rig.call.send({"type": "websocket.send", "text": "1"}), rig.call.send(event), return_exceptions=True
            )

        sent, refused = rig.run(send())
        assert sent is None
        assert isinstance(refused, ASGIMisuse)
        rig.lose()
        sent, refused = rig.run(send())
        assert isinstance(sent, ClientDisconnected)


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


@pytest.mark.parametrize("message", ["é" * 1024, "t" * 20_000, NOISE[:1024]], ids=["text", "large-text", "binary"])
def test_a_broadcast_makes_its_frame_once(message: Any) -> None:
    kind = TEXT if isinstance(message, str) else BINARY
    payload = message.encode() if isinstance(message, str) else message
    with WebSocketRig() as first, WebSocketRig() as second:
        for rig in (first, second):
            (rig.text if isinstance(message, str) else rig.binary)(message)
        assert first.transport.writes[0] is second.transport.writes[0]
        assert first.frames() == second.frames() == [Frame(kind, payload)]


def test_messages_sent_in_turn_to_several_clients_are_not_mixed_up() -> None:
    with WebSocketRig() as first, WebSocketRig() as second:
        for text in ("a" * 2000, "b" * 2000, "a" * 2000):
            first.text(text)
            second.text(text[:1500])
            assert first.frames() == [Frame(TEXT, text.encode())]
            assert second.frames() == [Frame(TEXT, text[:1500].encode())]


def test_every_large_text_is_written_at_once() -> None:
    """Also behind others, and nothing is received meanwhile: joining it with what follows would copy it again."""
    with WebSocketRig() as rig:
        for number in range(1, 4):
            rig.loop.call_soon(rig.call.send, {"type": "websocket.send", "text": str(number) * 20_000})
            rig.loop.call_soon(lambda number=number: sizes.append(len(rig.transport.writes)))
        sizes: list[int] = []
        rig.settle()
        assert sizes == [1, 2, 3]


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_sends_a_copy_of_what_can_change(kind: Any) -> None:
    with WebSocketRig() as rig:
        data = bytearray(b"before")
        rig.loop.call_soon(rig.call.send, {"type": "websocket.send", "bytes": kind(data)})
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
                await rig.call.send({"type": "websocket.send", "text": str(number)})

        rig.run(burst())
        rig.settle()
        assert len(rig.transport.writes) <= 2
        assert [frame.payload for frame in rig.frames()] == [b"%d" % number for number in range(50)]


def test_large_and_small_sends_of_one_turn_stay_in_order() -> None:
    with WebSocketRig() as rig:
        sizes = [10, 20_000, 30, 70_000, 5, 5, 64_000, 7]

        async def burst() -> None:
            for size in sizes:
                await rig.call.send({"type": "websocket.send", "bytes": NOISE[:size]})

        rig.run(burst())
        rig.settle()
        assert [frame.payload for frame in rig.frames()] == [NOISE[:size] for size in sizes]


def test_a_burst_is_not_held_above_64_kib() -> None:
    with WebSocketRig() as rig:

        async def burst() -> int:
            most = 0
            sent = 0
            for _ in range(200):
                await rig.call.send({"type": "websocket.send", "bytes": NOISE[:1000]})
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
                await rig.call.send({"type": "websocket.send", "bytes": bytes(size)})
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
            rig.send(client_frame(FIN | TEXT, b"%d" % number))
        assert rig.transport.is_reading_paused
        assert [rig.hear()["text"] for _ in range(6)] == ["0", "1", "2", "3", "4", "5"]
        assert not rig.transport.is_reading_paused
        assert not rig.listen().done()


def test_a_read_with_many_messages_is_taken_in_portions() -> None:
    with WebSocketRig(Settings(websocket_queue_messages=4)) as rig:
        rig.send(b"".join(client_frame(FIN | TEXT, b"%d" % number) for number in range(50)))
        assert [rig.hear()["text"] for _ in range(50)] == [str(number) for number in range(50)]


def test_a_client_that_leaves_behind_a_burst_loses_nothing_of_it() -> None:
    with WebSocketRig(Settings(websocket_queue_messages=4)) as rig:
        burst = [client_frame(FIN | TEXT, b"%d" % number) for number in range(10)]
        rig.send(b"".join(burst) + client_frame(FIN | CLOSE, close_payload(1000)))
        # The end of the connection is not read before that.
        assert rig.transport.is_reading_paused
        assert [rig.hear()["text"] for _ in range(10)] == [str(number) for number in range(10)]
        assert rig.hear() == disconnect(1000)


def test_no_limit_of_a_message_is_none() -> None:
    class Gunicorn:
        websocket_max_message_size = 0

    with WebSocketRig(load_settings(Gunicorn(), None, {})) as rig:
        rig.send(client_frame(FIN | TEXT, b"hi"))
        assert rig.hear() == {"type": "websocket.receive", "text": "hi"}


def test_reading_pauses_by_bytes_too() -> None:
    with WebSocketRig(Settings(websocket_queue_bytes=1000)) as rig:
        rig.send(client_frame(FIN | BINARY, NOISE[:999]))
        rig.send(client_frame(FIN | BINARY, b"1"))
        assert not rig.transport.is_reading_paused
        rig.send(client_frame(FIN | BINARY, b"2"))
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
                await rig.call.receive()

        other = rig.loop.create_task(others())
        rig.connection.data_received(client_frame(FIN | TEXT, b"x") * 1000)
        rig.run(greedy())
        other.cancel()
        assert len(turns) >= 100


def test_a_close_frame_behind_held_messages_is_read_in_its_turn() -> None:
    with WebSocketRig(Settings(websocket_queue_messages=2)) as rig:
        frames = [client_frame(FIN | TEXT, b"%d" % number) for number in range(5)]
        rig.send(b"".join(frames) + client_frame(FIN | CLOSE, close_payload(1000)))
        assert [rig.hear()["text"] for _ in range(5)] == ["0", "1", "2", "3", "4"]
        assert rig.hear() == disconnect(1000)


# --- control frames ---


def test_answers_pings_in_order() -> None:
    with WebSocketRig() as rig:
        rig.send(client_frame(FIN | PING, b"1") + client_frame(FIN | PING) + client_frame(FIN | PING, b"x" * 125))
        assert rig.frames() == [Frame(PONG, b"1"), Frame(PONG, b""), Frame(PONG, b"x" * 125)]


def test_answers_a_ping_between_fragments() -> None:
    with WebSocketRig() as rig:
        rig.send(client_frame(TEXT, b"a") + client_frame(FIN | PING, b"p") + client_frame(FIN, b"b"))
        assert rig.frames() == [Frame(PONG, b"p")]
        assert rig.hear()["text"] == "ab"


def test_answers_only_the_latest_ping_of_a_client_that_does_not_read() -> None:
    with WebSocketRig() as rig:
        rig.connection.pause_writing()
        for number in range(1000):
            rig.send(client_frame(FIN | PING, b"%d" % number))
        assert rig.frames() == []
        rig.connection.resume_writing()
        rig.settle()
        assert rig.frames() == [Frame(PONG, b"999")]  # RFC 6455, 5.5.3


def test_ignores_pongs_that_nobody_asked_for() -> None:
    with WebSocketRig() as rig:
        rig.send(client_frame(FIN | PONG, b"hello"))
        assert rig.frames() == []


def test_sends_that_wait_and_are_given_up_are_forgotten() -> None:
    with WebSocketRig() as rig:
        rig.connection.pause_writing()
        sends = [rig.text("x") for _ in range(5)]
        for send in sends[1:4]:
            send.cancel()
        rig.settle()
        assert [send.cancelled() for send in sends] == [False, True, True, True, False]
        rig.connection.resume_writing()
        rig.settle()
        assert sends[0].done()
        assert sends[4].done()


def test_a_receive_that_is_closed_while_it_waits_takes_nothing_with_it() -> None:
    with WebSocketRig() as rig:
        first = rig.call.receive()
        first.send(None)  # as a scheduler of its own would
        second = rig.listen()
        first.close()
        rig.send(client_frame(FIN | TEXT, b"hi"))
        assert second.result()["text"] == "hi"


@pytest.mark.parametrize(("text", "each"), [("x", 1), ("x\xe9", 1), ("x\u20ac", 2), ("x\U0001f600", 4)])
def test_text_counts_as_the_memory_it_takes(text: str, each: int) -> None:
    with WebSocketRig(Settings(websocket_queue_bytes=4000)) as rig:
        text *= 250
        count = 4000 // (each * len(text))
        for _ in range(count):
            assert not rig.transport.is_reading_paused
            rig.send(client_frame(FIN | TEXT, text.encode()))
        rig.send(client_frame(FIN | TEXT, b"held back"))
        assert rig.transport.is_reading_paused
        assert [rig.hear()["text"] for _ in range(count + 1)] == [text] * count + ["held back"]
        assert not rig.transport.is_reading_paused


def test_a_wrong_event_whose_send_nobody_awaits_is_logged_with_its_path():
    with WebSocketRig() as rig:
        rig.call.send({"type": "websocket.accept"})
        rig.settle()
        (line,) = rig.log.levels("error", "exception")
        assert line == (
            "ASGI app did not await a send() that failed during WebSocket /chat: "
            "ASGIMisuse: websocket.accept after websocket.accept"
        )
