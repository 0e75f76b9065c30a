"""The demonstration that ``make run`` serves: a FastAPI application that uses what an ASGI server has to offer.

Run it by hand with ``gunicorn --chdir examples/demo main:app --worker-class gasgi.Worker`` and open http://127.0.0.1:8000.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, TypedDict

from fastapi import BackgroundTasks, Depends, FastAPI, Query, Request, UploadFile, WebSocket
from fastapi.responses import FileResponse, StreamingResponse
from starlette.websockets import WebSocketDisconnect, WebSocketState

STATIC = Path(__file__).parent / "static"
UPLOAD_PIECE_BYTES = 256 * 1024
KEPT_NOTES = 20


class Room:
    """Everybody connected to the chat of this worker process."""

    def __init__(self) -> None:
        self._members: dict[WebSocket, str] = {}

    async def join(self, socket: WebSocket, name: str) -> None:
        """Accept ``socket`` and tell the others."""
        await socket.accept()
        self._members[socket] = name
        await self.say({"kind": "joined", "name": name})

    async def leave(self, socket: WebSocket) -> None:
        """Forget ``socket`` and tell the others."""
        name = self._members.pop(socket, None)
        if name is not None:
            await self.say({"kind": "left", "name": name})

    async def say(self, message: dict[str, Any]) -> None:
        """Send ``message`` to everybody, whoever is gone by now left out."""
        message = {**message, "present": len(self._members), "time": _now()}
        await asyncio.gather(*(member.send_json(message) for member in self._members), return_exceptions=True)


class State(TypedDict):
    """What the lifespan puts into ``request.state`` for every request."""

    started: float
    room: Room
    notes: list[str]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[State]:
    """Make what the requests share."""
    yield {"started": time.monotonic(), "room": Room(), "notes": []}


app = FastAPI(title="gasgi demonstration", lifespan=lifespan)


async def read_uptime_s(request: Request) -> float:
    """How long this worker has been up, seconds; a dependency of the endpoints that say so."""
    return time.monotonic() - request.state.started


Uptime = Annotated[float, Depends(read_uptime_s)]


@app.get("/", include_in_schema=False)
async def show_page() -> FileResponse:
    """Answer the page."""
    return FileResponse(STATIC / "index.html")


@app.get("/static/{name}", include_in_schema=False)
async def show_file(name: str) -> FileResponse:
    """Answer what the page needs; nothing else is there to be asked for."""
    return FileResponse(STATIC / ("demo.js" if name == "demo.js" else "demo.css"))


@app.get("/api/hello")
async def greet(
    request: Request, uptime_s: Uptime, name: Annotated[str, Query(max_length=40)] = "world"
) -> dict[str, Any]:
    """Answer JSON that says who served it."""
    server = request.scope.get("server") or ("", None)
    return {
        "greeting": f"Hello, {name}!",
        "http_version": request.scope["http_version"],
        "scheme": request.scope["scheme"],
        "server": list(server),
        "event_loop": type(asyncio.get_running_loop()).__module__,
        "python": platform.python_version(),
        "process": os.getpid(),
        "uptime_s": round(uptime_s, 1),
    }


@app.get("/api/ticks")
async def tick(
    count: Annotated[int, Query(ge=1, le=600)] = 10, pause_ms: Annotated[int, Query(ge=0, le=5000)] = 500
) -> StreamingResponse:
    """Stream server-sent events, one every ``pause_ms``."""

    async def make_events() -> AsyncIterator[str]:
        for number in range(1, count + 1):
            yield f"id: {number}\nevent: tick\ndata: {_now()}\n\n"
            await asyncio.sleep(pause_ms / 1000)
        yield "event: end\ndata: done\n\n"

    return StreamingResponse(make_events(), media_type="text/event-stream", headers={"cache-control": "no-store"})


@app.post("/api/upload")
async def digest_body(request: Request) -> dict[str, Any]:
    """Digest the raw body as it arrives, whatever its size: no more than one piece is in memory."""
    started = time.perf_counter()
    digest, size, pieces = hashlib.sha256(), 0, 0
    async for piece in request.stream():
        digest.update(piece)
        size += len(piece)
        pieces += 1
    return {
        "bytes": size,
        "sha256": digest.hexdigest(),
        "pieces": pieces,
        "seconds": round(time.perf_counter() - started, 3),
    }


@app.post("/api/form")
async def digest_form(file: UploadFile) -> dict[str, Any]:
    """The same for a multipart form, as ``curl -F file=@…`` sends it."""
    digest, size = hashlib.sha256(), 0
    while piece := await file.read(UPLOAD_PIECE_BYTES):
        digest.update(piece)
        size += len(piece)
    return {"name": file.filename, "bytes": size, "sha256": digest.hexdigest()}


@app.get("/api/numbers")
async def stream_numbers(count: Annotated[int, Query(ge=1, le=1_000_000)] = 10_000) -> StreamingResponse:
    """Stream a text of any length without holding it."""

    async def make_lines() -> AsyncIterator[str]:
        for first in range(0, count, 1000):
            yield "".join(f"{number}\n" for number in range(first, min(first + 1000, count)))

    return StreamingResponse(make_lines(), media_type="text/plain")


@app.get("/api/source")
async def download_source() -> FileResponse:
    """Answer this very file as a download."""
    return FileResponse(__file__, media_type="text/x-python", filename="main.py")


@app.get("/api/blocking")
def work_in_a_thread(rounds: Annotated[int, Query(ge=1, le=2_000_000)] = 100_000) -> dict[str, Any]:
    """A ``def`` endpoint: it runs in a thread and stops nobody else."""
    started = time.perf_counter()
    key = hashlib.pbkdf2_hmac("sha256", b"gasgi", b"demonstration", rounds)
    return {"key": key.hex(), "seconds": round(time.perf_counter() - started, 3)}


@app.post("/api/notes", status_code=202)
async def take_note(
    request: Request, background: BackgroundTasks, text: Annotated[str, Query(max_length=200)]
) -> dict[str, str]:
    """Answer at once and keep the note in a background task."""

    def keep() -> None:
        notes = request.state.notes
        notes.append(f"{_now()} {text}")
        del notes[:-KEPT_NOTES]

    background.add_task(keep)
    return {"status": "will be kept"}


@app.get("/api/notes")
async def list_notes(request: Request) -> list[str]:
    """What the background tasks have kept."""
    notes: list[str] = request.state.notes
    return notes


@app.websocket("/room")
async def enter_room(socket: WebSocket, name: str = "somebody") -> None:
    """One chat for everybody on this worker."""
    room: Room = socket.state.room
    name = name.strip()[:24] or "somebody"
    await room.join(socket, name)
    try:
        # What is said goes to its speaker too, who may have left meanwhile: then say() hears of it first.
        while socket.application_state is WebSocketState.CONNECTED:
            text = await socket.receive_text()
            await room.say({"kind": "said", "name": name, "text": text[:500]})
    except WebSocketDisconnect:
        pass
    finally:
        await room.leave(socket)


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%H:%M:%S.%f")[:-3]
