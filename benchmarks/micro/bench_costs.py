"""What the building blocks of a request cost, CPU µs each, the lowest of several runs; for docs/architecture.md."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "src"), str(Path(__file__).resolve().parents[2])]

from gasgi.asgi.scope import scope_template  # noqa: E402
from gasgi.serving.runtime import announce  # noqa: E402
from gasgi.settings import Settings  # noqa: E402
from gasgi.worker.loop_watch import LoopWatch  # noqa: E402

TIMES = 20_000
RUNS = 9
TEMPLATE = scope_template(("192.0.2.1", 50000), ("192.0.2.2", 8000), "http", "", announce(Settings().asgi_extensions))

Block = Callable[[asyncio.AbstractEventLoop], Awaitable[None]]


async def nothing(loop: asyncio.AbstractEventLoop) -> None:
    """The loop around every block."""
    for _ in range(TIMES):
        pass


async def task(loop: asyncio.AbstractEventLoop) -> None:
    """A task that does nothing, made and run."""

    async def empty() -> None:
        pass

    for _ in range(TIMES):
        await loop.create_task(empty())


async def timer(loop: asyncio.AbstractEventLoop) -> None:
    """A keep-alive timer, set and cancelled."""
    for _ in range(TIMES):
        loop.call_later(5, print).cancel()


async def event(loop: asyncio.AbstractEventLoop) -> None:
    """An asyncio.Event for each request, to wake receive()."""
    for _ in range(TIMES):
        asyncio.Event()


async def scope_literal(loop: asyncio.AbstractEventLoop) -> None:
    """A scope written out key by key."""
    client, server = TEMPLATE["client"], TEMPLATE["server"]
    for _ in range(TIMES):
        {  # noqa: B018
            "type": "http",
            "asgi": None,
            "http_version": "1.1",
            "method": "",
            "scheme": "http",
            "path": "",
            "raw_path": b"",
            "query_string": b"",
            "root_path": "",
            "headers": None,
            "client": client,
            "server": server,
            "state": None,
            "extensions": None,
        }


async def scope_copy(loop: asyncio.AbstractEventLoop) -> None:
    """A scope copied from the connection's template."""
    for _ in range(TIMES):
        TEMPLATE.copy()


BLOCKS: tuple[Block, ...] = (task, timer, event, scope_literal, scope_copy)


def measure(loop: asyncio.AbstractEventLoop, block: Block) -> float:
    """CPU µs for one time."""
    lowest = float("inf")
    for _ in range(RUNS):
        began = time.process_time_ns()
        loop.run_until_complete(block(loop))
        lowest = min(lowest, time.process_time_ns() - began)
    return lowest / TIMES / 1000


def measure_watch(loop: asyncio.AbstractEventLoop, limit_s: float) -> float:
    """CPU µs that the watch of an idle loop costs in a second."""

    async def idle() -> None:
        watch = LoopWatch(loop, limit_s, logging.getLogger())
        watch.start()
        await asyncio.sleep(3)
        watch.stop()

    began = time.process_time_ns()
    loop.run_until_complete(idle())
    return (time.process_time_ns() - began) / 3000


def main() -> None:
    """Print a line for each block."""
    import uvloop

    for make in (uvloop.new_event_loop, asyncio.new_event_loop):
        loop = make()
        print(type(loop).__module__)
        floor = measure(loop, nothing)
        for block in BLOCKS:
            print(f"  {measure(loop, block) - floor:6.2f}  {block.__doc__}")
        for limit_s in (0.1, 0.01):
            print(f"  {measure_watch(loop, limit_s):6.0f}  The watch, in a second, at {limit_s * 1000:g} ms.")
        loop.close()


if __name__ == "__main__":
    main()
