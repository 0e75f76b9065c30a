"""permessage-deflate (RFC 7692) on a WebSocket."""

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
    DEFLATE,
    FIN,
    RSV1,
    TEXT,
    Frame,
    client_frame,
)
from tests.support.websocket_rig import WebSocketRig

NOISE = random.Random(6455).randbytes(300_000)


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
        rig.send(client_frame(FIN | RSV1 | TEXT, b"\x00"))
        assert rig.frames()[0].payload[:2] == b"\x03\xea"  # 1002


def test_receives_compressed_messages() -> None:
    with WebSocketRig(extra=DEFLATE) as rig:
        rig.send(client_frame(FIN | RSV1 | TEXT, bytes.fromhex("f248cdc9c90700")))  # RFC 7692, 7.2.3.1
        assert rig.hear()["text"] == "Hello"


def test_refuses_a_bomb() -> None:
    with WebSocketRig(Settings(websocket_max_message_bytes=100_000), extra=DEFLATE) as rig:
        compressor = zlib.compressobj(wbits=-12)
        bomb = compressor.compress(bytes(10_000_000)) + compressor.flush(zlib.Z_SYNC_FLUSH)
        task = rig.listen()
        rig.send(client_frame(FIN | RSV1 | BINARY, bomb[:-4]))
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
    await rig.call.send({"type": "websocket.send", "bytes": data})


def test_a_cancelled_large_send_does_not_spoil_what_follows() -> None:
    with WebSocketRig(extra=DEFLATE) as rig:

        async def impatient() -> None:
            task = asyncio.ensure_future(rig.call.send({"type": "websocket.send", "bytes": NOISE}))
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
            task = asyncio.ensure_future(rig.call.send({"type": "websocket.send", "bytes": NOISE}))
            await asyncio.sleep(0)
            rig.connection.connection_lost(None)
            with pytest.raises(ClientDisconnected):
                await task

        rig.run(lost())
        assert rig.transport.take() == b""


def test_a_send_that_is_cancelled_behind_the_end_stays_cancelled_and_compresses_no_more() -> None:
    with WebSocketRig(extra=DEFLATE) as rig:

        async def impatient() -> None:
            task = asyncio.ensure_future(rig.call.send({"type": "websocket.send", "bytes": NOISE}))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            rig.connection.connection_lost(None)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        rig.run(impatient())
        assert rig.transport.take() == b""


def test_a_small_message_does_not_overtake_a_large_one_sent_before_it() -> None:
    with WebSocketRig(extra=DEFLATE) as rig:

        async def send_all() -> None:
            messages = [NOISE, b"small", NOISE[:100_000], b"last"]
            await asyncio.gather(*[rig.call.send({"type": "websocket.send", "bytes": data}) for data in messages])

        rig.run(send_all())
        inflater = zlib.decompressobj(-15)
        sizes = []
        for frame in rig.frames():
            compressed = frame.payload + b"\x00\x00\xff\xff"
            sizes.append(len(inflater.decompress(compressed) if frame.is_compressed else frame.payload))
        assert sizes == [300_000, 5, 100_000, 4]


def test_a_large_text_that_is_no_unicode_is_misuse() -> None:
    with WebSocketRig(extra=DEFLATE) as rig:
        with pytest.raises(ASGIMisuse, match="not valid Unicode"):
            rig.text("x" * 100_000 + "\ud800")
        rig.text("good")
        assert rig.frames() == [Frame(TEXT, b"good")]


# What becomes of a large send that is never begun, and of those behind it


def cancel(awaitable: Any) -> None:
    asyncio.get_running_loop().create_task(awaitable).cancel()


def close(awaitable: Any) -> None:
    awaitable.close()


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.parametrize("drop", [cancel, close, lambda _: None], ids=["cancelled", "closed", "never awaited"])
def test_a_large_send_that_is_dropped_before_its_first_step_leaves_nothing_behind(drop: Any) -> None:
    with WebSocketRig(extra=DEFLATE) as rig:

        async def run() -> int:
            drop(rig.call.send({"type": "websocket.send", "bytes": NOISE}))
            await rig.call.send({"type": "websocket.send", "text": "behind"})
            turns = 0

            async def others() -> None:
                nonlocal turns
                while True:
                    await asyncio.sleep(0)
                    turns += 1

            other = asyncio.ensure_future(others())
            for _ in range(20_000):
                await rig.call.send({"type": "websocket.send", "text": "x"})
            other.cancel()
            return turns

        assert 2 <= rig.run(asyncio.wait_for(run(), 30)) <= 20
        first, second, *_ = rig.frames()
        assert inflate(first) == NOISE
        assert second == Frame(TEXT, b"behind")


def test_a_cancelled_large_send_is_compressed_on_in_slices() -> None:
    with WebSocketRig(extra=DEFLATE) as rig:

        async def run() -> int:
            task = asyncio.ensure_future(rig.call.send({"type": "websocket.send", "bytes": NOISE}))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            turns = 0
            while not rig.transport.written:
                await asyncio.sleep(0)
                turns += 1
            return turns

        assert rig.run(asyncio.wait_for(run(), 30)) > len(NOISE) // 65536
        (frame,) = rig.frames()
        assert inflate(frame) == NOISE


def test_a_send_that_is_cancelled_while_it_waits_is_not_sent() -> None:
    with WebSocketRig(extra=DEFLATE) as rig:

        async def run() -> None:
            sends = [asyncio.ensure_future(_send(rig, data)) for data in (NOISE, b"2", b"3")]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            sends[1].cancel()
            await asyncio.gather(*sends, return_exceptions=True)

        rig.run(asyncio.wait_for(run(), 30))
        first, second = rig.frames()
        assert inflate(first) == NOISE
        assert second == Frame(BINARY, b"3")


def test_a_message_that_cannot_be_compressed_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    with WebSocketRig(extra=DEFLATE) as rig:

        def fail(*_: Any) -> Any:
            yield b"half"
            raise MemoryError

        monkeypatch.setattr("gasgi.websocket.deflate.Deflater.deflate_in_slices", fail)

        async def run() -> list[Any]:
            sends = [rig.call.send({"type": "websocket.send", "bytes": data}) for data in (NOISE, b"behind")]
            rig.loop.call_later(0.01, rig.connection.connection_lost, None)
            return await asyncio.gather(*sends, return_exceptions=True)

        errors = rig.run(asyncio.wait_for(run(), 30))
        assert rig.transport.was_aborted
        assert isinstance(errors[0], MemoryError)


@pytest.mark.parametrize("text", ["x" * 30_000, "\U0001f600" * 8000, "x" * 500])
def test_an_app_that_sends_what_is_compressed_leaves_the_loop_to_others(text: str) -> None:
    with WebSocketRig(Settings(websocket_compression_min_bytes=100), extra=DEFLATE) as rig:

        async def run() -> int:
            turns = 0

            async def others() -> None:
                nonlocal turns
                while True:
                    await asyncio.sleep(0)
                    turns += 1

            other = asyncio.ensure_future(others())
            sent = 0
            while sent < 1_000_000:
                await rig.call.send({"type": "websocket.send", "text": text})
                sent += len(text.encode())
            other.cancel()
            return turns

        # Compressing 64 KiB takes 2 to 4 ms when it is in vain.
        assert rig.run(asyncio.wait_for(run(), 60)) >= 1_000_000 // 65536


def test_a_text_is_large_by_its_bytes() -> None:
    with WebSocketRig(extra=DEFLATE) as rig:
        text = "\U0001f600" * 20_000  # 80,000 bytes
        rig.call.send({"type": "websocket.send", "text": text}).close()  # type: ignore[attr-defined]
        assert rig.frames() == []
        rig.settle()
        assert inflate(rig.frames()[0]).decode() == text
