"""A FastAPI application of the usual kind: lifespan, dependencies, background tasks, streams, files, uploads."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import BackgroundTasks, Depends, FastAPI, Header, HTTPException, Request, UploadFile, WebSocket
from fastapi.responses import FileResponse, StreamingResponse

from tests.integration.apps import note


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    note("startup")
    yield {"pool": "open", "loop": type(asyncio.get_running_loop()).__module__}
    note("shutdown")


app = FastAPI(lifespan=lifespan)


async def user(authorization: Annotated[str | None, Header()] = None) -> AsyncIterator[str]:
    if authorization is None:
        raise HTTPException(401, "who are you?")
    yield authorization
    note("dependency closed")


@app.get("/state")
async def state(request: Request) -> dict[str, Any]:
    return {"pool": request.state.pool, "loop": request.state.loop, "scheme": request.url.scheme}


@app.get("/me")
async def me(name: Annotated[str, Depends(user)]) -> dict[str, str]:
    return {"name": name}


@app.post("/later")
async def later(tasks: BackgroundTasks) -> dict[str, str]:
    async def work() -> None:
        await asyncio.sleep(0.2)
        note("background done")

    tasks.add_task(work)
    return {"status": "accepted"}


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def numbers() -> AsyncIterator[bytes]:
        for number in range(1000):
            yield b"%d\n" % number

    return StreamingResponse(numbers(), media_type="text/plain")


@app.get("/file")
async def file() -> FileResponse:
    return FileResponse(os.environ["SERVED_FILE"])


@app.post("/upload")
async def upload(file: UploadFile) -> dict[str, Any]:
    digest = hashlib.sha256()
    size = 0
    while piece := await file.read(1 << 20):
        digest.update(piece)
        size += len(piece)
    return {"sha256": digest.hexdigest(), "size": size}


@app.put("/raw")
async def raw(request: Request) -> dict[str, Any]:
    digest = hashlib.sha256()
    size = 0
    async for piece in request.stream():
        digest.update(piece)
        size += len(piece)
    return {"sha256": digest.hexdigest(), "size": size, "pid": os.getpid()}


@app.get("/sync")
def sync() -> dict[str, bool]:
    return {"in_main_thread": threading.current_thread() is threading.main_thread()}


@app.get("/broken")
async def broken() -> None:
    raise RuntimeError("broken on purpose")


@app.websocket("/ws")
async def ws(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text.upper())
