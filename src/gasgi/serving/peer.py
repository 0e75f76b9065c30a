"""Who is at the other end of a connection, and how far it is believed."""

from __future__ import annotations

import asyncio
from typing import Any

from gasgi.proxy.protocol import ProxyInfo
from gasgi.serving.runtime import Runtime

__all__ = ["Peer"]

Address = tuple[str, int]


class Peer:
    """Of one connection; read once, when its transport is there. ``proxied``: what a PROXY header said, if one came."""

    def __init__(self, runtime: Runtime, transport: asyncio.Transport, proxied: ProxyInfo | None) -> None:
        self.is_tls = transport.get_extra_info("sslcontext") is not None
        self.scheme = "https" if self.is_tls else "http"
        self.client = _address(transport.get_extra_info("peername"))
        sockname = transport.get_extra_info("sockname")
        self.server: tuple[str, int | None] | None = _address(sockname)
        if self.server is None and sockname:
            path = sockname.decode("utf-8", "surrogateescape") if isinstance(sockname, bytes) else sockname
            self.server = (path, None)
        self.is_trusted = False  # whether its forwarding fields are believed
        if runtime.proxy is not None:
            is_unix = self.server is not None and self.server[1] is None
            if self.client is not None:
                self.is_trusted = runtime.proxy.is_trusted(self.client[0], proxied)
            elif is_unix:
                self.is_trusted = runtime.proxy.is_trusted(None, proxied)
        self.proxied = proxied
        if proxied is not None:
            self.client = proxied.client or self.client
            self.server = proxied.server or self.server
        self.template: dict[str, Any] | None = None  # kept by the admission: what the scopes have in common
        self.tls: dict[str, Any] | None = None  # the tls extension of the scope, copied for each request
        if runtime.tls_info is not None and self.is_tls:
            self.tls = runtime.tls_info(transport.get_extra_info("ssl_object"))

    def __str__(self) -> str:
        """Name the client in a log line."""
        return "a unix socket" if self.client is None else self.client[0]


def _address(name: Any) -> Address | None:
    """Cut a socket name to host and port; None for a unix socket."""
    return (name[0], name[1]) if isinstance(name, tuple) else None
