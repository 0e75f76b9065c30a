"""gasgi_stream_drain_s with the streams of frameworks: they end early, and their finally-blocks run."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.frameworks.sites import APPS, LOOPS
from tests.support.gunicorn import Gunicorn, start_gunicorn

GRACEFUL_S = 300  # nothing here waits for that
STREAMS = ["/sse", "/silent-sse", "/stream", "/silent-stream"]


@pytest.fixture(params=LOOPS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Gunicorn]:
    options = ["--chdir", str(APPS), "--graceful-timeout", str(GRACEFUL_S)]
    environ = {"GASGI_STREAM_DRAIN_S": "1"}
    with start_gunicorn(tmp_path, "endless_app:app", *options, loop=request.param, environ=environ) as gunicorn:
        gunicorn.wait_for_workers()
        yield gunicorn


def ask(server: Gunicorn, path: str) -> socket.socket:
    client = socket.create_connection(server.address)
    client.settimeout(60)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
    return client


def read_all(client: socket.socket) -> bytes:
    data = b""
    while piece := client.recv(65536):
        data += piece
    return data


def end(server: Gunicorn) -> str:
    assert server.wait(60) == 0
    assert "did not finish in time" not in server.log
    assert "Traceback" not in server.log
    return server.log


def test_streams_end_and_what_has_a_length_is_whole(server: Gunicorn) -> None:
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(ask(server, path)) for path in STREAMS]
        download, slow = (stack.enter_context(ask(server, path)) for path in ("/download", "/slow"))
        for client in [*streams, download]:
            assert b"200 OK" in client.recv(65536)
        server.signal(signal.SIGTERM)
        for client in streams:
            read_all(client)
        read_all(download)
        assert read_all(slow).endswith(b"slow")
    log = end(server)
    for name in ("sse", "silent sse", "stream", "silent stream", "lifespan"):
        assert f"\n{name} ends\n" in log


def test_sessions_of_mcp_end(server: Gunicorn) -> None:
    host, port = server.address

    async def talk(stop: Callable[[], None]) -> None:
        async with (
            httpx2.AsyncClient() as http,
            Client(streamable_http_client(f"http://{host}:{port}/mcp", http_client=http)) as client,
        ):
            call = asyncio.create_task(client.call_tool("wait", {}))
            call.add_done_callback(lambda task: task.cancelled() or task.exception())
            await asyncio.to_thread(server.wait_for, "tool begins")
            await asyncio.to_thread(stop)

    def stop() -> None:
        server.signal(signal.SIGTERM)
        assert server.wait(60) == 0

    # What the client makes of a server that has gone is its own business.
    with contextlib.suppress(Exception):
        asyncio.run(asyncio.wait_for(talk(stop), 90))
    log = end(server)
    assert "\ntool ends\n" in log
    assert "\nlifespan ends\n" in log
