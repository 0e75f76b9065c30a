"""A FastAPI application that is slow in the usual places, behind a middleware of Starlette's usual kind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

app = FastAPI()
leave = threading.Event()
asked = asyncio.Event()


@app.middleware("http")
async def pass_on(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    return await call_next(request)


@app.get("/quick")
async def quick() -> None:
    """For what the first request of a worker imports."""


@app.get("/sleep")
async def sleep_long() -> None:
    await asyncio.sleep(300)


@app.get("/nested")
async def nested() -> None:
    await query_database()


async def query_database() -> None:
    await asked.wait()


@app.get("/thread")
def in_a_thread() -> None:
    leave.wait(300)


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def rows() -> AsyncIterator[bytes]:
        yield b"first"
        await query_database()

    return StreamingResponse(rows())


lock = asyncio.Lock()
queue: asyncio.Queue[int] = asyncio.Queue()
pool = asyncio.Semaphore(0)


async def query_pool() -> None:
    async with pool:
        pass


@app.get("/pool")
async def in_a_pool() -> None:
    await query_pool()


@app.get("/lock")
async def behind_a_lock() -> None:
    async with lock, lock:
        pass


@app.get("/queue")
async def at_a_queue() -> None:
    await queue.get()


@app.get("/task")
async def for_another_task() -> None:
    await asyncio.create_task(query_database())


@app.get("/gather")
async def for_several() -> None:
    await asyncio.gather(asyncio.sleep(0), query_database())


def compute() -> None:
    leave.wait(300)


@app.get("/to-thread")
async def for_a_thread() -> None:
    await asyncio.to_thread(compute)


@app.post("/upload")
async def upload(request: Request) -> dict[str, Any]:
    return {"size": len(await request.body())}


@app.get("/leave")
async def let_go() -> None:
    leave.set()
    asked.set()
