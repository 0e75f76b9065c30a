"""The connections of a worker as a whole: sweeps their deadlines once a second, and drains them at the end."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import ssl
from collections import deque
from collections.abc import Callable
from email.utils import formatdate

from gasgi.app_errors import log_exception
from gasgi.serving.runtime import Connection, Conversation, Runtime
from gasgi.worker.accepting import Acceptor
from gasgi.worker.connecting import Connect, Connecting
from gasgi.worker.sharing import Sharing

__all__ = ["Server"]

TICK_S = 1.0
# While draining the clock ticks faster: an idle client holds the worker for its short deadline and not for seconds.
DRAIN_TICK_S = 0.1
# How long idle clients may be silent then, in seconds; this share of the time to drain when that is less.
QUIET_S = 1.0
QUIET_SHARE = 0.25
# How many connections are looked after in one turn of the loop, when all of them are: to ping 4,000 WebSockets in one
# turn took 32 ms, and to close them as long.
CARE_BATCH = 32


class Server:
    """``listeners`` are bound, listening sockets, which this does not close before ``stop_accepting``.

    ``connect`` has the signature of ``loop.connect_accepted_socket``. ``on_tick`` is called every second, more often
    while draining.
    """

    def __init__(
        self,
        runtime: Runtime,
        listeners: list[socket.socket],
        connect: Connect,
        ssl_context: ssl.SSLContext | None,
        on_tick: Callable[[], None],
        sharing: Sharing | None = None,
    ) -> None:
        self._runtime = runtime
        self._loop = runtime.loop
        self._connecting = Connecting(runtime, connect, ssl_context)
        self._acceptor = Acceptor(runtime, listeners, self._connecting, sharing)
        self._on_tick = on_tick
        self._timer: asyncio.TimerHandle | None = None
        self._tick_s = TICK_S
        self._streams_end_at = math.inf  # loop time

        # Whose deadlines this tick has still to look at, and the time it compares them with
        self._unswept_connections: deque[Connection] = deque()
        self._unswept_conversations: deque[Conversation] = deque()
        self._due_before = 0.0

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
        self._timer = self._loop.call_later(self._tick_s, self._tick)
        runtime.date_field = b"date: %s\r\n" % formatdate(usegmt=True).encode("ascii")
        # Deadlines are set from ``runtime.now``, which is up to one tick old. Comparing them with the time of the tick
        # before makes each at least as long as its setting, and at most two ticks longer.
        before, runtime.now = runtime.now, self._loop.time()
        runtime.ends_streams = runtime.now >= self._streams_end_at
        if not self._is_sweeping():
            self._due_before = before
            self._unswept_connections.extend(runtime.connections)
            self._unswept_conversations.extend(runtime.conversations)
            self._sweep_some()
        self._acceptor.tick()
        self._on_tick()

    def _is_sweeping(self) -> bool:
        return bool(self._unswept_connections or self._unswept_conversations)

    def _sweep_some(self) -> None:
        """Look at the next deadlines; the others follow in the turns of the loop that come next."""
        runtime = self._runtime
        try:
            for _ in range(CARE_BATCH):
                # What has ended meanwhile has no deadlines any more.
                if self._unswept_connections:
                    connection = self._unswept_connections.popleft()
                    if connection in runtime.connections:
                        self._guard(connection.sweep, self._due_before)
                elif self._unswept_conversations:
                    conversation = self._unswept_conversations.popleft()
                    if conversation in runtime.conversations:
                        self._guard(conversation.sweep)
        finally:
            if self._is_sweeping():
                self._loop.call_soon(self._sweep_some)

    def _guard(self, sweep: Callable[..., None], *args: float) -> None:
        try:
            sweep(*args)
        except Exception as exc:
            # The others have deadlines too, and the arbiter waits for the heartbeat.
            log_exception(self._runtime.log, exc, "Exception while checking the deadlines of a connection")

    # Begin and end

    def start_accepting(self) -> None:
        """Take connections from now on."""
        self._acceptor.start()

    def stop_accepting(self) -> None:
        """Take what waits in the backlog, then no more; closes the listening sockets of this process."""
        self._acceptor.stop()

    async def drain(
        self, deadline: float, abort_s: float, should_hurry: Callable[[], bool], is_quick: bool = False
    ) -> None:
        """Let the work in progress end until ``deadline`` (loop time) or ``should_hurry``, then abort what is left.

        What was aborted gets ``abort_s`` for its finally-blocks. ``is_quick``: the deadline is nearer than connections
        that are idle need to end by themselves.
        """
        runtime = self._runtime
        runtime.is_draining = True
        if not is_quick:
            runtime.quiet_s = min(QUIET_S, max(deadline - self._loop.time(), 0.0) * QUIET_SHARE)
        if runtime.settings.stream_drain_s:
            self._streams_end_at = self._loop.time() + runtime.settings.stream_drain_s
        # Let requests that have arrived be read first, so that their connections do not count as idle.
        for _ in range(3):
            await _let_others_run(0)
        self.stop_clock()
        self._tick_s = DRAIN_TICK_S
        self._tick()
        connections = tuple(runtime.connections)
        for start in range(0, len(connections), CARE_BATCH):
            for connection in connections[start : start + CARE_BATCH]:
                if connection in runtime.connections:
                    connection.drain()
            await _let_others_run(0)
        while self._is_busy() and self._loop.time() < deadline and not should_hurry():
            await _let_others_run(0.02)
        if not self._is_busy():
            return
        if runtime.conversations or not is_quick:
            runtime.log.warning(
                "Closing %d connections and %d requests that did not finish in time (%s)",
                len(runtime.connections),
                len(runtime.conversations),
                "a quick stop" if is_quick else "graceful_timeout",
            )
        self._connecting.cancel()
        for connection in tuple(runtime.connections):
            connection.abort()
        for conversation in tuple(runtime.conversations):
            conversation.cancel()
        deadline = self._loop.time() + abort_s
        while self._is_busy() and self._loop.time() < deadline:
            await _let_others_run(0.02)

    def _is_busy(self) -> bool:
        return bool(self._runtime.connections or self._runtime.conversations or self._connecting)


async def _let_others_run(seconds: float) -> None:
    # An app that cancels all tasks when it ends, its own but one, cancels the worker's too.
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(seconds)
