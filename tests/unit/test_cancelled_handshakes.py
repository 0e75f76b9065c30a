"""A connection whose task is cancelled before it is up: its socket is closed once, and by whom it belongs to.

A descriptor closed twice, or closed under the transport that has it, is by then another client's.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gasgi.proxy.policy import ProxyPolicy
from gasgi.serving.runtime import Runtime
from gasgi.settings import Settings
from gasgi.worker.loops import connector, new_loop
from gasgi.worker.server import Server
from tests.support.certificates import Certificates, make_certificates
from tests.support.fakes import RecordingLog
from tests.support.http_apps import hello

# In which of them a handshake, which takes some, is cancelled.
TURNS = range(8)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


class Worker:
    """A server with a real loop, a real listener and the clients of a test; the test gives the loop its turns."""

    def __init__(self, loop: str, certificates: Certificates | None, is_stock: bool, **settings: Any) -> None:
        self.loop = new_loop(loop)
        self.complaints: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.complaints.append(context))
        self.listener = socket.create_server(("127.0.0.1", 0))
        context = None
        if certificates is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates.cert, certificates.key)
        self.context = None if certificates is None else certificates.client_context()
        self.connect = self.loop.connect_accepted_socket if is_stock else connector(self.loop, context is not None)
        self.is_cancelled_when_up = False
        self.runtime = Runtime(self.loop, hello, Settings(**settings), RecordingLog())
        self.server = Server(self.runtime, [self.listener], self._connect, context, lambda: None)
        # Made before, so that it is the server's end that gets the number which has become free.
        self.spare = [socket.socket() for _ in range(2)]
        self.decoys: dict[int, os.stat_result] = {}
        self.run(self._start())

    async def _start(self) -> None:
        self.server.start_clock()
        self.server.start_accepting()

    async def _connect(self, factory: Callable[[], Any], accepted: socket.socket, **options: Any) -> Any:
        if self.is_cancelled_when_up:
            task: Any = asyncio.current_task()
            return await self.connect(lambda: CancelsWhenUp(factory(), task), accepted, **options)
        return await self.connect(factory, accepted, **options)

    def run(self, coro: Any) -> Any:
        return self.loop.run_until_complete(coro)

    def take_free_descriptors(self) -> None:
        """Open what takes the numbers that have just become free."""
        for descriptor in os.pipe():
            self.decoys[descriptor] = os.fstat(descriptor)

    def turn(self) -> None:
        """Run one turn of the loop."""
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()
        self.take_free_descriptors()

    def wait(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))
        self.take_free_descriptors()

    def wait_for_client(self) -> None:
        """Return in the very turn in which it has been accepted."""
        while not self.connecting() and not self.runtime.connections:
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def connecting(self) -> list[asyncio.Task[None]]:
        return [task for task in asyncio.all_tasks(self.loop) if "_serve" in repr(task.get_coro())]

    def wait_for(self, look: Callable[[], Any]) -> Any:
        for _ in range(2000):
            found = look()
            if found:
                return found
            self.run(asyncio.sleep(0.005))
        raise AssertionError("waited for ten seconds")

    def cancel_all(self) -> None:
        for task in self.connecting():
            task.cancel()
        for _ in range(5):
            self.turn()
        gc.collect()
        self.wait(0.05)

    def check(self) -> None:
        """Everything opened by others is what it was, and the next client is served."""
        for descriptor, seen in self.decoys.items():
            assert os.path.samestat(os.fstat(descriptor), seen), "another's descriptor"
        assert not self.complaints
        answers: list[bytes] = []
        asking = threading.Thread(target=lambda: answers.append(self._ask()))
        asking.start()
        self.wait_for(lambda: answers)
        asking.join()
        assert answers[0].endswith(b"hello")

    def _ask(self) -> bytes:
        with self.spare.pop() as client:
            client.settimeout(20)
            client.connect(self.listener.getsockname())
            if self.context is not None:
                client = self.context.wrap_socket(client, server_hostname="localhost")
            client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            data = b""
            while piece := client.recv(65536):
                data += piece
            return data

    def close(self) -> None:
        for connection in tuple(self.runtime.connections):
            connection.abort()
        self.server.stop_accepting()
        self.server.stop_clock()
        self.run(asyncio.sleep(0.05))
        self.loop.close()
        for descriptor in self.decoys:
            os.close(descriptor)
        for client in self.spare:
            client.close()


class CancelsWhenUp:
    """Has the connection's task cancelled when its handshake is complete, and before that task knows."""

    def __init__(self, protocol: Any, task: asyncio.Task[None]) -> None:
        self._protocol = protocol
        self._task = task

    def connection_made(self, transport: Any) -> None:
        self._protocol.connection_made(transport)
        self._task.cancel()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol, name)


@pytest.fixture(params=["uvloop", "asyncio"])
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make() -> Iterator[Callable[..., Worker]]:
    made: list[Worker] = []

    def make(*args: Any, **settings: Any) -> Worker:
        made.append(Worker(*args, **settings))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


@pytest.mark.parametrize("is_stock", [False, True], ids=["aiofastnet", "stock"])
@pytest.mark.parametrize("is_tls", [True, False], ids=["tls", "plain"])
@pytest.mark.parametrize("turns", TURNS)
def test_cancelled_while_the_client_says_nothing(make, certificates, loop, is_stock, is_tls, turns):
    worker = make(loop, certificates if is_tls else None, is_stock)
    with socket.create_connection(worker.listener.getsockname(), timeout=20) as client:
        worker.wait_for_client()
        for _ in range(turns):
            worker.turn()
        worker.cancel_all()
        for connection in tuple(worker.runtime.connections):
            connection.abort()
        worker.wait(0.05)
        assert client.recv(1) == b""
    worker.check()


@pytest.mark.parametrize("is_stock", [False, True], ids=["aiofastnet", "stock"])
@pytest.mark.parametrize("turns", TURNS)
def test_cancelled_while_the_client_shakes_hands(make, certificates, loop, is_stock, turns):
    worker = make(loop, certificates, is_stock)
    ends: list[object] = []

    def shake() -> None:
        try:
            with socket.create_connection(worker.listener.getsockname(), timeout=20) as plain:
                client = worker.context.wrap_socket(plain, server_hostname="localhost")
                ends.append(client.recv(1))
        except OSError as exc:
            ends.append(exc)

    thread = threading.Thread(target=shake)
    thread.start()
    worker.wait_for_client()
    for _ in range(turns):
        worker.turn()
        worker.wait(0.001)
    worker.cancel_all()
    for connection in tuple(worker.runtime.connections):
        connection.abort()
    worker.wait_for(lambda: ends)
    thread.join()
    worker.check()


@pytest.mark.parametrize("is_stock", [False, True], ids=["aiofastnet", "stock"])
@pytest.mark.parametrize("is_tls", [True, False], ids=["tls", "plain"])
def test_cancelled_when_it_is_just_up(make, certificates, loop, is_stock, is_tls):
    """Its transport may take a while to close, and has its descriptor until then."""
    worker = make(loop, certificates if is_tls else None, is_stock)
    worker.is_cancelled_when_up = True
    done = threading.Event()

    def shake() -> None:
        with socket.create_connection(worker.listener.getsockname(), timeout=20) as plain:
            if is_tls:
                plain = worker.context.wrap_socket(plain, server_hostname="localhost")
            done.wait(20)
            plain.close()

    thread = threading.Thread(target=shake)
    thread.start()
    worker.wait_for_client()
    worker.wait_for(lambda: not worker.connecting())
    worker.is_cancelled_when_up = False
    worker.check()
    worker.check()
    done.set()
    thread.join()


@pytest.mark.parametrize("turns", TURNS)
def test_cancelled_while_the_proxy_header_is_awaited(make, loop, turns):
    worker = make(loop, None, False, proxy_protocol="v1", proxy_allow_ips=("127.0.0.1",))
    worker.runtime.proxy = ProxyPolicy(worker.runtime.settings)
    with socket.create_connection(worker.listener.getsockname(), timeout=20) as client:
        worker.wait_for_client()
        for _ in range(turns):
            worker.turn()
        if turns % 2:
            client.sendall(b"PROXY TCP4 192.0.2.1")
            worker.wait(0.005 * turns)
        worker.cancel_all()
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""
    worker.runtime.proxy = None
    worker.check()
