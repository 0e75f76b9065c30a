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


@app.post("/upload")
async def upload(request: Request) -> dict[str, Any]:
    return {"size": len(await request.body())}


@app.get("/leave")
async def let_go() -> None:
    leave.set()
    asked.set()
