"""The listening half of a worker: accepts connections, sweeps their deadlines once a second and drains them at the end."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Coroutine
from email.utils import formatdate
from typing import Any

from gasgi.errors import RequestError
from gasgi.http_connection import HttpConnection
from gasgi.proxy_protocol import ProxyInfo
from gasgi.proxy_socket import receive_proxy_header
from gasgi.runtime import Runtime

__all__ = ["Server"]

TICK_S = 1.0
# Taken per wake-up: a worker that drains the whole backlog leaves its idle siblings nothing.
ACCEPT_BATCH = 8
OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Connect = Callable[..., Coroutine[Any, Any, Any]]


class Server:
    """``listeners`` are bound, listening sockets, which this does not close before ``stop_accepting``.

    ``connect`` has the signature of ``loop.connect_accepted_socket``. ``on_tick`` is called every second, also while
    draining.
    """

    def __init__(
        self,
        runtime: Runtime,
        listeners: list[socket.socket],
        connect: Connect,
        ssl_context: ssl.SSLContext | None,
        on_tick: Callable[[], None],
    ) -> None:
        self._runtime = runtime
        self._loop = runtime.loop
        self._listeners = listeners
        self._connect = connect
        self._ssl_context = ssl_context
        self._on_tick = on_tick
        self._timer: asyncio.TimerHandle | None = None
        self._connecting: set[asyncio.Task[None]] = set()
        self._is_accepting = False
        self._is_stopped = False
        self._lacks_descriptors = False

    # The clock

    def start_clock(self) -> None:
        """Begin to tick; before anything else, since a long startup needs the heartbeat too."""
        name = self._runtime.settings.server_header
        self._runtime.server_field = b"server: %s\r\n" % name.encode("latin-1") if name else b""
        self._tick()

    def stop_clock(self) -> None:
        """Tick no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        runtime = self._runtime
        self._timer = self._loop.call_later(TICK_S, self._tick)
        runtime.date_field = b"date: %s\r\n" % formatdate(usegmt=True).encode("ascii")
        # Deadlines are set from ``runtime.now``, which is up to one tick old. Comparing them with the time of the tick
        # before makes each at least as long as its setting, and at most two ticks longer.
        before, runtime.now = runtime.now, self._loop.time()
        for connection in tuple(runtime.connections):
            connection.sweep(before)
        if self._lacks_descriptors:
            self._lacks_descriptors = False
            self._resume_accepting()
        self._on_tick()

    # Accepting

    def start_accepting(self) -> None:
        """Take connections from now on."""
        for listener in self._listeners:
            listener.setblocking(False)
        self._resume_accepting()

    def _resume_accepting(self) -> None:
        if self._is_accepting or self._is_stopped or self._lacks_descriptors or self._is_full():
            return
        self._is_accepting = True
        self._runtime.on_room = None
        for listener in self._listeners:
            self._loop.add_reader(listener.fileno(), self._accept, listener)

    def _pause_accepting(self) -> None:
        if self._is_accepting:
            self._is_accepting = False
            for listener in self._listeners:
                self._loop.remove_reader(listener.fileno())

    def _is_full(self) -> bool:
        return len(self._runtime.connections) + len(self._connecting) >= self._runtime.settings.worker_connections

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPT_BATCH):
            if self._is_full():
                self._pause_accepting()
                self._runtime.on_room = self._resume_accepting
                return
            if not self._accept_one(listener):
                return

    def _accept_one(self, listener: socket.socket) -> bool:
        try:
            accepted, _ = listener.accept()
        except (BlockingIOError, InterruptedError):
            return False  # a sibling was quicker
        except ConnectionAbortedError:
            return True  # it left while it waited
        except OSError as exc:
            if exc.errno not in OUT_OF_DESCRIPTORS:
                raise
            if not self._lacks_descriptors:
                self._runtime.log.warning(
                    "Accepting pauses for a second: %s; raise the limit of open files (ulimit -n) or lower "
                    "--worker-connections",
                    exc.strerror,
                )
            self._lacks_descriptors = True
            self._pause_accepting()
            return False
        accepted.setblocking(False)
        task = self._loop.create_task(self._serve(accepted))
        self._connecting.add(task)
        task.add_done_callback(self._on_connected)
        return True

    def _on_connected(self, task: asyncio.Task[None]) -> None:
        self._connecting.discard(task)
        if self._runtime.on_room is not None:
            self._runtime.on_room()

    async def _serve(self, accepted: socket.socket) -> None:
        """Put a connection on an accepted socket; one debug line when the peer leaves or breaks TLS before it is up."""
        runtime = self._runtime
        options: dict[str, Any] = {}
        if self._ssl_context is not None:
            options = {"ssl": self._ssl_context, "ssl_handshake_timeout": runtime.settings.tls_handshake_timeout_s or None}
        try:
            proxied: ProxyInfo | None = None
            if runtime.proxy is not None and runtime.proxy.expects_proxy_header(accepted):
                settings = runtime.settings
                proxied = await receive_proxy_header(
                    self._loop, accepted, settings.proxy_protocol, settings.proxy_header_timeout_s
                )
            await self._connect(lambda: HttpConnection(runtime, proxied), accepted, **options)
        except (OSError, asyncio.TimeoutError, RequestError) as exc:
            # ssl.SSLError is an OSError.
            runtime.log.info("No connection with %s: %s", _peer_of(accepted), exc or type(exc).__name__)
            accepted.close()
        except BaseException:
            accepted.close()
            raise

    # The end

    def stop_accepting(self) -> None:
        """Take what waits in the backlog, then no more. The sockets of this process are closed; the master has its own."""
        if self._is_stopped:
            return
        for listener in self._listeners:
            # Bounded by the room there is: a client that finds none is left to the siblings or the next worker.
            while not self._is_full() and self._accept_one(listener):
                pass
        self._pause_accepting()
        self._is_stopped = True
        self._runtime.on_room = None
        for listener in self._listeners:
            listener.close()

    async def drain(self, seconds: float, should_hurry: Callable[[], bool]) -> None:
        """Let the work in progress end within ``seconds``, then abort what is left.

        Returns at the latest one second after the deadline, or after ``should_hurry`` turned true.
        """
        runtime = self._runtime
        runtime.is_draining = True
        # Let requests that have arrived be read first, so that their connections do not count as idle.
        for _ in range(3):
            await asyncio.sleep(0)
        for connection in tuple(runtime.connections):
            connection.drain()
        deadline = self._loop.time() + seconds
        while self._is_busy() and self._loop.time() < deadline and not should_hurry():
            await asyncio.sleep(0.02)
        if not self._is_busy():
            return
        runtime.log.warning(
            "Closing %d connections and %d requests that did not end in time (graceful_timeout)",
            len(runtime.connections),
            len(runtime.exchanges),
        )
        for task in self._connecting:
            task.cancel()
        for connection in tuple(runtime.connections):
            connection.abort()
        for conversation in tuple(runtime.exchanges):
            conversation.cancel()
        deadline = self._loop.time() + 1.0
        while self._is_busy() and self._loop.time() < deadline:
            await asyncio.sleep(0.02)

    def _is_busy(self) -> bool:
        return bool(self._runtime.connections or self._runtime.exchanges or self._connecting)


def _peer_of(accepted: socket.socket) -> str:
    try:
        name = accepted.getpeername()
    except OSError:
        return "a client that left"
    return str(name[0]) if isinstance(name, tuple) else "a unix socket"
