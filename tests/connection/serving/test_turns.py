"""Many requests at once: a bounded number begins in a turn of the loop, the others wait in the order they came."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from gasgi.http1.connection import HttpConnection
from gasgi.serving.turns import REQUESTS_PER_TURN, Turns
from gasgi.settings import Settings
from tests.support.http_apps import hello
from tests.support.model_transport import ModelTransport
from tests.support.served import Served

CROWD = 3 * REQUESTS_PER_TURN


def request(number: int, fields: bytes = b"", body: bytes = b"") -> bytes:
    return b"GET /%d HTTP/1.1\r\nHost: h\r\n%b\r\n%b" % (number, fields, body)


class Crowd(Served):
    """Connections that share one worker; ``order`` has the numbers of their requests as the app saw them."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.order: list[int] = []
        super().__init__(self._count, settings)
        self.transports = [ModelTransport(self.loop) for _ in range(CROWD)]
        self.connections = [HttpConnection(self.runtime) for _ in range(CROWD)]
        self.inside(self._connect_all)

    async def _count(self, scope: Any, receive: Any, send: Any) -> None:
        self.order.append(int(scope["path"][1:]))
        await hello(scope, receive, send)

    def _connect_all(self) -> None:
        for connection, transport in zip(self.connections, self.transports, strict=True):
            transport.protocol = connection
            connection.connection_made(transport)

    def close(self) -> None:
        for transport in self.transports:
            self.inside(transport.lose)
        super().close()

    async def ask_all(self, fields: bytes = b"", body: bytes = b"") -> None:
        for number, connection in enumerate(self.connections):
            connection.data_received(request(number, fields, body))

    def answered(self) -> int:
        return sum(transport.written.endswith(b"hello") for transport in self.transports)


def test_all_are_answered_in_the_order_they_came():
    with Crowd() as crowd:
        crowd.run(crowd.ask_all())
        crowd.settle()
        assert crowd.order == list(range(CROWD))
        assert crowd.answered() == CROWD


def test_no_more_than_a_turns_worth_begins_in_one_turn():
    with Crowd() as crowd:
        seen = []

        async def watch() -> None:
            await crowd.ask_all()
            while len(crowd.order) < CROWD:
                await asyncio.sleep(0)
                seen.append(len(crowd.order))

        crowd.run(watch())
        assert max(after - before for before, after in zip([0, *seen], seen, strict=False)) == REQUESTS_PER_TURN


def test_a_request_that_comes_while_others_wait_goes_behind_them():
    with Crowd() as crowd:

        async def ask_twice() -> None:
            await crowd.ask_all()
            await asyncio.sleep(0)
            # Only the first turn's requests have run, so nothing is in progress, and yet it waits.
            crowd.connection.data_received(request(CROWD))

        crowd.run(ask_twice())
        crowd.settle()
        assert crowd.order == list(range(CROWD + 1))


def test_requests_in_pieces_are_whole_after_their_turn():
    with Crowd() as crowd:

        async def ask_in_pieces() -> None:
            for number, connection in enumerate(crowd.connections):
                whole = request(number)
                for i in range(len(whole)):
                    connection.data_received(whole[i : i + 1])

        crowd.run(ask_in_pieces())
        crowd.settle()
        assert crowd.order == list(range(CROWD))
        assert crowd.answered() == CROWD


def test_a_body_that_came_with_its_head_waits_with_it():
    with Crowd() as crowd:
        crowd.run(crowd.ask_all(b"Content-Length: 4\r\n", b"body"))
        crowd.settle()
        assert crowd.answered() == CROWD


def test_a_client_that_shut_its_side_while_waiting_is_answered():
    with Crowd() as crowd:

        async def ask_and_shut() -> None:
            await crowd.ask_all()
            assert crowd.connections[-1].eof_received()

        crowd.run(ask_and_shut())
        crowd.settle()
        assert crowd.order[-1] == CROWD - 1
        assert crowd.transports[-1].written.endswith(b"hello")
        assert crowd.transports[-1].is_closing()


@pytest.mark.parametrize("grace_s", [0.0, 3.0])
def test_a_client_that_left_while_waiting_is_forgotten(grace_s):
    with Crowd(Settings(disconnect_grace_s=grace_s)) as crowd:

        async def ask_and_leave() -> None:
            await crowd.ask_all()
            crowd.transports[-1].lose(ConnectionResetError())
            assert crowd.connections[-1] not in crowd.runtime.connections

        crowd.run(ask_and_leave())
        crowd.settle()
        assert crowd.order == list(range(CROWD - 1))
        assert not crowd.transports[-1].written


def test_a_waiting_request_is_not_closed_as_idle_when_the_worker_stops():
    with Crowd() as crowd:

        async def ask_and_drain() -> None:
            await crowd.ask_all()
            crowd.runtime.is_draining = True
            for connection in crowd.connections:
                connection.drain()

        crowd.run(ask_and_drain())
        crowd.settle()
        assert crowd.answered() == CROWD
        assert all(b"connection: close" in transport.written for transport in crowd.transports)


def test_the_keep_alive_deadline_does_not_run_while_waiting():
    with Crowd() as crowd:

        async def ask_and_sweep() -> None:
            await crowd.ask_all()
            for connection in crowd.connections:
                connection.sweep(crowd.runtime.now + 86_400)

        crowd.run(ask_and_sweep())
        crowd.settle()
        assert crowd.answered() == CROWD


def test_a_bad_request_is_refused_in_its_turn():
    with Crowd() as crowd:

        async def ask() -> None:
            for connection in crowd.connections:
                connection.data_received(b"GET / HTTP/1.1\r\n\r\n")  # no Host

        crowd.run(ask())
        crowd.settle()
        assert all(transport.written.startswith(b"HTTP/1.1 400 ") for transport in crowd.transports)


def test_an_app_that_is_cancelled_before_its_first_step_has_ended():
    with Crowd(Settings(disconnect_grace_s=0)) as crowd:

        async def ask_and_leave() -> None:
            connection = crowd.connections[0]
            connection.data_received(request(0))
            crowd.transports[0].lose(ConnectionResetError())

        crowd.run(ask_and_leave())
        crowd.settle()
        assert crowd.order == []
        assert not crowd.runtime.conversations
        assert crowd.runtime.turns.unstarted == 0


def test_an_app_that_others_cancel_before_its_first_step_is_answered_for():
    with Crowd() as crowd:

        async def ask_and_cancel() -> None:
            for number, connection in enumerate(crowd.connections[:3]):
                connection.data_received(request(number))
            crowd.transports[2].lose(ConnectionResetError())
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        crowd.run(ask_and_cancel())
        crowd.pass_time(1)
        assert crowd.order == []
        for transport in crowd.transports[:2]:
            assert transport.written.startswith(b"HTTP/1.1 500 ")
        assert sorted(crowd.log.lines) == [
            ("error", f"ASGI app cancelled its own task during GET /{number}") for number in range(3)
        ]
        assert not crowd.runtime.conversations
        assert crowd.connections[2] not in crowd.runtime.connections
        assert crowd.runtime.turns.unstarted == 0


class SlowCrowd(Crowd):
    """By the clock of the turns, the application blocks the loop for a second each time."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.seconds = 0.0
        super().__init__(settings)
        self.runtime.turns = Turns(self.runtime.loop, lambda: self.seconds)

    async def _count(self, scope: Any, receive: Any, send: Any) -> None:
        self.seconds += 1.0
        await super()._count(scope, receive, send)


def test_requests_whose_apps_block_are_answered_in_order_one_in_a_turn():
    with SlowCrowd() as crowd:
        seen = [0]

        async def watch() -> None:
            await crowd.ask_all()
            while len(crowd.order) < CROWD:
                await asyncio.sleep(0)
                seen.append(len(crowd.order))

        crowd.run(watch())
        crowd.settle()
        assert max(after - before for before, after in itertools.pairwise(seen)) == 1
        assert crowd.order == list(range(CROWD))
        assert crowd.answered() == CROWD


def test_a_client_that_leaves_while_its_app_is_put_off_is_forgotten():
    with SlowCrowd(Settings(disconnect_grace_s=0)) as crowd:

        async def ask_and_leave() -> None:
            for number, connection in enumerate(crowd.connections[:4]):
                connection.data_received(request(number))
            await asyncio.sleep(0)
            crowd.transports[2].lose(ConnectionResetError())

        crowd.run(ask_and_leave())
        crowd.settle()
        assert crowd.order == [0, 1, 3]
        assert not crowd.runtime.conversations
        assert crowd.connections[2] not in crowd.runtime.connections


def test_an_app_that_others_cancel_while_it_is_put_off_is_answered_for():
    with SlowCrowd() as crowd:

        async def ask_and_cancel() -> None:
            for number, connection in enumerate(crowd.connections[:3]):
                connection.data_received(request(number))
            await asyncio.sleep(0)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        crowd.run(ask_and_cancel())
        crowd.settle()
        assert crowd.order == [0]
        for transport in crowd.transports[1:3]:
            assert transport.written.startswith(b"HTTP/1.1 500 ")
        assert sorted(crowd.log.lines) == [
            ("error", f"ASGI app cancelled its own task during GET /{number}") for number in (1, 2)
        ]
        assert not crowd.runtime.conversations
        assert crowd.runtime.turns.unstarted == 0


def test_an_app_whose_task_cannot_be_made_is_answered_for():
    def refuse(loop: Any, *_: Any, **__: Any) -> Any:
        raise RuntimeError

    with Crowd() as crowd:

        async def ask() -> None:
            crowd.runtime.has_task_factory = True
            asyncio.get_running_loop().set_task_factory(refuse)
            crowd.connections[0].data_received(request(0))
            asyncio.get_running_loop().set_task_factory(None)

        crowd.run(ask())
        crowd.settle()
        assert crowd.transports[0].written.startswith(b"HTTP/1.1 500 ")
        assert crowd.log.levels("exception") == ["Exception in the task factory for GET /0"]
        assert not crowd.runtime.conversations
        assert crowd.runtime.turns.unstarted == 0


def test_a_connection_that_fails_in_its_turn_takes_it_from_nobody():
    loop = asyncio.new_event_loop()
    complaints: list[Any] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    taken: list[int] = []

    class Waiter:
        def __init__(self, number: int) -> None:
            self.number = number

        def take_turn(self) -> None:
            if self.number == 1:
                raise RuntimeError
            taken.append(self.number)

    async def wait() -> None:
        turns = Turns(loop)
        for number in range(4):
            turns.wait(Waiter(number))
        for _ in range(3):
            await asyncio.sleep(0)
        assert not turns.is_over()

    loop.run_until_complete(wait())
    loop.close()
    assert taken == [0, 2, 3]
    assert len(complaints) == 1


def test_turns_give_each_waiting_connection_one_turn():
    loop = asyncio.new_event_loop()
    taken: list[int] = []

    class Waiter:
        def __init__(self, number: int) -> None:
            self.number = number

        def take_turn(self) -> None:
            taken.append(self.number)

    async def wait() -> None:
        turns = Turns(loop)
        for number in range(REQUESTS_PER_TURN + 1):
            turns.wait(Waiter(number))
        await asyncio.sleep(0)
        assert len(taken) == REQUESTS_PER_TURN
        assert turns.is_over()
        await asyncio.sleep(0)
        assert not turns.is_over()

    loop.run_until_complete(wait())
    loop.close()
    assert taken == list(range(REQUESTS_PER_TURN + 1))
