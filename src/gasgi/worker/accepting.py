"""Accepts connections, as many at a time as suits the worker and its siblings, while there is room for them."""

from __future__ import annotations

import asyncio
import errno
import select
import socket

from gasgi.serving.runtime import Runtime
from gasgi.worker.connecting import Connecting
from gasgi.worker.sharing import Sharing

__all__ = ["Acceptor"]

# Taken per wake-up: with 8, two of four workers got none of 16 keep-alive clients, with 1 each got some, at no more
# CPU time per connection (docs/deployment.md, "Connections").
ACCEPT_BATCH = 1
# And one more for so many connections held: their requests make the turns of the loop long, and at one a turn a
# thousand clients waited for seconds. A sibling with less to do turns faster, so it still gets the larger part.
CONNECTIONS_PER_ACCEPT = 16
# And one for each that has just ended here: a worker keeps its share, and where every request brings a connection of
# its own the turns are no longer one connection long, which took twice the CPU time (benchmarks/README.md). For so
# long, in seconds: a worker whose clients have all left and come again later must not take them all in one turn.
ENDED_FOR_S = 0.01
# For so long a worker that holds more than its share leaves what waits to its siblings.
STEP_BACK_S = 0.001
# When one of so many has ended here, connections are short, and for ENDED_FOR_S nobody steps back: whoever is free
# takes what waits, and nobody keeps it. Stepping back cost a quarter more CPU time per connection then.
HELD_PER_ENDED = 4
# How often a pause in accepting is worth a line.
WARN_EVERY_S = 60.0
OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# accept(2): what was wrong with the one connection that would have been accepted.
LOST_BEFORE_ACCEPTED = (
    errno.ECONNABORTED, errno.ENETDOWN, errno.EPROTO, errno.ENOPROTOOPT, errno.EHOSTDOWN, errno.EHOSTUNREACH,
    errno.EOPNOTSUPP, errno.ENETUNREACH, errno.EPERM, errno.ETIMEDOUT,
)  # fmt: skip


class Acceptor:
    """``listeners`` are bound, listening sockets, which this does not close before ``stop``.

    ``connecting`` takes what was accepted; ``sharing`` is None where nobody else accepts from these sockets.
    """

    def __init__(
        self,
        runtime: Runtime,
        listeners: list[socket.socket],
        connecting: Connecting,
        sharing: Sharing | None,
    ) -> None:
        self._runtime = runtime
        self._loop = runtime.loop
        self._listeners = listeners
        self._connecting = connecting
        self._sharing = sharing
        self._is_accepting = False
        self._step_back_timer: asyncio.TimerHandle | None = None  # accepting, and stepping back for the moment
        self._short_until = 0.0  # loop time until which connections count as short
        self._ended_before = 0  # connections that had ended when the last were accepted
        self._accepted_at = 0.0  # and when that was, loop time
        self._has_started = False
        self._is_stopped = False
        self._is_in_trouble = False  # accepting failed; it goes on at the next tick
        self._warned_at = -WARN_EVERY_S

    def start(self) -> None:
        """Take connections from now on."""
        self._has_started = True
        for listener in self._listeners:
            listener.setblocking(False)
        self._resume()

    def tick(self) -> None:
        """See what siblings are to have, and accept again where it failed; called once a second."""
        if self._sharing is not None and self._is_accepting:
            self._runtime.closes_due = self._sharing.to_close(self._held(), self._runtime.now)
        if self._is_in_trouble:
            self._is_in_trouble = False
            self._resume()

    def stop(self) -> None:
        """Take what waits in the backlog, then no more. Closes the sockets of this process; the master has its own.

        A worker that never accepted leaves the backlog to the siblings: its app may not have started.
        """
        if self._is_stopped:
            return
        self._pause()
        self._is_stopped = True
        self._runtime.on_room = None
        for listener in self._listeners:
            # Bounded by the room there is: a client that finds none is left to the siblings or the next worker.
            while self._has_started and not self._is_full() and self._accept_one(listener):
                pass
            # At once: where this is the last to have the socket, the kernel resets whoever comes in between.
            listener.close()

    def _resume(self) -> None:
        if self._is_accepting or self._is_stopped or self._is_in_trouble:
            return
        if self._is_full():
            self._runtime.on_room = self._resume
            return
        self._is_accepting = True
        self._runtime.on_room = None
        if self._runtime.slot is not None:
            self._runtime.slot.set_accepting(True)
        self._listen()

    def _pause(self) -> None:
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
                self._pause()
                runtime.on_room = self._resume
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
        self._connecting.begin(accepted, peer)
        if self._runtime.slot is not None:
            self._runtime.slot.count_accepted()
            self._runtime.slot.hold(self._held())
        return True

    def _on_trouble(self, exc: OSError) -> None:
        """Accept no more until the next tick: the waiting client would wake the loop without end."""
        self._is_in_trouble = True
        self._pause()
        now = self._loop.time()
        if now - self._warned_at < WARN_EVERY_S:
            return
        self._warned_at = now
        if exc.errno in OUT_OF_DESCRIPTORS:
            advice = "; raise the limit of open files (ulimit -n) or lower --worker-connections"
        else:
            advice = ""
        self._runtime.log.warning("Cannot accept connections, retrying every second: %s%s", exc.strerror or exc, advice)


def _does_anyone_wait(listeners: list[socket.socket]) -> bool:
    poll = select.poll()
    for listener in listeners:
        poll.register(listener, select.POLLIN)
    return bool(poll.poll(0))
