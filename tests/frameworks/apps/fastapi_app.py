"""FastAPI: validation, a form with a file, a background task, a WebSocket."""

from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, FastAPI, Form, UploadFile, WebSocket, WebSocketDisconnect
from pydantic import BaseModel

events = []
room = set()


@asynccontextmanager
async def lifespan(application):
    events.append("startup")
    yield {"pool": "of connections"}


app = FastAPI(lifespan=lifespan)


class Item(BaseModel):
    name: str
    price: float


@app.post("/items/{number}")
async def make_item(number: int, item: Item, background: BackgroundTasks):
    background.add_task(events.append, f"made {item.name}")
    return {"number": number, "total": item.price * number}


@app.post("/upload")
async def upload(label: str = Form(), file: UploadFile = None):
    return {"label": label, "size": len(await file.read())}


@app.get("/events")
def get_events():
    return events


@app.websocket("/ws")
async def websocket(socket: WebSocket):
    await socket.accept()
    try:
        while True:
            await socket.send_json({"pool": socket.state.pool, "got": await socket.receive_json()})
    except WebSocketDisconnect as exc:
        events.append(f"left with {exc.code}")


@app.websocket("/room")
async def meet(socket: WebSocket):
    await socket.accept()
    room.add(socket)
    try:
        await socket.send_text("welcome")
        while True:
            said = await socket.receive_text()
            for member in tuple(room):
                await member.send_text(said)
    except WebSocketDisconnect:
        room.discard(socket)
