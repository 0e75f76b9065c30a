"""Accepting, sweeping and draining with a loop, a clock and sockets that tests move by hand."""

from __future__ import annotations

import asyncio
import errno
import gc
import socket
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from gasgi.http1.connection import HttpConnection
from gasgi.serving.runtime import Runtime
from gasgi.settings import Settings
from gasgi.worker import accepting
from gasgi.worker.accepting import ACCEPT_BATCH, CONNECTIONS_PER_ACCEPT, STEP_BACK_S
from gasgi.worker.server import CARE_BATCH, Server
from tests.support.fakes import FakeTransport, RecordingLog


class FakeListener:
    """A listening socket: ``waiting`` holds connections, or exceptions that accepting raises."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []
        self.is_closed = False

    def fileno(self) -> int:
        return 99

    def setblocking(self, _: bool) -> None:
        pass

    def accept(self) -> tuple[Any, Any]:
        if not self.waiting:
            raise BlockingIOError(errno.EAGAIN, "nobody waits")
        found = self.waiting.pop(0)
        if isinstance(found, OSError):
            raise found
        return found, ("192.0.2.1", 50000)

    def close(self) -> None:
        self.is_closed = True


class FakeSocket:
    family = socket.AF_INET
    is_closed = False

    def setblocking(self, _: bool) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True


class FakeLoop:
    """A real loop runs the tasks; the clock, the timers and the readers are the test's."""

    def __init__(self, real: asyncio.AbstractEventLoop) -> None:
        self._real = real
        self.now = 1000.0
        self.timers: list[tuple[float, Callable[..., None]]] = []
        self.reader: tuple[Any, ...] | None = None

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[..., None]) -> Any:
        entry = (self.now + delay, callback)
        self.timers.append(entry)
        return _Handle(self, entry)

    def add_reader(self, _: int, *callback: Any) -> None:
        self.reader = callback

    def remove_reader(self, _: int) -> None:
        self.reader = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def pass_time(self, seconds: float) -> None:
        """Move the clock and run what is due, in order."""
        end = self.now + seconds
        while due := sorted((entry for entry in self.timers if entry[0] <= end), key=lambda entry: entry[0])[:1]:
            self.timers.remove(due[0])
            self.now = max(self.now, due[0][0])
            due[0][1]()
        self.now = end

    def wake(self) -> None:
        """The listener is readable."""
        assert self.reader is not None, "nobody listens"
        self.reader[0](*self.reader[1:])


class _Handle:
    def __init__(self, loop: FakeLoop, entry: tuple[float, Callable[..., None]]) -> None:
        self._loop, self._entry = loop, entry

    def cancel(self) -> None:
        if self._entry in self._loop.timers:
            self._loop.timers.remove(self._entry)


class Bench:
    """A server with one listener; ``connect`` puts protocols on fake transports unless ``failure`` is set."""

    def __init__(self, **settings: Any) -> None:
        self.real = asyncio.new_event_loop()
        self.loop = FakeLoop(self.real)
        self.log = RecordingLog()
        self.listener = FakeListener()
        self.ticks = 0
        self.answers = False
        self.failure: BaseException | None = None
        self.transports: list[FakeTransport] = []
        self.runtime = Runtime(self.loop, self.app, Settings(**settings), self.log)  # type: ignore[arg-type]
        self.server = Server(self.runtime, [self.listener], self.connect, None, self.tick)  # type: ignore[list-item]

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if self.answers:
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})

    def tick(self) -> None:
        self.ticks += 1

    async def connect(self, factory: Callable[[], Any], accepted: Any, **_: Any) -> tuple[Any, Any]:
        if self.failure is not None:
            raise self.failure
        protocol, transport = factory(), FakeTransport()
        protocol.connection_made(transport)
        self.transports.append(transport)
        return transport, protocol

    def settle(self) -> None:
        """Run what is ready."""

        async def turns() -> None:
            for _ in range(10):
                await asyncio.sleep(0)

        self.real.run_until_complete(turns())

    def arrive(self, *what: Any) -> None:
        """Someone waits: the loop wakes the server once."""
        self.listener.waiting += what
        self.loop.wake()
        self.settle()

    def arrive_all(self, *what: Any) -> None:
        """As many as wait: the loop wakes the server until it has taken them or listens no more."""
        self.listener.waiting += what
        while self.listener.waiting and self.loop.reader is not None:
            self.loop.wake()
            self.settle()

    @property
    def count(self) -> int:
        return len(self.runtime.connections)

    def leave(self) -> None:
        connection = next(iter(self.runtime.connections))
        connection.connection_lost(None)  # type: ignore[attr-defined]
        self.settle()


@pytest.fixture
def bench():
    made = []

    def make(**settings: Any) -> Bench:
        made.append(Bench(**settings))
        return made[-1]

    yield make
    for each in made:
        for task in asyncio.all_tasks(each.real):
            task.cancel()
        each.settle()
        each.real.close()


def test_ticks_every_second_and_renews_the_date(bench):
    it = bench()
    it.server.start_clock()
    it.runtime.date_field = b""
    it.loop.pass_time(3.5)
    assert it.ticks == 4
    assert it.runtime.date_field.startswith(b"date: ")
    assert it.runtime.now == 1003.0


def test_a_connection_whose_deadlines_fail_does_not_stop_the_others_and_the_heartbeat(bench):
    it = bench()
    swept = []

    class Connection:
        def sweep(self, now: float) -> None:
            swept.append(now)
            raise OSError

    it.server.start_clock()
    it.runtime.connections.update((Connection(), Connection()))
    it.loop.pass_time(1.0)
    assert len(swept) == 2
    assert it.ticks == 2
    assert it.log.levels("exception") == ["Exception while checking the deadlines of a connection"] * 2


class Counted:
    """A connection, or a conversation, that counts what is asked of it."""

    def __init__(self, asked: list[Any]) -> None:
        self.asked = asked

    def sweep(self, *now: float) -> None:
        self.asked.append((self, *now))

    def drain(self) -> None:
        self.asked.append((self,))

    def abort(self) -> None: ...

    def cancel(self) -> None: ...


def test_many_deadlines_are_looked_at_in_many_turns(bench):
    it = bench()
    asked: list[Any] = []
    connections = {Counted(asked) for _ in range(10 * CARE_BATCH)}
    conversations = {Counted(asked) for _ in range(5 * CARE_BATCH)}
    it.server.start_clock()
    it.runtime.connections.update(connections)
    it.runtime.conversations.update(conversations)

    async def run() -> list[int]:
        it.loop.pass_time(1.0)
        seen = [len(asked)]
        while len(asked) < 15 * CARE_BATCH:
            await asyncio.sleep(0)
            seen.append(len(asked))
        return seen

    seen = it.real.run_until_complete(asyncio.wait_for(run(), 30))
    assert max(after - before for before, after in zip([0, *seen], seen, strict=False)) <= CARE_BATCH
    assert {each for each, *now in asked if now == [1000.0]} == connections
    assert {each for each, *now in asked if not now} == conversations


def test_what_has_ended_before_its_turn_is_not_looked_at(bench):
    it = bench()
    asked: list[Any] = []
    it.server.start_clock()
    it.runtime.connections.update(Counted(asked) for _ in range(3 * CARE_BATCH))
    it.runtime.conversations.update(Counted(asked) for _ in range(3 * CARE_BATCH))
    it.loop.pass_time(1.0)
    it.runtime.connections.clear()
    it.runtime.conversations.clear()
    it.settle()
    assert len(asked) == CARE_BATCH


def test_a_tick_that_comes_before_all_were_looked_at_asks_nobody_twice(bench):
    it = bench()
    asked: list[Any] = []
    it.server.start_clock()
    it.runtime.connections.update(Counted(asked) for _ in range(3 * CARE_BATCH))
    it.loop.pass_time(2.0)
    it.settle()
    assert len(asked) == len(set(asked)) == 3 * CARE_BATCH
    it.loop.pass_time(1.0)
    it.settle()
    assert len(asked) == 6 * CARE_BATCH


def test_draining_tells_many_connections_in_many_turns(bench):
    it = bench()
    asked: list[Any] = []
    it.runtime.connections.update(Counted(asked) for _ in range(10 * CARE_BATCH))

    async def run() -> list[int]:
        draining = asyncio.ensure_future(it.server.drain(it.loop.now + 5, 0.0, lambda: True))
        seen = []
        while not draining.done():
            await asyncio.sleep(0)
            seen.append(sum(len(entry) == 1 for entry in asked))
        return seen

    seen = it.real.run_until_complete(asyncio.wait_for(run(), 30))
    assert max(after - before for before, after in zip([0, *seen], seen, strict=False)) == CARE_BATCH
    assert seen[-1] == 10 * CARE_BATCH


def test_deadlines_are_kept_at_least_as_long_as_set(bench):
    it = bench()
    swept = []

    class Connection:
        def sweep(self, now: float) -> None:
            swept.append(now)

    it.server.start_clock()
    it.runtime.connections.add(Connection())
    it.loop.pass_time(2.0)
    # The time of the tick before: a deadline set from it just before this tick would otherwise be a second short.
    assert swept == [1000.0, 1001.0]


def test_takes_a_batch_and_leaves_the_rest_to_others(bench):
    it = bench()
    it.server.start_accepting()
    it.arrive(*(FakeSocket() for _ in range(ACCEPT_BATCH * 2)))
    assert it.count == ACCEPT_BATCH
    it.loop.wake()
    it.settle()
    assert it.count == ACCEPT_BATCH * 2


def test_takes_more_at_once_the_more_connections_it_holds(bench):
    it = bench()
    it.server.start_accepting()
    it.runtime.connections.update(object() for _ in range(CONNECTIONS_PER_ACCEPT * 3))
    before = it.count
    it.arrive(*(FakeSocket() for _ in range(ACCEPT_BATCH + 10)))
    assert it.count - before == ACCEPT_BATCH + 3


def test_takes_one_more_for_each_connection_that_has_ended_since(bench):
    it = bench()
    it.server.start_accepting()
    it.arrive(FakeSocket())
    for _ in range(3):
        it.runtime.forget(object())
    before = it.count
    it.arrive(*(FakeSocket() for _ in range(ACCEPT_BATCH + 10)))
    assert it.count == before + ACCEPT_BATCH + 3
    it.loop.wake()
    it.settle()
    assert it.count == before + 2 * ACCEPT_BATCH + 3  # each of them counts once


def test_takes_no_crowd_for_connections_that_ended_a_while_ago(bench):
    it = bench()
    it.server.start_accepting()
    it.arrive(FakeSocket())
    for _ in range(3):
        it.runtime.forget(object())
    it.loop.pass_time(1.0)
    before = it.count
    it.arrive(*(FakeSocket() for _ in range(ACCEPT_BATCH + 10)))
    assert it.count == before + ACCEPT_BATCH


def test_pauses_at_worker_connections_and_goes_on_when_one_leaves(bench):
    it = bench(worker_connections=2)
    it.server.start_accepting()
    it.arrive_all(FakeSocket(), FakeSocket(), FakeSocket())
    assert it.count == 2
    assert it.loop.reader is None
    it.leave()
    it.loop.wake()
    it.settle()
    assert it.count == 2
    assert it.listener.waiting == []


def test_a_worker_that_is_full_when_trouble_is_over_accepts_once_there_is_room(bench):
    it = bench(worker_connections=2)
    it.server.start_clock()
    it.server.start_accepting()
    it.arrive(FakeSocket())
    it.arrive(OSError(errno.EMFILE, "too many"))
    others = [HttpConnection(it.runtime) for _ in range(2)]  # as those whose handshakes end just now
    for connection in others:
        connection.connection_made(FakeTransport())
    it.loop.pass_time(1.0)
    assert it.loop.reader is None
    for connection in others:
        connection.connection_lost(None)
    assert it.loop.reader is not None


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS])
def test_a_lack_of_descriptors_pauses_until_the_next_tick_and_is_told_once_a_minute(bench, number):
    it = bench()
    it.server.start_clock()
    it.server.start_accepting()
    for _ in range(30):
        it.arrive(OSError(number, "too many"))
        assert it.loop.reader is None
        it.loop.pass_time(1.0)
        assert it.loop.reader is not None
    assert len(it.log.levels("warning")) == 1
    assert "ulimit -n" in it.log.levels("warning")[0]
    it.loop.pass_time(60.0)
    it.arrive(OSError(number, "too many"))
    assert len(it.log.levels("warning")) == 2


def test_an_unforeseen_error_of_accept_pauses_as_well(bench):
    it = bench()
    it.server.start_clock()
    it.server.start_accepting()
    it.arrive(OSError(errno.EINVAL, "Invalid argument"))
    assert it.loop.reader is None
    assert it.log.levels("warning") == ["Cannot accept connections, retrying every second: Invalid argument"]


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.EHOSTUNREACH])
def test_a_client_lost_before_it_was_accepted_stops_nobody(bench, number):
    it = bench()
    it.server.start_accepting()
    it.arrive_all(OSError(number, "lost"), FakeSocket())
    assert it.count == 1
    assert it.log.lines == []


@pytest.mark.parametrize("failure", [ConnectionResetError("gone"), asyncio.TimeoutError()])
def test_a_connection_that_does_not_come_up_is_one_line_and_let_go(bench, failure):
    """Not closed: its transport has the descriptor, and closes it in its own time."""
    it = bench()
    it.failure = failure
    it.server.start_accepting()
    accepted = FakeSocket()
    it.arrive(accepted)
    assert not accepted.is_closed
    let_go = weakref.ref(accepted)
    del accepted
    failure.__traceback__ = None
    gc.collect()
    assert let_go() is None
    assert len(it.log.lines) == 1
    assert it.log.levels("info")[0].startswith("Connection setup failed for 192.0.2.1: ")


def test_stopping_takes_what_waits_and_closes_the_listeners(bench):
    it = bench(worker_connections=5)
    it.server.start_accepting()
    it.listener.waiting = [FakeSocket() for _ in range(7)]
    it.server.stop_accepting()
    it.settle()
    assert it.count == 5
    assert it.listener.is_closed
    assert it.loop.reader is None
    it.leave()
    assert it.loop.reader is None, "accepting began anew after the stop"


def test_nothing_is_done_between_the_last_look_at_the_backlog_and_the_close(bench):
    """Whoever connects in between is reset when no other process has the socket."""
    it = bench()
    done: list[str] = []

    class Listener(FakeListener):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def accept(self) -> tuple[Any, Any]:
            done.append(f"look {self.name}")
            return super().accept()

        def close(self) -> None:
            done.append(f"close {self.name}")
            super().close()

    first, second = Listener("first"), Listener("second")
    remove_reader = it.loop.remove_reader

    def remove(descriptor: int) -> None:
        done.append("remove a reader")
        remove_reader(descriptor)

    it.loop.remove_reader = remove  # type: ignore[method-assign]
    it.server = Server(it.runtime, [first, second], it.connect, None, it.tick)  # type: ignore[list-item]
    it.server.start_accepting()
    second.waiting = [FakeSocket()]
    it.server.stop_accepting()
    it.settle()
    assert done == [
        "remove a reader", "remove a reader", "look first", "close first", "look second", "look second", "close second"
    ]  # fmt: skip


def test_stopping_before_anything_was_accepted_leaves_the_backlog_to_others(bench):
    it = bench()
    it.listener.waiting = [FakeSocket()]
    it.server.stop_accepting()
    it.settle()
    assert it.count == 0
    assert it.listener.is_closed


def drain(it: Bench, seconds: float, should_hurry: Callable[[], bool] = lambda: False, is_quick: bool = False) -> None:
    """Drain while the clock runs with every turn of the loop."""

    async def run() -> None:
        task = asyncio.ensure_future(it.server.drain(it.loop.now + seconds, 0.5, should_hurry, is_quick))
        while not task.done():
            it.loop.pass_time(0.05)
            await asyncio.sleep(0.001)
        await task

    it.real.run_until_complete(run())


@pytest.mark.parametrize("requests", [0, 1])
def test_a_quick_stop_warns_of_requests_alone(bench, requests):
    it = bench()
    it.server.start_clock()

    class Idle:
        def sweep(self, now: float) -> None: ...
        def drain(self) -> None: ...
        def abort(self) -> None:
            it.runtime.connections.clear()

    class Request:
        def sweep(self) -> None: ...
        def cancel(self) -> None:
            it.runtime.conversations.clear()

    it.runtime.connections.add(Idle())
    it.runtime.conversations.update(Request() for _ in range(requests))
    drain(it, 0.5, is_quick=True)
    warning = "Closing 1 connections and 1 requests that did not finish in time (a quick stop)"
    assert it.log.levels("warning") == [warning] * requests


def test_draining_closes_idle_connections_and_ticks_on(bench):
    it = bench()
    it.server.start_clock()
    it.server.start_accepting()
    it.arrive(FakeSocket())
    it.loop.pass_time(5.0)
    ticks = it.ticks
    (transport,) = it.transports
    transport.close = lambda: it.leave_later(transport)  # type: ignore[attr-defined]
    it.leave_later = lambda _: it.real.call_soon(next(iter(it.runtime.connections)).connection_lost, None)  # type: ignore[attr-defined]
    drain(it, 30.0)
    assert it.count == 0
    assert it.ticks > ticks
    assert it.log.levels("warning") == []


def test_draining_aborts_what_is_left_at_the_deadline(bench):
    it = bench()
    it.server.start_clock()
    aborted = []

    class Endless:
        def sweep(self, now: float) -> None: ...

        def drain(self) -> None: ...

        def abort(self) -> None:
            aborted.append(it.loop.now)
            it.runtime.forget(self)

    it.runtime.connections.add(Endless())
    began = it.loop.now
    drain(it, 10.0)
    assert len(aborted) == 1
    assert 10.0 <= aborted[0] - began < 12.0
    assert "did not finish in time" in it.log.levels("warning")[0]


@pytest.mark.parametrize("stream_drain_s", [0.0, 2.0])
def test_streams_are_ended_when_their_time_is_over(bench, stream_drain_s):
    it = bench(stream_drain_s=stream_drain_s)
    it.server.start_clock()
    it.loop.pass_time(100.0)
    seen: list[tuple[float, bool]] = []

    class Stream:
        def sweep(self, now: float) -> None:
            seen.append((it.loop.now - began, it.runtime.ends_streams))

        def drain(self) -> None: ...
        def abort(self) -> None:
            it.runtime.connections.clear()

    it.runtime.connections.add(Stream())
    assert not it.runtime.ends_streams
    began = it.loop.now
    drain(it, 5.0)
    ends_at = stream_drain_s or 1000.0
    assert all(ends == (passed >= ends_at) for passed, ends in seen if abs(passed - ends_at) > 0.2)
    assert len(seen) > 20


def test_draining_hurries_when_told(bench):
    it = bench()
    it.server.start_clock()

    class Endless:
        def sweep(self, now: float) -> None: ...

        def drain(self) -> None: ...

        def abort(self) -> None:
            it.runtime.forget(self)

    it.runtime.connections.add(Endless())
    began = it.loop.now
    drain(it, 1000.0, lambda: it.loop.now > began + 2.0)
    assert it.loop.now - began < 5.0


def test_a_connection_that_comes_up_while_draining_is_told(bench):
    it = bench()
    it.server.start_accepting()
    it.runtime.is_draining = True
    it.arrive(FakeSocket())
    (connection,) = it.runtime.connections
    it.server.start_clock()
    it.loop.pass_time(4.0)
    assert it.transports[0].is_closing(), "it would have kept the worker for gasgi_first_byte_timeout_s"
    assert connection in it.runtime.connections


class FakeSharing:
    """Says how many may be taken: the next of ``rooms``, or as many as come."""

    def __init__(self, *rooms: int) -> None:
        self.rooms = list(rooms)
        self.rested = 0
        self.closes = 0

    def room(self, held: int, now: float) -> int:
        return self.rooms.pop(0) if self.rooms else 1000

    def rest(self) -> None:
        self.rested += 1

    def note_look(self, now: float) -> None:
        self.looked_at = now

    def to_close(self, held: int, now: float) -> int:
        return self.closes


def shared(it: Bench, *rooms: int) -> FakeSharing:
    sharing = FakeSharing(*rooms)
    it.server = Server(it.runtime, [it.listener], it.connect, None, it.tick, sharing)  # type: ignore[arg-type, list-item]
    it.server.start_accepting()
    return sharing


def test_a_worker_above_its_share_steps_back_for_a_moment(bench, monkeypatch):
    it = bench()
    monkeypatch.setattr(accepting, "_does_anyone_wait", lambda listeners: True)
    sharing = shared(it, 0)
    it.arrive(FakeSocket())
    assert it.count == 0
    assert it.loop.reader is None
    it.loop.pass_time(STEP_BACK_S)
    it.loop.wake()
    it.settle()
    assert it.count == 1
    assert sharing.rested == 0


def test_steps_back_once_for_all_listeners(bench):
    it = bench()
    shared(it, 0)
    reader = it.loop.reader
    it.arrive(FakeSocket())
    assert reader is not None
    reader[0](*reader[1:])  # another one's turn, which was due by then
    it.server._acceptor._pause()
    it.loop.pass_time(1.0)
    assert it.loop.reader is None
    assert it.count == 0


def test_patience_ends_with_the_queue(bench, monkeypatch):
    it = bench()
    monkeypatch.setattr(accepting, "_does_anyone_wait", lambda listeners: False)
    sharing = shared(it, 0)
    it.arrive(FakeSocket())
    it.loop.pass_time(STEP_BACK_S)
    assert it.loop.reader is not None
    assert sharing.rested == 1


def test_takes_no_more_at_once_than_its_share_has_room_for(bench):
    it = bench()
    shared(it, 2)
    it.runtime.connections.update(object() for _ in range(CONNECTIONS_PER_ACCEPT * 3))
    before = it.count
    it.arrive(*(FakeSocket() for _ in range(10)))
    assert it.count - before == 2


def test_replaces_what_has_ended_here_though_it_holds_its_share(bench):
    it = bench()
    shared(it, 1, 0)
    it.arrive(FakeSocket())
    it.runtime.connections.update(object() for _ in range(14))
    for _ in range(3):
        it.runtime.forget(object())
    before = it.count
    it.arrive(*(FakeSocket() for _ in range(10)))
    assert it.count - before == 3


def test_does_not_step_back_where_connections_are_short(bench):
    it = bench()
    sharing = shared(it, 1, 0)
    it.arrive(FakeSocket())
    it.runtime.forget(object())
    it.arrive(*(FakeSocket() for _ in range(2)))
    assert it.count == 3
    assert sharing.rooms == [0], "it asked"
    assert sharing.looked_at == it.loop.now
    it.loop.pass_time(1.0)
    it.arrive(FakeSocket())
    assert it.loop.reader is None


def test_a_stop_while_it_steps_back_takes_what_waits(bench):
    it = bench()
    shared(it, 0)
    it.arrive(FakeSocket())
    it.server.stop_accepting()
    it.settle()
    assert it.count == 1
    it.loop.pass_time(1.0)
    assert it.loop.reader is None, "accepting began anew after the stop"


def test_a_worker_far_above_its_share_has_some_answers_be_the_last_of_their_connections(bench):
    it = bench()
    sharing = shared(it)
    sharing.closes = 2
    it.server.start_clock()
    for _ in range(3):
        it.arrive(FakeSocket())
    request = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
    it.answers = True
    for connection in tuple(it.runtime.connections):
        connection.data_received(request)  # type: ignore[attr-defined]
    it.settle()
    said = [b"connection: close" in bytes(transport.written) for transport in it.transports]
    assert sorted(said) == [False, True, True]
    # Who takes their place is for the siblings.
    sharing.rooms = [0]
    it.arrive(FakeSocket())
    assert it.loop.reader is None
