"""Time the WebSocket code without a network: masks and frames of both twins, and a whole echo of the running one.

    python -m benchmarks.micro.bench_ws

CPU time in microseconds, best of several short rounds. The echo goes through data_received, the task of the app and the
write, into a transport that drops everything; a socket is not in it. GASGI_EXTENSIONS=off shows the pure echo.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from importlib import import_module
from types import ModuleType

from gasgi._accel import implementation
from gasgi.websocket.frames import FrameDecoder
from tests.support import ws_apps
from tests.support.frames import FIN, TEXT, client_frame
from tests.support.served import Served
from tests.support.websocket_rig import HANDSHAKE

ROUNDS = 20
SIZES = (32, 1024, 65536, 1048576)


def best(call: Callable[[], object], calls: int) -> float:
    results = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(calls):
            call()
        results.append((time.process_time() - start) / calls)
    return min(results) * 1e6


def calls_for(size: int) -> int:
    return max(3, min(2000, 4_000_000 // size))


def leaf_calls(twin: ModuleType, size: int) -> dict[str, Callable[[], object]]:
    payload = b"x" * size
    text = "x" * size
    data = client_frame(FIN | TEXT, payload)
    start, stop = len(data) - size, len(data)

    def in_pieces() -> object:
        buffer = twin.MessageBuffer()
        buffer.start_frame(data, start, size)
        for position in range(start, stop, 65536):
            buffer.append(data, position, min(position + 65536, stop))
            buffer.is_text(False)
        return buffer.take_text()

    return {
        "unmask": lambda: twin.unmask(data, start, stop),
        "unmask_text": lambda: twin.unmask_text(data, start, stop),
        "text in pieces of 64 KiB": in_pieces,
        "encode_frame, bytes": lambda: twin.encode_frame(0x82, payload),
        "encode_frame, text": lambda: twin.encode_frame(0x81, text),
    }


def decoder_call(size: int) -> Callable[[], object]:
    data = client_frame(FIN | TEXT, b"x" * size)
    decoder = FrameDecoder(1 << 24, None)

    def call() -> object:
        decoder.feed(data)
        decoder.advance()
        return decoder.payload

    return call


def echo(size: int, messages: int) -> float:
    """CPU of one echo, the loop's turns for it included."""
    data = client_frame(FIN | TEXT, b"x" * size)
    with Served(ws_apps.echo) as rig:
        rig.send(HANDSHAKE + b"\r\n")
        sink: deque[object] = deque(maxlen=0)
        rig.transport.write = sink.append  # type: ignore[method-assign, assignment]
        rig.transport.writelines = sink.append  # type: ignore[method-assign, assignment]
        feed = rig.transport.get_protocol().data_received

        async def turns() -> None:
            for _ in range(messages):
                feed(data)
                await asyncio.sleep(0)
                await asyncio.sleep(0)

        def call() -> object:
            return rig.run(turns())

        return best(call, 1) / messages


def main() -> None:
    names = ["pure"] if implementation()["_ws_mask"] == "pure" else ["compiled", "pure"]
    twins = {name: import_module("gasgi._ws_mask" + ("_py" if name == "pure" else "")) for name in names}
    print(f"{'µs':34}" + "".join(f"{size:>12}" for size in SIZES))
    for name, twin in twins.items():
        for what in leaf_calls(twin, 1):
            row = [best(leaf_calls(twin, size)[what], calls_for(size)) for size in SIZES]
            print(f"{what + ', ' + name:34}" + "".join(f"{value:12.2f}" for value in row))
    running = implementation()["websocket.frames"]
    row = [best(decoder_call(size), calls_for(size)) for size in SIZES]
    print(f"{'decoder, ' + running:34}" + "".join(f"{value:12.2f}" for value in row))
    row = [echo(size, calls_for(size)) for size in SIZES]
    print(f"{'echo, ' + running:34}" + "".join(f"{value:12.2f}" for value in row))


if __name__ == "__main__":
    main()
