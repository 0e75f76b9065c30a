"""Streams without an end, by sse-starlette, Starlette and the MCP SDK; each prints how it ends."""

import contextlib
import itertools

import anyio
from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

server = MCPServer("tests")


@server.tool()
async def wait() -> str:
    print("tool begins", flush=True)
    try:
        await anyio.sleep_forever()
    finally:
        print("tool ends", flush=True)


mcp = server.streamable_http_app(transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False))


async def numbers(name):
    try:
        for number in itertools.count():
            yield f"{number}\n"
            await anyio.sleep(0.05)
    finally:
        print(f"{name} ends", flush=True)


async def silence(name):
    try:
        yield "first\n"
        await anyio.sleep_forever()
    finally:
        print(f"{name} ends", flush=True)


async def sse(request):
    return EventSourceResponse(numbers("sse"))


async def silent_sse(request):
    return EventSourceResponse(silence("silent sse"))


async def stream(request):
    return StreamingResponse(numbers("stream"))


async def silent_stream(request):
    return StreamingResponse(silence("silent stream"))


async def download(request):
    async def body():
        for _ in range(50):
            yield b"x"
            await anyio.sleep(0.1)

    return StreamingResponse(body(), headers={"content-length": "50"})


async def slow(request):
    await anyio.sleep(5)
    return PlainTextResponse("slow")


@contextlib.asynccontextmanager
async def lifespan(_):
    async with mcp.router.lifespan_context(mcp):
        yield
    print("lifespan ends", flush=True)


app = Starlette(
    routes=[
        Route("/sse", sse),
        Route("/silent-sse", silent_sse),
        Route("/stream", stream),
        Route("/silent-stream", silent_stream),
        Route("/download", download),
        Route("/slow", slow),
        Mount("/", mcp),
    ],
    lifespan=lifespan,
)
