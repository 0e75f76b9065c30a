"""Servers that do nothing but move bytes: what the kernel, the loop and one Python call per read cost.

No HTTP parser and no application. The first request on a connection is measured once (head and content-length), after
that bytes are only counted; every whole request is answered with bytes made beforehand. With ``--websocket``, picows
echoes frames.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import ssl

import apps
import uvloop

PATHS = {
    b"/": (b"text/plain", apps.HELLO),
    b"/10k": (b"text/plain", apps.TEN_KIB),
    b"/stream": (b"text/plain", apps.PIECE * apps.PIECES),
}


class FixedAnswer(asyncio.Protocol):
    """Count bytes and answer every ``_size`` of them."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport = None  # type: ignore[assignment]  # set before any data arrives
        self._first = b""
        self._size = 0
        self._held = 0
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # asyncio hands a stream transport to a stream protocol

    def data_received(self, data: bytes) -> None:
        if not self._size and not self._learn(data):
            return
        held = self._held + len(data)
        if held == self._size:
            self._transport.write(self._answer)
            self._held = 0
            return
        count, self._held = divmod(held, self._size)
        if count:
            self._transport.write(self._answer * count)

    def _learn(self, data: bytes) -> bool:
        """Find out how long the client's request is and what to answer; True when both are known."""
        self._first += data
        head, end, _ = self._first.partition(b"\r\n\r\n")
        if not end:
            return False
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        self._size = len(head) + 4 + length
        # The bytes before this call were kept, not counted.
        self._held = len(self._first) - len(data)
        path = head.split(b" ", 2)[1]
        kind, body = PATHS[path] if path in PATHS else (b"application/octet-stream", apps.fill(length))
        self._answer = (
            b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\nserver: floor\r\n"
            b"date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n%b" % (kind, len(body), body)
        )
        return True


async def serve(port: int, transports: str, context: ssl.SSLContext | None, is_websocket: bool) -> None:
    """Listen until cancelled."""
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    if is_websocket:
        server = await make_websocket_server(listener)
    elif transports == "aiofastnet":
        import aiofastnet

        server = await aiofastnet.create_server(loop, FixedAnswer, sock=listener, ssl=context, backlog=4096)
    else:
        server = await loop.create_server(FixedAnswer, sock=listener, ssl=context, backlog=4096)
    await server.serve_forever()


async def make_websocket_server(listener: socket.socket) -> asyncio.Server:
    """Echo every message with picows, with no application in between."""
    import picows

    class Echo(picows.WSListener):
        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            if frame.msg_type == picows.WSMsgType.CLOSE:
                transport.send_close(frame.get_close_code())
                transport.disconnect()
            else:
                transport.send(frame.msg_type, frame.get_payload_as_memoryview())

    return await picows.ws_create_server(lambda request: Echo(), sock=listener, backlog=4096)


def main() -> None:
    """Run one floor server on a loopback port."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--transports", choices=["loop", "aiofastnet"], default="loop")
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--websocket", action="store_true")
    chosen = parser.parse_args()
    context = None
    if chosen.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chosen.certificate, chosen.key)
    make_loop = uvloop.new_event_loop if chosen.loop == "uvloop" else asyncio.new_event_loop
    loop = make_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(serve(chosen.port, chosen.transports, context, chosen.websocket))


if __name__ == "__main__":
    main()
