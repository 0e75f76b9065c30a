"""Litestar: a typed handler, a stream, a WebSocket listener."""

from litestar import Litestar, get, post, websocket_listener
from litestar.response import Stream


@post("/add")
async def add(data: dict[str, int]) -> dict[str, int]:
    return {"sum": sum(data.values())}


@get("/stream")
async def stream() -> Stream:
    async def numbers():
        for number in range(100):
            yield f"{number},"

    return Stream(numbers())


@websocket_listener("/ws")
async def ws(data: str) -> str:
    return "litestar " + data


app = Litestar([add, stream, ws])
