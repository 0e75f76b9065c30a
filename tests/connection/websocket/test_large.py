"""Large messages from the client: inflated in bounded steps, in order; above the limit thrown away with a word."""

from __future__ import annotations

import asyncio
import zlib

from gasgi.settings import Settings
from tests.support.frames import (
    BINARY,
    CLOSE,
    DEFLATE,
    FIN,
    PING,
    PONG,
    RSV1,
    TEXT,
    Frame,
    client_frame,
    close_frame,
    close_payload,
)
from tests.support.websocket_rig import WebSocketRig, disconnect

LARGE = 3_000_000  # bytes: takes 23 turns of the loop to inflate


def compressed_frame(payload: bytes, opcode: int = BINARY) -> bytes:
    compressor = zlib.compressobj(wbits=-12)
    compressed = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return client_frame(FIN | RSV1 | opcode, compressed[:-4], bytes(4))


def test_inflates_a_large_message_in_many_turns_and_keeps_the_order() -> None:
    with WebSocketRig(extra=DEFLATE) as rig:
        turns = []

        async def others() -> None:
            while True:
                turns.append(rig.transport.is_reading_paused)
                await asyncio.sleep(0)

        other = rig.loop.create_task(others())
        task = rig.listen()
        turns.clear()
        rig.connection.data_received(compressed_frame(bytes(LARGE)) + client_frame(FIN | TEXT, b"behind"))
        assert rig.transport.is_reading_paused
        # What was on its way already comes all the same.
        rig.connection.data_received(client_frame(FIN | PING, b"last"))
        assert rig.run(asyncio.wait_for(task, 30)) == {"type": "websocket.receive", "bytes": bytes(LARGE)}
        assert rig.hear()["text"] == "behind"
        assert rig.frames() == [Frame(PONG, b"last")]
        assert sum(turns) >= LARGE // 131072 - 1
        assert not rig.transport.is_reading_paused
        other.cancel()


def test_a_large_message_that_is_too_big_ends_the_connection_with_1009() -> None:
    with WebSocketRig(Settings(websocket_max_message_bytes=LARGE), extra=DEFLATE) as rig:
        task = rig.listen()
        rig.connection.data_received(compressed_frame(bytes(LARGE + 1)))
        assert rig.run(asyncio.wait_for(task, 30))["code"] == 1009
        rig.settle()
        assert rig.frames() == [close_frame(1009, "message too big")]
        assert not rig.transport.is_reading_paused


def test_large_text_that_is_no_utf8_ends_the_connection_with_1007() -> None:
    with WebSocketRig(extra=DEFLATE) as rig:
        task = rig.listen()
        rig.connection.data_received(compressed_frame(b"x" * LARGE + b"\xff", TEXT))
        assert rig.run(asyncio.wait_for(task, 30))["code"] == 1007


def test_the_app_may_close_while_a_large_message_is_inflated() -> None:
    with WebSocketRig(extra=DEFLATE) as rig:
        rig.connection.data_received(compressed_frame(bytes(LARGE)))
        rig.say({"type": "websocket.close"})
        assert rig.frames() == [close_frame(1000)]
        assert not rig.transport.is_closing()
        rig.send(client_frame(FIN | CLOSE, close_payload(1000)))
        assert rig.transport.is_closing()
        assert rig.hear() == disconnect(1000)


def test_a_client_may_be_lost_while_its_large_message_is_inflated() -> None:
    with WebSocketRig(extra=DEFLATE) as rig:
        rig.connection.data_received(compressed_frame(bytes(LARGE)))
        rig.lose()
        for _ in range(LARGE // 131072):
            rig.settle()
        assert rig.hear() == disconnect(1006)


def test_large_messages_wait_for_the_app_one_by_one() -> None:
    with WebSocketRig(Settings(websocket_queue_messages=1), extra=DEFLATE) as rig:
        frame = compressed_frame(bytes(LARGE))
        rig.connection.data_received(frame * 3)
        for _ in range(3):
            for _ in range(LARGE // 131072):
                rig.settle()
            assert rig.transport.is_reading_paused
            assert rig.hear()["bytes"] == bytes(LARGE)
        rig.settle()
        assert not rig.transport.is_reading_paused


# Above the limit


def test_the_rest_of_a_message_that_is_too_big_is_read_and_dropped() -> None:
    with WebSocketRig(Settings(websocket_max_message_bytes=1000)) as rig:
        task = rig.listen()
        frame = client_frame(FIN | BINARY, bytes(100_000))
        rig.send(frame[:100])
        assert task.result() == disconnect(1009, "message too big")
        assert rig.frames() == [close_frame(1009, "message too big")]
        rig.send(frame[100:])
        assert not rig.transport.is_reading_paused
        assert not rig.transport.eof_written
        rig.send(client_frame(FIN | CLOSE, close_payload(1009)))
        assert rig.transport.is_closing()


def test_a_client_that_sends_without_end_is_cut_off() -> None:
    with WebSocketRig(Settings(websocket_max_message_bytes=1000, websocket_close_timeout_s=5)) as rig:
        for _ in range(5):
            rig.send(client_frame(FIN | BINARY, bytes(2000)))
            rig.pass_time(1)
        assert rig.transport.was_aborted
