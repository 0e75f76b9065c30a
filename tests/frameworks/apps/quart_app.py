"""Quart: JSON, a streamed answer, an upload read in pieces, a WebSocket."""

import asyncio

from quart import Quart, request, websocket

app = Quart(__name__)
room = set()


@app.post("/json")
async def json():
    return {"got": await request.get_json()}


@app.get("/stream")
async def stream():
    async def numbers():
        for number in range(100):
            yield b"%d," % number

    return numbers(), 200, {"content-type": "text/plain"}


@app.post("/size")
async def size():
    total = 0
    async for piece in request.body:
        total += len(piece)
    return str(total)


@app.websocket("/ws")
async def ws():
    while True:
        await websocket.send("quart " + await websocket.receive())


@app.websocket("/room")
async def meet():
    member = websocket._get_current_object()
    room.add(member)
    try:
        await member.send("welcome")
        while True:
            said = await member.receive()
            await asyncio.gather(*(other.send(said) for other in room))
    finally:
        room.discard(member)
