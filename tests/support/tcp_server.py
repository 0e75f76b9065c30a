"""gasgi's listening half on a real socket of the test's own loop: loopback, TLS or a unix socket, without gunicorn."""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from gasgi.asgi.tls_info import TlsInfo
from gasgi.serving.runtime import Runtime
from gasgi.settings import Settings
from gasgi.worker import loops as loops
from gasgi.worker.server import Server
from tests.support.fakes import RecordingLog

__all__ = ["LOOPS", "Served", "on_loop", "serve"]

LOOPS = ("asyncio", "uvloop")
PATIENCE_S = 30.0


class Served:
    """A running server: ``address`` to connect to, ``runtime`` and ``log`` to look at."""

    def __init__(self, runtime: Runtime, log: RecordingLog, address: Any) -> None:
        self.runtime = runtime
        self.log = log
        self.address = address

    async def connect(self, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a client's connection."""
        return await asyncio.open_connection(*self.address, **options)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Return once ``is_so``; the deadline of the test is the deadline of this."""
        while not is_so():
            await asyncio.sleep(0.005)


def on_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a coroutine test on the loop its argument ``loop_name`` names."""

    @functools.wraps(test)
    def run(*args: Any, **arguments: Any) -> None:
        loop = loops.new_loop(arguments["loop_name"])
        complaints: list[Any] = []
        loop.set_exception_handler(lambda loop, context: complaints.append(context))
        try:
            loop.run_until_complete(asyncio.wait_for(test(*args, **arguments), PATIENCE_S))
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()
        if complaints:
            raise AssertionError(complaints)

    return run


@asynccontextmanager
async def serve(
    app: Any,
    settings: Settings | None = None,
    context: ssl.SSLContext | None = None,
    certfile: str | None = None,
    plain_transports: bool = False,
) -> AsyncIterator[Served]:
    """Serve ``app`` until the block ends; ``plain_transports`` takes the loop's own."""
    loop = asyncio.get_running_loop()
    log = RecordingLog()
    runtime = Runtime(loop, app, settings or Settings(), log)
    if context is not None:
        runtime.tls_info = TlsInfo(context, certfile)
    listener = socket.create_server(("127.0.0.1", 0))
    connect = loop.connect_accepted_socket if plain_transports else loops.connector(loop, context is not None)
    server = Server(runtime, [listener], connect, context, lambda: None)
    server.start_clock()
    server.start_accepting()
    try:
        yield Served(runtime, log, listener.getsockname())
    finally:
        server.stop_accepting()
        await server.drain(0.0, 1.0, lambda: True)
        server.stop_clock()
