"""The end of a WebSocket: by either side, by broken frames, by silence and by the end of the worker."""

from __future__ import annotations

import asyncio
import enum
from typing import Any

import pytest

from gasgi.errors import ASGIMisuse, ClientDisconnected
from gasgi.serving.runtime import Runtime
from gasgi.settings import Settings
from tests.support.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    TEXT,
    Frame,
    client_frame,
    close_frame,
    close_payload,
    read_frames,
)
from tests.support.served import Served
from tests.support.websocket_rig import HANDSHAKE, WebSocketRig, disconnect

# --- closing: RFC 6455, 5.5.1 and 7 ---


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_the_client_closes(code: int) -> None:
    with WebSocketRig() as rig:
        rig.send(client_frame(FIN | TEXT, b"last") + client_frame(FIN | CLOSE, close_payload(code, "why é")))
        assert rig.frames() == [close_frame(code, "why é")]  # RFC 6455, 5.5.1: browsers show it in their close event
        assert rig.transport.is_closing()
        assert rig.hear() == {"type": "websocket.receive", "text": "last"}
        assert rig.hear() == disconnect(code, "why é")
        assert rig.hear() == disconnect(code, "why é")
        with pytest.raises(ClientDisconnected):
            rig.text("late")
        with pytest.raises(ClientDisconnected):
            rig.say({"type": "websocket.close"})
        assert rig.frames() == []


def test_the_longest_reason_of_the_client_is_echoed() -> None:
    with WebSocketRig() as rig:
        reason = "é" * 61 + "x"
        rig.send(client_frame(FIN | CLOSE, close_payload(4000, reason)))
        assert rig.frames() == [close_frame(4000, reason)]


def test_the_client_closes_without_a_code() -> None:
    with WebSocketRig() as rig:
        rig.send(client_frame(FIN | CLOSE))
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
        rig.send(client_frame(FIN | TEXT, b"unread"))
        rig.say({"type": "websocket.close", "code": 4000, "reason": "enough"})
        assert rig.frames() == [close_frame(4000, "enough")]
        assert not rig.transport.is_closing()
        assert rig.hear() == disconnect(4000, "enough")
        with pytest.raises(ClientDisconnected):
            rig.text("late")
        rig.send(client_frame(FIN | TEXT, b"on its way") + client_frame(FIN | PING, b"p"))
        assert not rig.transport.is_closing()
        rig.send(client_frame(FIN | CLOSE, close_payload(4000)))
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
        rig.send(frames)
        rig.send(frames)
        assert rig.transport.is_reading_paused
        rig.say({"type": "websocket.close"})
        assert not rig.transport.is_reading_paused
        rig.send(client_frame(FIN | CLOSE, close_payload(1000)))
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
        rig.transport.is_client_reading = False
        rig.send(client_frame(FIN | CLOSE))
        rig.pass_time(5)
        assert rig.transport.was_aborted


def test_1000_when_the_app_returns() -> None:
    with WebSocketRig() as rig:
        rig.finish()
        assert rig.frames() == [close_frame(1000)]
        assert rig.log.lines == []
        assert not rig.runtime.conversations


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
        rig.send(client_frame(FIN | TEXT, b"late") * 1000)
        assert not rig.transport.is_reading_paused
        rig.send(client_frame(FIN | CLOSE, close_payload(1000)))
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
        rig.send(data)
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
        rig.send(client_frame(FIN | 3) + client_frame(FIN | TEXT, b"more"))
        rig.send(client_frame(FIN | TEXT, b"and more"))
        assert not rig.transport.was_aborted
        rig.pass_time(2)
        assert rig.transport.was_aborted


def test_closes_at_once_where_the_transport_cannot_end_its_side_alone() -> None:
    with WebSocketRig() as rig:
        rig.transport.can_write_eof = lambda: False  # type: ignore[method-assign]
        rig.send(client_frame(FIN | 3))
        assert rig.transport.is_closing()


def test_the_app_answers_what_came_before_the_error() -> None:
    with WebSocketRig() as rig:
        rig.send(client_frame(FIN | TEXT, b"good") + client_frame(FIN | 3))
        assert rig.frames() == []
        assert rig.hear()["text"] == "good"
        rig.text("answer")
        assert rig.hear() == disconnect(1002, "reserved opcode")
        frames = rig.frames()
        assert frames == [Frame(TEXT, b"answer"), close_frame(1002, "reserved opcode")]


def test_an_app_that_does_not_receive_keeps_the_error_waiting_for_one_sweep_only() -> None:
    with WebSocketRig() as rig:
        rig.send(client_frame(FIN | TEXT, b"good") + client_frame(FIN | 3))
        rig.pass_time(1)
        assert rig.frames() == [close_frame(1002, "reserved opcode")]
        assert rig.hear()["text"] == "good"
        assert rig.hear() == disconnect(1002, "reserved opcode")


def test_an_error_after_our_close_frame_ends_the_connection() -> None:
    with WebSocketRig() as rig:
        rig.say({"type": "websocket.close"})
        assert len(rig.frames()) == 1
        rig.send(client_frame(FIN | 3))
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
        rig.send(client_frame(FIN | PONG))
        rig.pass_time(19)
        assert rig.frames() == []
        rig.pass_time(1)
        assert rig.frames() == [Frame(PING, b"")]


def test_does_not_ping_a_client_that_speaks() -> None:
    with WebSocketRig(ALIVE) as rig:
        for _ in range(10):
            rig.pass_time(15)
            rig.send(client_frame(FIN | PONG))
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
        rig.send(client_frame(FIN | BINARY, bytes(100))[:50])
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
        rig.send(client_frame(FIN | TEXT, b"1"))
        rig.send(client_frame(FIN | TEXT, b"2"))
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
        rig.send(client_frame(FIN | CLOSE, close_payload(1012)))
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
        assert rig.transport.take().endswith(b"connection: close\r\n\r\nwhole")


def test_drain_twice_says_it_once() -> None:
    with WebSocketRig() as rig:
        rig.connection.drain()
        rig.connection.drain()
        assert rig.frames() == [close_frame(1012)]


def test_abort_cancels_the_app_and_drops_the_connection() -> None:
    with WebSocketRig() as rig:
        rig.connection.abort()
        rig.settle()
        assert rig.call.was_cancelled
        assert rig.transport.was_aborted or rig.transport.is_closing()
        assert rig.log.lines == []
        assert not rig.runtime.conversations


def test_an_app_that_outlives_its_client_can_be_cancelled() -> None:
    with WebSocketRig() as rig:
        rig.lose()
        assert not rig.runtime.connections
        (conversation,) = rig.runtime.conversations
        conversation.cancel()
        rig.settle()
        assert rig.call.was_cancelled


def test_a_client_that_reads_slowly_is_neither_pinged_nor_dropped() -> None:
    settings = Settings(
        write_timeout_s=10, websocket_ping_interval_s=3, websocket_ping_timeout_s=3, websocket_close_timeout_s=5
    )
    with WebSocketRig(settings) as rig:
        rig.transport.unsent = 1_000_000
        rig.connection.pause_writing()
        rig.transport.take()
        for _ in range(50):
            rig.pass_time(1)
            rig.transport.unsent -= 10_000
        assert rig.transport.take() == b""
        rig.connection.drain()
        for _ in range(30):
            rig.pass_time(1)
            rig.transport.unsent -= 10_000
        assert not rig.transport.was_aborted
        rig.pass_time(12)
        assert rig.transport.was_aborted


def test_a_client_that_took_a_large_message_is_pinged_anew() -> None:
    with WebSocketRig(Settings(websocket_ping_interval_s=3, websocket_ping_timeout_s=3)) as rig:
        rig.pass_time(4)  # a ping is on its way
        rig.connection.pause_writing()
        rig.pass_time(30)
        rig.connection.resume_writing()
        rig.pass_time(2)
        assert not rig.transport.was_aborted


def test_a_close_behind_a_message_that_is_too_big_does_not_hide_it() -> None:
    with WebSocketRig(Settings(websocket_max_message_bytes=100)) as rig:
        rig.send(client_frame(FIN | TEXT, b"small") + client_frame(FIN | TEXT, b"x" * 200))
        rig.send(client_frame(FIN | CLOSE, close_payload(1000)))
        assert rig.hear() == {"type": "websocket.receive", "text": "small"}
        assert rig.hear()["code"] == 1009
        ((opcode, payload, *_),) = rig.frames()
        assert (opcode, payload[:2]) == (CLOSE, close_payload(1009))


def test_a_message_that_is_too_big_is_read_on_when_the_app_closes_first() -> None:
    with WebSocketRig(Settings(websocket_max_message_bytes=100)) as rig:
        rig.send(client_frame(FIN | TEXT, b"small") + client_frame(FIN | TEXT, b"x" * 200)[:50])
        assert rig.hear() == {"type": "websocket.receive", "text": "small"}
        rig.say({"type": "websocket.close", "code": 4000})
        rig.pass_time(1)
        assert rig.frames() == [close_frame(4000)]
        assert not rig.transport.is_closing()
        rig.send(client_frame(FIN | TEXT, b"x" * 200)[50:] + client_frame(FIN | CLOSE, close_payload(4000)))
        assert rig.transport.is_closing()


def test_a_client_that_shuts_its_side_and_takes_nothing_is_dropped_in_time() -> None:
    with WebSocketRig(Settings(websocket_ping_interval_s=0, websocket_close_timeout_s=5)) as rig:
        rig.transport.unsent = 1000
        assert not rig.connection.eof_received()
        assert rig.hear() == disconnect(1006)
        rig.pass_time(6)
        assert rig.transport.was_aborted


class Reason(str, enum.Enum):
    DONE = "done"


@pytest.mark.parametrize(("code", "reason"), [(4000, Reason.DONE), (4000, "done")])
def test_a_reason_may_be_an_enumeration_of_text(code: int, reason: str) -> None:
    with WebSocketRig() as rig:
        rig.say({"type": "websocket.close", "code": code, "reason": reason})
        assert rig.frames() == [close_frame(4000, "done")]


@pytest.mark.parametrize("code", [2**70, -(2**70), 0])
def test_a_code_beyond_all_numbers_is_misuse(code: int) -> None:
    with WebSocketRig() as rig, pytest.raises(ASGIMisuse, match="code must be"):
        rig.say({"type": "websocket.close", "code": code})


def test_an_app_that_others_cancel_before_its_first_step_is_answered_for() -> None:
    with Served() as rig:

        async def ask_and_cancel() -> None:
            rig.connection.data_received(HANDSHAKE + b"\r\n")
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        rig.run(ask_and_cancel())
        rig.pass_time(1)
        assert rig.calls == []
        assert rig.transport.take().startswith(b"HTTP/1.1 500 ")
        assert rig.transport.is_closing()
        assert rig.log.lines == [("error", "ASGI app cancelled its own task during WebSocket /chat")]
        assert not rig.runtime.conversations


def test_an_app_whose_task_cannot_be_made_is_answered_for() -> None:
    def refuse(loop: Any, *_: Any, **__: Any) -> Any:
        loop.set_task_factory(None)
        raise RuntimeError

    def prepare(runtime: Runtime) -> None:
        runtime.has_task_factory = True
        runtime.loop.set_task_factory(refuse)

    with WebSocketRig(accept=False, prepare=prepare) as rig:
        assert rig.transport.take().startswith(b"HTTP/1.1 500 ")
        assert rig.transport.is_closing()
        assert rig.log.levels("exception") == ["Exception in the task factory for WebSocket /chat"]
