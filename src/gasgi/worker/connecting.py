"""Puts connections on accepted sockets: the PROXY header, TLS, and then the protocol."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

from gasgi.errors import RequestError
from gasgi.proxy.protocol import ProxyInfo
from gasgi.proxy.socket import receive_proxy_header
from gasgi.serving.runtime import Connection, Runtime
from gasgi.worker.wire import choose_wire

__all__ = ["Connect", "Connecting"]

Connect = Callable[..., Coroutine[Any, Any, Any]]


class Connecting:
    """The sockets of a worker that are accepted and have no connection yet; one task for each.

    ``connect`` has the signature of ``loop.connect_accepted_socket``.
    """

    def __init__(self, runtime: Runtime, connect: Connect, ssl_context: ssl.SSLContext | None) -> None:
        self._runtime = runtime
        self._connect = connect
        self._ssl_context = ssl_context
        self._make_protocol = choose_wire(runtime.settings, ssl_context is not None)
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def begin(self, accepted: socket.socket, peer: Any) -> None:
        """Take over ``accepted``, a client's; call ``runtime.on_room`` when done, since nothing may have come of it."""
        accepted.setblocking(False)
        task = self._runtime.loop.create_task(self._serve(accepted, peer))
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def cancel(self) -> None:
        """Give all of them up."""
        for task in self._tasks:
            task.cancel()

    def _on_done(self, task: asyncio.Task[None]) -> None:
        runtime = self._runtime
        self._tasks.discard(task)
        if runtime.slot is not None:
            # Until now it may have counted twice, here and among the connections.
            runtime.slot.hold(len(runtime.connections) + len(self._tasks))
        if runtime.on_room is not None:
            runtime.on_room()

    async def _serve(self, accepted: socket.socket, peer: Any) -> None:
        """Put a connection on an accepted socket; one line when the peer leaves or breaks TLS before it is up."""
        runtime = self._runtime
        options: dict[str, Any] = {}
        if self._ssl_context is not None:
            options = {
                "ssl": self._ssl_context,
                "ssl_handshake_timeout": runtime.settings.tls_handshake_timeout_s or None,
            }
        proxied: ProxyInfo | None = None
        connection: Connection | None = None
        try:
            if runtime.proxy is not None and runtime.proxy.expects_proxy_header(accepted):
                settings = runtime.settings
                proxied = await receive_proxy_header(
                    runtime.loop, accepted, settings.proxy_protocol, settings.proxy_header_timeout_s
                )
            protocol = connection = self._make_protocol(runtime, proxied)
            await self._connect(lambda: protocol, accepted, **options)
            if runtime.is_draining and connection in runtime.connections:
                connection.drain()
        except (OSError, asyncio.TimeoutError, RequestError) as exc:
            # ssl.SSLError is an OSError.
            runtime.log.info(
                "Connection setup failed for %s: %s",
                peer[0] if isinstance(peer, tuple) else "a unix socket",
                str(exc) or type(exc).__name__,
            )
        finally:
            if connection is None:
                accepted.close()
            # From then on it is its transport's, which closes it, at once or when the peer has seen a close_notify: its
            # descriptor must not be another client's before.
