"""An application that is slow in every way there is, for the guide "Slow responses under load" (docs/tuning.md).

Run it with ``gunicorn --chdir examples/slow main:app --worker-class gasgi.Worker``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

ROWS = [{"id": number, "name": f"row {number}", "price": number * 1.5, "tags": ["a", "b"]} for number in range(100)]
# Connections of the "database" of one worker, and threads for its ``def`` endpoints (40 is what Starlette has).
POOL = int(os.environ.get("POOL", "10"))
THREADS = int(os.environ.get("THREADS", "40"))
# Objects that live as long as the worker, as the modules, models and caches of a large application do.
HEAP = [{"number": number, "list": [number]} for number in range(int(os.environ.get("HEAP", "0")))]
CACHE: deque[dict[str, Any]] = deque(maxlen=100_000)

log = logging.getLogger("gunicorn.error")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Size the thread pool and open the database."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    app.state.pool = asyncio.Semaphore(POOL)
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/", response_class=PlainTextResponse)
async def hello() -> str:
    """Take no time."""
    return "hello"


@app.get("/rows")
async def rows() -> list[dict[str, Any]]:
    """Work: build and encode some JSON."""
    return ROWS


@app.get("/blocking", response_class=PlainTextResponse)
async def blocking(ms: int = 20) -> str:
    """Block the loop, as every driver without ``await`` does."""
    time.sleep(ms / 1000)
    return "blocked"


@app.get("/waiting", response_class=PlainTextResponse)
async def waiting(ms: int = 20) -> str:
    """Wait without blocking."""
    await asyncio.sleep(ms / 1000)
    return "waited"


@app.get("/thread", response_class=PlainTextResponse)
def thread(ms: int = 20) -> str:
    """Block a thread of the pool: the endpoint is no coroutine."""
    time.sleep(ms / 1000)
    return "blocked a thread"


@app.get("/query", response_class=PlainTextResponse)
async def query(ms: int = 20) -> str:
    """Wait for a connection of the pool, then for the database."""
    async with app.state.pool:
        await asyncio.sleep(ms / 1000)
    return "one row"


@app.get("/log", response_class=PlainTextResponse)
async def chatty(lines: int = 5) -> str:
    """Write to the log, and wait for each line."""
    for number in range(lines):
        log.info("line %d of %d", number, lines)
    return "logged"


@app.get("/remember", response_class=PlainTextResponse)
async def remember(entries: int = 200) -> str:
    """Keep what the collector then has to look at, as a cache does."""
    for number in range(entries):
        CACHE.append({"number": number, "list": [number]})
    return "remembered"
