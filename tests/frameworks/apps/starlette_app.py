"""Starlette with BaseHTTPMiddleware, gzip, sessions, static files, a room and server-sent events."""

from pathlib import Path

from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

HERE = Path(__file__).parent
room = set()


async def mark(request, call_next):
    response = await call_next(request)
    response.headers["x-marked"] = "yes"
    return response


async def count(request):
    request.session["count"] = request.session.get("count", 0) + 1
    return JSONResponse(request.session["count"])


async def ticks():
    for number in range(3):
        yield {"event": "tick", "data": str(number)}


async def sse(request):
    return EventSourceResponse(ticks())


async def lines():
    for number in range(1000):
        yield f"line {number}\n"


async def stream(request):
    return StreamingResponse(lines(), media_type="text/plain")


async def echo(request):
    return PlainTextResponse(str(len(await request.body())))


class Member(WebSocketEndpoint):
    encoding = "text"

    async def on_connect(self, websocket):
        await websocket.accept()
        room.add(websocket)
        await websocket.send_text("welcome")

    async def on_receive(self, websocket, data):
        for member in tuple(room):
            await member.send_text(data)

    async def on_disconnect(self, websocket, close_code):
        room.discard(websocket)


async def source(request):
    return FileResponse(HERE / "starlette_app.py")


app = Starlette(
    routes=[
        Route("/count", count),
        Route("/sse", sse),
        Route("/stream", stream),
        Route("/echo", echo, methods=["POST"]),
        Route("/file", source),
        WebSocketRoute("/room", Member),
        Mount("/static", StaticFiles(directory=HERE)),
    ],
    middleware=[
        Middleware(BaseHTTPMiddleware, dispatch=mark),
        Middleware(GZipMiddleware, minimum_size=100),
        Middleware(SessionMiddleware, secret_key="a secret of the tests"),
    ],
)
