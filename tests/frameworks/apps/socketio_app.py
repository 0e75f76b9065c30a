"""python-socketio: long polling and WebSocket."""

import socketio

# A client that only polls has left when its last poll ends, which these times decide.
server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*", ping_interval=1, ping_timeout=3)
app = socketio.ASGIApp(server)


@server.event
async def add(sid, first, second):
    return first + second


@server.event
async def call_back(sid, text):
    await server.emit("called", text.upper(), to=sid)
