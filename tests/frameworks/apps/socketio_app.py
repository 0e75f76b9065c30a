"""python-socketio: long polling and WebSocket."""

import socketio

# A client that only polls leaves when its poll ends, which the next ping sees to.
server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*", ping_interval=1)
app = socketio.ASGIApp(server)


@server.event
async def add(sid, first, second):
    return first + second


@server.event
async def call_back(sid, text):
    await server.emit("called", text.upper(), to=sid)
