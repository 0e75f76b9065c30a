"""Clients that send very many frames which say next to nothing: each turn of the loop gets a bounded part of them."""

from __future__ import annotations

import asyncio
import zlib

import pytest

from gasgi.settings import Settings
from tests.support.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    DEFLATE,
    FIN,
    PING,
    PONG,
    RSV1,
    TEXT,
    client_frame,
    close_frame,
    close_payload,
)
from tests.support.websocket_rig import WebSocketRig, disconnect

COUNT = 20_000
PER_TURN = 1000  # more than any turn may take


async def turns_until_text(rig: WebSocketRig, data: bytes) -> tuple[str, int]:
    """Feed ``data`` in one read; return the first text that it brings and how many turns of the loop that took."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.ensure_future(others())
    rig.connection.data_received(data)
    assert rig.transport.is_reading_paused
    text = (await rig.call.receive())["text"]
    other.cancel()
    return text, turns


@pytest.mark.parametrize(
    ("before", "frame", "text"),
    [
        (TEXT, client_frame(CONTINUATION), ""),
        (TEXT, client_frame(CONTINUATION, b"a"), "a" * COUNT),
        (TEXT, client_frame(CONTINUATION, b"ab"), "ab" * COUNT),
        (TEXT, client_frame(FIN | PING), ""),
        (TEXT, client_frame(FIN | PONG, b"p"), ""),
    ],
    ids=["empty fragments", "one-byte fragments", "two-byte fragments", "pings", "pongs"],
)
def test_a_read_of_tiny_frames_is_decoded_in_many_turns(before: int, frame: bytes, text: str) -> None:
    with WebSocketRig() as rig:
        data = client_frame(before) + frame * COUNT + client_frame(FIN | CONTINUATION, b".")
        found, turns = rig.run(asyncio.wait_for(turns_until_text(rig, data), 60))
        assert found == text + "."
        assert turns >= COUNT // PER_TURN
        rig.settle()
        assert not rig.transport.is_reading_paused


def test_whole_messages_are_decoded_in_many_turns_where_the_queue_has_room_for_all() -> None:
    with WebSocketRig(Settings(websocket_queue_messages=1_000_000)) as rig:

        async def run() -> int:
            rig.connection.data_received(client_frame(FIN | TEXT, b"x") * COUNT + client_frame(FIN | TEXT, b"last"))
            turns = 0
            while rig.transport.is_reading_paused:
                await asyncio.sleep(0)
                turns += 1
            return turns

        assert rig.run(asyncio.wait_for(run(), 60)) >= COUNT // PER_TURN
        assert [rig.hear()["text"] for _ in range(COUNT + 1)] == ["x"] * COUNT + ["last"]


def test_frames_that_nobody_wants_are_thrown_away_in_many_turns() -> None:
    with WebSocketRig() as rig:

        async def run() -> int:
            await rig.call.send({"type": "websocket.close"})
            rig.transport.take()
            rig.connection.data_received(client_frame(FIN | TEXT, b"x") * COUNT + client_frame(FIN | CLOSE))
            turns = 0
            while not rig.transport.is_closing():
                await asyncio.sleep(0)
                turns += 1
            return turns

        assert rig.run(asyncio.wait_for(run(), 60)) >= COUNT // PER_TURN


def test_small_reads_count_too() -> None:
    with WebSocketRig() as rig:

        async def run() -> int:
            rig.connection.data_received(client_frame(TEXT))
            reads = 0
            while not rig.transport.is_reading_paused and reads < PER_TURN:
                rig.connection.data_received(client_frame(CONTINUATION) * 10)
                reads += 1
            return reads

        # uvloop may read 32 times in one turn.
        assert rig.run(run()) <= PER_TURN // 10
        rig.settle()
        assert not rig.transport.is_reading_paused


def test_small_messages_that_inflate_to_large_ones_take_turns() -> None:
    with WebSocketRig(Settings(websocket_queue_messages=100, websocket_queue_bytes=1 << 30), extra=DEFLATE) as rig:
        compressor = zlib.compressobj(wbits=-12)
        frames = b""
        for _ in range(50):
            compressed = compressor.compress(bytes(100_000)) + compressor.flush(zlib.Z_SYNC_FLUSH)
            frames += client_frame(FIN | RSV1 | BINARY, compressed[:-4])

        async def run() -> int:
            rig.connection.data_received(frames)
            turns = 0
            while rig.transport.is_reading_paused:
                await asyncio.sleep(0)
                turns += 1
            return turns

        assert rig.run(asyncio.wait_for(run(), 30)) >= 20
        assert [len(rig.hear()["bytes"]) for _ in range(50)] == [100_000] * 50


def test_the_app_may_close_in_the_middle_of_a_flood() -> None:
    with WebSocketRig() as rig:
        rig.connection.data_received(client_frame(TEXT) + client_frame(CONTINUATION) * COUNT)
        rig.say({"type": "websocket.close"})
        assert rig.frames() == [close_frame(1000)]
        rig.connection.data_received(client_frame(FIN | CLOSE, close_payload(1000)))
        for _ in range(COUNT // 1000):
            rig.settle()
        assert rig.transport.is_closing()
        assert rig.hear() == disconnect(1000)


def test_a_client_may_be_lost_in_the_middle_of_a_flood() -> None:
    with WebSocketRig() as rig:
        rig.connection.data_received(client_frame(TEXT) + client_frame(CONTINUATION) * COUNT)
        rig.lose()
        rig.settle()
        assert rig.hear() == disconnect(1006)


def test_a_client_that_sends_a_few_frames_at_a_time_is_never_held_up() -> None:
    with WebSocketRig() as rig:

        async def run() -> None:
            for number in range(2000):
                rig.connection.data_received(client_frame(FIN | TEXT, b"%d" % number) + client_frame(FIN | PONG) * 3)
                assert not rig.transport.is_reading_paused
                assert (await rig.call.receive())["text"] == str(number)

        rig.run(asyncio.wait_for(run(), 60))
