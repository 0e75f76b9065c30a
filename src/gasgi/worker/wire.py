"""Which protocol a connection speaks: HTTP/1.1 or HTTP/2, by ALPN, by the first bytes or by an upgrade.

RFC 9113, 3.2 to 3.4; RFC 7540, 3.2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from gasgi._accel import RequestHead
from gasgi.errors import RequestError
from gasgi.http1.connection import HttpConnection
from gasgi.http2.connection import Http2Connection
from gasgi.http2.upgrade import Upgrading, read_offer
from gasgi.http2.wire import PREFACE
from gasgi.proxy.protocol import ProxyInfo
from gasgi.serving.deadlines import Deadlines
from gasgi.serving.peer import Peer
from gasgi.serving.runtime import Runtime

if TYPE_CHECKING:
    from gasgi.settings import Settings

__all__ = ["ProtocolChoice", "alpn_names", "choose_wire"]

_ALPN = {"h1": "http/1.1", "h2": "h2"}


def alpn_names(settings: Settings) -> list[str]:
    """Return what ALPN offers, the preferred first."""
    return [_ALPN[name] for name in settings.http_protocols]


def choose_wire(
    settings: Settings, is_tls: bool
) -> Callable[[Runtime, ProxyInfo | None], HttpConnection | ProtocolChoice]:
    """Return what makes the protocol of an accepted socket: that of HTTP/1.1 itself where HTTP/2 is off."""
    if "h2" in settings.http_protocols and (is_tls or settings.http2_cleartext != "off"):
        return ProtocolChoice
    return HttpConnection


class ProtocolChoice(asyncio.Protocol):
    """The asyncio protocol of a connection until it is known what the client speaks; then that of HTTP/1.1 or HTTP/2.

    Without TLS only peers of ``forwarded_allow_ips`` may speak HTTP/2, and where prior knowledge is all that is offered
    they must: one that does not send the preface is refused with 400, as gunicorn does. What a PROXY header said counts
    for nothing here: it is the peer that speaks.
    """

    def __init__(self, runtime: Runtime, proxied: ProxyInfo | None = None) -> None:
        self._runtime = runtime
        self._proxied = proxied
        self._transport: asyncio.Transport = None  # type: ignore[assignment]  # from connection_made on
        self._deadlines = Deadlines(runtime)
        self._data = b""  # what has come of a preface

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # it is one
        runtime = self._runtime
        self._transport = self._deadlines.transport = transport
        ssl_object = transport.get_extra_info("ssl_object")
        if ssl_object is not None:
            is_http2 = ssl_object.selected_alpn_protocol() == "h2"
            self._hand_over(Http2Connection(runtime, self._proxied) if is_http2 else self._http1())
        elif not Peer(runtime, transport, None).is_trusted:
            self._hand_over(self._http1())
        elif runtime.settings.http2_cleartext == "upgrade":
            self._hand_over(self._upgradable())
        else:
            runtime.connections.add(self)
            self._deadlines.set_read(runtime.settings.first_byte_timeout_s)

    def data_received(self, data: bytes) -> None:
        if not self._data:
            # A budget for the whole preface.
            self._deadlines.set_read(self._runtime.settings.header_timeout_s)
        data = self._data = self._data + data
        if data.startswith(PREFACE):
            connection = Http2Connection(self._runtime, self._proxied)
            self._hand_over(connection)
            connection.data_received(data)
        elif not PREFACE.startswith(data):
            self._go_without("a peer of forwarded_allow_ips must begin with the HTTP/2 preface (http2_cleartext)")

    def connection_lost(self, exc: Exception | None) -> None:
        self._runtime.forget(self)

    # Connection, for the server

    def sweep(self, now: float) -> None:
        if self._deadlines.is_read_over(now):
            if self._data:
                self._go_without("the HTTP/2 preface took longer than gasgi_header_timeout_s")
            else:
                self._transport.close()

    def drain(self) -> None:
        self._deadlines.set_read(self._runtime.quiet_s)

    def abort(self) -> None:
        self._transport.abort()

    # The choice

    def _http1(self) -> HttpConnection:
        return HttpConnection(self._runtime, self._proxied)

    def _upgradable(self) -> HttpConnection:
        connection = self._http1()
        connection.switch = self._switch
        return connection

    def _switch(self, head: RequestHead, let_go: Callable[[], bytes]) -> bool:
        """Begin HTTP/2 with a request that asks for it as it should; otherwise it is answered by HTTP/1.1."""
        runtime = self._runtime
        settings = read_offer(head, runtime.settings.body_buffer_bytes)
        if settings is None or runtime.is_draining:
            return False
        Upgrading(runtime, self._transport, self._proxied, head, settings, self._refuse).begin(let_go())
        return True

    def _go_without(self, text: str) -> None:
        """There is no preface: an error where nothing else is offered, and HTTP/1.1 where an upgrade may come."""
        if self._runtime.settings.http2_cleartext == "prior-knowledge":
            self._refuse(RequestError(400, text))
        else:
            data = self._data
            connection = self._upgradable()
            self._hand_over(connection)
            connection.data_received(data)

    def _refuse(self, exc: RequestError) -> None:
        connection = self._http1()
        self._hand_over(connection)
        connection.refuse(exc)

    def _hand_over(self, connection: HttpConnection | Http2Connection) -> None:
        self._data = b""
        # Not forgotten as one that has ended: the other takes its place.
        self._runtime.connections.discard(self)
        self._transport.set_protocol(connection)  # type: ignore[arg-type]  # a protocol in all but its base class
        connection.connection_made(self._transport)
        if self._runtime.is_draining:
            connection.drain()
