"""Pausing and resuming on real TLS transports: what was taken off the socket before a pause is read after it."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

from gasgi.serving.flow import resume_reading
from gasgi.worker import loops as loops

# aiofastnet takes 263168 bytes off the socket at once and hands 262144 on: what is sent behind them it holds.
FIRST, REST = 262_144, 300


class Pausing(asyncio.Protocol):
    """Pauses whenever something arrives."""

    def __init__(self) -> None:
        self.size = 0
        self.transport: asyncio.Transport

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.size += len(data)
        self.transport.pause_reading()


@pytest.mark.parametrize("has_aiofastnet", [True, False], ids=["aiofastnet", "own-transports"])
def test_bytes_held_at_the_pause_are_read_when_reading_resumes(certificates, loop, has_aiofastnet, monkeypatch):
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_context.load_cert_chain(certificates.cert, certificates.key)
    if not has_aiofastnet:
        monkeypatch.setattr(loops, "find_spec", lambda name: None if name == "aiofastnet" else object())
    event_loop = loops.new_loop(loop)
    ours, theirs = socket.socketpair()

    async def run() -> int:
        connect = loops.connector(event_loop, is_tls=True)
        protocol = Pausing()
        served = asyncio.ensure_future(connect(lambda: protocol, ours, ssl=server_context))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = certificates.client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
        await shake_hands(client, incoming, outgoing)
        await served
        client.write(bytes(FIRST))
        client.write(bytes(REST))
        sent = outgoing.read()
        assert theirs.send(sent) == len(sent), "the socket is too small for this test"
        for _ in range(1000):
            await asyncio.sleep(0)
            if protocol.size == FIRST + REST:
                break
            if not protocol.transport.is_reading():
                resume_reading(event_loop, protocol.transport)
        protocol.transport.abort()
        await asyncio.sleep(0)
        return protocol.size

    async def shake_hands(client: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        while True:
            try:
                client.do_handshake()
            except ssl.SSLWantReadError:
                theirs.send(outgoing.read())
                incoming.write(await event_loop.sock_recv(theirs, 65536))
            else:
                theirs.send(outgoing.read())
                return

    with theirs:
        theirs.setblocking(False)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        ours.setblocking(False)
        try:
            assert event_loop.run_until_complete(run()) == FIRST + REST
        finally:
            event_loop.close()
