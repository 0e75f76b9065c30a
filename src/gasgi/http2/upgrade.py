"""The upgrade of an HTTP/1.1 request to HTTP/2 without TLS (RFC 7540, 3.2): the request becomes stream 1.

RFC 9113 has dropped it; older clients and meshes still ask. Who may, ``worker/wire`` says.
"""

from __future__ import annotations

import asyncio
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable

from gasgi._accel import RequestHead
from gasgi.errors import Http2Error, RequestError
from gasgi.http2.connection import Http2Connection
from gasgi.http2.frames import read_settings
from gasgi.proxy.protocol import ProxyInfo
from gasgi.serving.deadlines import Deadlines
from gasgi.serving.runtime import Runtime

__all__ = ["Upgrading", "read_offer"]

ANSWER = b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n"
# RFC 9113, 8.2.2, and what was said to this connection alone (RFC 7540, 3.2.1).
_OF_THE_CONNECTION = frozenset((b"connection", b"upgrade", b"http2-settings", b"keep-alive", b"proxy-connection"))
# RFC 4648, 5: base64url, without padding.
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


def read_offer(head: RequestHead, max_body_bytes: int) -> list[tuple[int, int]] | None:
    """Return the client's SETTINGS when the request may become a stream; None: serve it as if it had not asked.

    The body comes before the first frame (RFC 7540, 3.2) and is held until then, so one that is larger, or of a length
    that is not known, stays with HTTP/1.1; so does one that waits for 100 (Continue).
    """
    if head.http_version != "1.1" or head.is_chunked or head.expects_continue or head.content_length > max_body_bytes:
        return None
    offers: list[bytes] = []
    products: list[bytes] = []
    options: list[bytes] = []
    for name, value in head.headers:
        if name == b"http2-settings":
            offers.append(value)
        elif name == b"upgrade":
            products.append(value.lower())
        elif name == b"connection":
            options += [option.strip(b" \t") for option in value.lower().split(b",")]
    # Twice is once too often (RFC 7540, 3.2.1). A proxy that passes on what is not for it does not pass the option.
    if len(offers) != 1 or products != [b"h2c"] or b"http2-settings" not in options or b"upgrade" not in options:
        return None
    return _decode(offers[0])


def _decode(value: bytes) -> list[tuple[int, int]] | None:
    if value.translate(None, _ALPHABET):
        return None
    try:
        payload = a2b_base64(value.translate(_TO_STANDARD) + b"=" * (-len(value) % 4))
        return None if len(payload) % 6 else read_settings(payload)
    except (Base64Error, Http2Error):
        return None


class Upgrading(asyncio.Protocol):
    """The asyncio protocol from the head of the request to the end of its body; then that of HTTP/2.

    ``refuse`` is called with the transport left alone, for a body that stalls.
    """

    def __init__(
        self,
        runtime: Runtime,
        transport: asyncio.Transport,
        proxied: ProxyInfo | None,
        head: RequestHead,
        settings: list[tuple[int, int]],
        refuse: Callable[[RequestError], None],
    ) -> None:
        self._runtime = runtime
        self._transport = transport
        self._proxied = proxied
        self._head = head
        self._settings = settings
        self._refuse = refuse
        self._deadlines = Deadlines(runtime)
        self._data = bytearray()

    def begin(self, data: bytes) -> None:
        """Take the transport, and what has come after the head."""
        self._transport.set_protocol(self)
        self._runtime.connections.add(self)
        self._take(data)

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        if self._runtime.meter is not None:
            self._runtime.meter.count_received(len(data))
        self._take(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._runtime.forget(self)

    # Connection, for the server

    def sweep(self, now: float) -> None:
        if self._deadlines.is_read_over(now):
            self._runtime.connections.discard(self)
            self._refuse(RequestError(408, "the body stalled for longer than gasgi_body_timeout_s"))

    def drain(self) -> None:
        """Nothing: the request is in progress."""

    def abort(self) -> None:
        self._transport.abort()

    def _take(self, data: bytes) -> None:
        self._data += data
        size = max(self._head.content_length, 0)
        if len(self._data) < size:
            self._deadlines.set_read(self._runtime.settings.body_timeout_s)
            return
        head = self._head
        head.http_version = "2"
        head.upgrade = b""
        head.headers = [field for field in head.headers if field[0] not in _OF_THE_CONNECTION]
        connection = Http2Connection(self._runtime, self._proxied)
        self._runtime.connections.discard(self)
        self._transport.set_protocol(connection)  # type: ignore[arg-type]  # a protocol in all but its base class
        self._transport.write(ANSWER)
        connection.connection_made(self._transport)
        connection.upgrade(head, bytes(self._data[:size]), self._settings, bytes(self._data[size:]))
        if self._runtime.is_draining:
            connection.drain()
