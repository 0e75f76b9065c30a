"""A connection whose protocol is yet to be chosen, and who may be at its other end."""

from __future__ import annotations

from typing import Any

from gasgi.proxy.policy import ProxyPolicy
from gasgi.settings import Settings
from gasgi.worker.wire import ProtocolChoice
from tests.support.served import Served

__all__ = ["BOTH", "PROXY", "STRANGER", "UNIX", "ChoiceRig", "TlsObject"]

BOTH = ("h2", "h1")
PROXY = {"peername": ("127.0.0.1", 50000), "sockname": ("127.0.0.1", 8000)}
STRANGER = {"peername": ("192.0.2.1", 50000), "sockname": ("127.0.0.1", 8000)}
UNIX = {"peername": "", "sockname": "/run/app.sock"}


class TlsObject:
    def __init__(self, alpn: str | None) -> None:
        self._alpn = alpn

    def selected_alpn_protocol(self) -> str | None:
        return self._alpn


class ChoiceRig(Served):
    """``app``: None lets the test answer."""

    protocol: Any = ProtocolChoice

    def __init__(self, extra: dict[str, Any], app: Any = None, observer: Any = None, **settings: Any) -> None:
        settings = {"http_protocols": BOTH, "http2_cleartext": "prior-knowledge", **settings}

        def prepare(runtime: Any) -> None:
            runtime.proxy = ProxyPolicy(runtime.settings)

        super().__init__(app, Settings(**settings), observer, extra=extra, prepare=prepare)
        self.connection = self.transport.protocol

    def send(self, *pieces: bytes) -> None:
        super().send(*pieces)
        self.connection = self.transport.protocol
