"""The listening half of a worker: accepts connections, sweeps their deadlines and drains them at the end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import select
import socket
import ssl
from collections import deque
from collections.abc import Callable, Coroutine
from email.utils import formatdate
from typing import Any

from gasgi.app_errors import log_exception
from gasgi.errors import RequestError
from gasgi.proxy.protocol import ProxyInfo
from gasgi.proxy.socket import receive_proxy_header
from gasgi.serving.runtime import Connection, Conversation, Runtime
from gasgi.worker.sharing import Sharing
from gasgi.worker.wire import choose_wire

__all__ = ["Server"]

TICK_S = 1.0
# Taken per wake-up: with 8, two of four workers got none of 16 keep-alive clients, with 1 each got some, at no more
# CPU time per connection (docs/deployment.md, "Connections").
ACCEPT_BATCH = 1
# And one more for so many connections held: their requests make the turns of the loop long, and at one a turn a
# thousand clients waited for seconds. A sibling with less to do turns faster, so it still gets the larger part.
CONNECTIONS_PER_ACCEPT = 16
# And one for each that has just ended here: a worker keeps its share, and where every request brings a connection of
# its own the turns are no longer one connection long, which took twice the CPU time (docs/performance.md). For so
# long, in seconds: a worker whose clients have all left and come again later must not take them all in one turn.
ENDED_FOR_S = 0.01
# For so long a worker that holds more than its share leaves what waits to its siblings.
STEP_BACK_S = 0.001
# When one of so many has ended here, connections are short, and for ENDED_FOR_S nobody steps back: whoever is free
# takes what waits, and nobody keeps it. Stepping back cost a quarter more CPU time per connection then.
HELD_PER_ENDED = 4
# While draining the clock ticks faster: an idle client holds the worker for its short deadline and not for seconds.
DRAIN_TICK_S = 0.1
# How long idle clients may be silent then, in seconds; this share of the time to drain when that is less.
QUIET_S = 1.0
QUIET_SHARE = 0.25
# How many connections are looked after in one turn of the loop, when all of them are: to ping 4,000 WebSockets in one
# turn took 32 ms, and to close them as long.
CARE_BATCH = 32
# How often a pause in accepting is worth a line.
WARN_EVERY_S = 60.0
OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# accept(2): what was wrong with the one connection that would have been accepted.
LOST_BEFORE_ACCEPTED = (
    errno.ECONNABORTED, errno.ENETDOWN, errno.EPROTO, errno.ENOPROTOOPT, errno.EHOSTDOWN, errno.EHOSTUNREACH,
    errno.EOPNOTSUPP, errno.ENETUNREACH, errno.EPERM, errno.ETIMEDOUT,
)  # fmt: skip

Connect = Callable[..., Coroutine[Any, Any, Any]]


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
        self._listeners = listeners
        self._connect = connect
        self._ssl_context = ssl_context
        self._make_protocol = choose_wire(runtime.settings, ssl_context is not None)
        self._on_tick = on_tick
        self._sharing = sharing  # None: nobody else accepts from these sockets
        self._timer: asyncio.TimerHandle | None = None
        self._connecting: set[asyncio.Task[None]] = set()
        self._is_accepting = False
        self._step_back_timer: asyncio.TimerHandle | None = None  # accepting, and stepping back for the moment
        self._short_until = 0.0  # loop time until which connections count as short
        self._ended_before = 0  # connections that had ended when the last were accepted
        self._accepted_at = 0.0  # and when that was, loop time
        self._has_started = False
        self._is_stopped = False
        self._is_in_trouble = False  # accepting failed; it goes on at the next tick
        self._warned_at = -WARN_EVERY_S
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
        if self._sharing is not None and self._is_accepting:
            runtime.closes_due = self._sharing.to_close(self._held(), runtime.now)
        if self._is_in_trouble:
            self._is_in_trouble = False
            self._resume_accepting()
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
            log_exception(self._runtime.log, exc, "Exception in the deadlines of a connection")

    # Accepting

    def start_accepting(self) -> None:
        """Take connections from now on."""
        self._has_started = True
        for listener in self._listeners:
            listener.setblocking(False)
        self._resume_accepting()

    def _resume_accepting(self) -> None:
        if self._is_accepting or self._is_stopped or self._is_in_trouble:
            return
        if self._is_full():
            self._runtime.on_room = self._resume_accepting
            return
        self._is_accepting = True
        self._runtime.on_room = None
        if self._runtime.slot is not None:
            self._runtime.slot.set_accepting(True)
        self._listen()

    def _pause_accepting(self) -> None:
        if self._is_accepting:
            self._is_accepting = False
            if self._runtime.slot is not None:
                self._runtime.slot.set_accepting(False)
            if self._step_back_timer is not None:
                self._step_back_timer.cancel()
                self._step_back_timer = None
            self._listen_no_more()

    def _listen(self) -> None:
        for listener in self._listeners:
            self._loop.add_reader(listener.fileno(), self._accept, listener)

    def _listen_no_more(self) -> None:
        for listener in self._listeners:
            self._loop.remove_reader(listener.fileno())

    def _step_back(self) -> None:
        """Leave what waits to siblings that hold less, for a moment."""
        self._listen_no_more()
        self._step_back_timer = self._loop.call_later(STEP_BACK_S, self._come_back)

    def _come_back(self) -> None:
        self._step_back_timer = None
        if self._sharing is not None and not _does_anyone_wait(self._listeners):
            self._sharing.rest()
        self._listen()

    def _held(self) -> int:
        return len(self._runtime.connections) + len(self._connecting)

    def _is_full(self) -> bool:
        return self._held() >= self._runtime.settings.worker_connections

    def _accept(self, listener: socket.socket) -> None:
        if self._step_back_timer is not None:
            return  # another listener of this turn had it step back
        runtime = self._runtime
        ended, self._ended_before = runtime.connections_ended - self._ended_before, runtime.connections_ended
        before, self._accepted_at = self._accepted_at, self._loop.time()
        if self._accepted_at - before > ENDED_FOR_S or runtime.closes_due:
            # What was closed for the siblings' sake is not replaced here either.
            ended = 0
        elif ended * HELD_PER_ENDED > len(runtime.connections):
            self._short_until = self._accepted_at + ENDED_FOR_S
        most = ACCEPT_BATCH + ended + len(runtime.connections) // CONNECTIONS_PER_ACCEPT
        if self._sharing is not None and self._accepted_at < self._short_until:
            self._sharing.note_look(self._accepted_at)
        elif self._sharing is not None:
            most = min(most, max(ended, self._sharing.room(self._held(), self._accepted_at)))
            if not most:
                self._step_back()
                return
        for _ in range(most):
            if self._is_full():
                self._pause_accepting()
                runtime.on_room = self._resume_accepting
                return
            if not self._accept_one(listener):
                return

    def _accept_one(self, listener: socket.socket) -> bool:
        try:
            accepted, peer = listener.accept()
        except (BlockingIOError, InterruptedError):
            return False  # a sibling was quicker
        except OSError as exc:
            if exc.errno in LOST_BEFORE_ACCEPTED:
                return True
            self._on_trouble(exc)
            return False
        accepted.setblocking(False)
        task = self._loop.create_task(self._serve(accepted, peer))
        self._connecting.add(task)
        if self._runtime.slot is not None:
            self._runtime.slot.count_accepted()
            self._runtime.slot.hold(self._held())
        task.add_done_callback(self._on_connected)
        return True

    def _on_trouble(self, exc: OSError) -> None:
        """Accept no more until the next tick: the waiting client would wake the loop without end."""
        self._is_in_trouble = True
        self._pause_accepting()
        now = self._loop.time()
        if now - self._warned_at < WARN_EVERY_S:
            return
        self._warned_at = now
        if exc.errno in OUT_OF_DESCRIPTORS:
            advice = "; raise the limit of open files (ulimit -n) or lower --worker-connections"
        else:
            advice = ""
        self._runtime.log.warning("Accepting pauses, a second at a time: %s%s", exc.strerror or exc, advice)

    def _on_connected(self, task: asyncio.Task[None]) -> None:
        self._connecting.discard(task)
        if self._runtime.on_room is not None:
            self._runtime.on_room()

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
                    self._loop, accepted, settings.proxy_protocol, settings.proxy_header_timeout_s
                )
            protocol = connection = self._make_protocol(runtime, proxied)
            await self._connect(lambda: protocol, accepted, **options)
            if runtime.is_draining and connection in runtime.connections:
                connection.drain()
        except (OSError, asyncio.TimeoutError, RequestError) as exc:
            # ssl.SSLError is an OSError.
            runtime.log.info(
                "No connection with %s: %s",
                peer[0] if isinstance(peer, tuple) else "a unix socket",
                str(exc) or type(exc).__name__,
            )
        finally:
            if connection is None:
                accepted.close()
            # From then on it is its transport's, which closes it, at once or when the peer has seen a close_notify: its
            # descriptor must not be another client's before.

    # The end

    def stop_accepting(self) -> None:
        """Take what waits in the backlog, then no more. Closes the sockets of this process; the master has its own.

        A server that never accepted leaves the backlog to the siblings: its app may not have started.
        """
        if self._is_stopped:
            return
        self._pause_accepting()
        self._is_stopped = True
        self._runtime.on_room = None
        for listener in self._listeners:
            # Bounded by the room there is: a client that finds none is left to the siblings or the next worker.
            while self._has_started and not self._is_full() and self._accept_one(listener):
                pass
            # At once: where this is the last to have the socket, the kernel resets whoever comes in between.
            listener.close()

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
                "Closing %d connections and %d requests that did not end in time (%s)",
                len(runtime.connections),
                len(runtime.conversations),
                "a quick stop" if is_quick else "graceful_timeout",
            )
        for task in self._connecting:
            task.cancel()
        for connection in tuple(runtime.connections):
            connection.abort()
        for conversation in tuple(runtime.conversations):
            conversation.cancel()
        deadline = self._loop.time() + abort_s
        while self._is_busy() and self._loop.time() < deadline:
            await _let_others_run(0.02)

    def _is_busy(self) -> bool:
        return bool(self._runtime.connections or self._runtime.conversations or self._connecting)


def _does_anyone_wait(listeners: list[socket.socket]) -> bool:
    poll = select.poll()
    for listener in listeners:
        poll.register(listener, select.POLLIN)
    return bool(poll.poll(0))


async def _let_others_run(seconds: float) -> None:
    # An app that cancels all tasks when it ends, its own but one, cancels the worker's too.
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(seconds)
