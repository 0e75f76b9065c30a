"""Serve an application over every way a WebSocket client may come, and connect two real clients to it."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from httpx_ws import WebSocketSession, connect_ws
from websockets.sync.client import ClientConnection, connect, unix_connect

from tests.support.certificates import Certificates
from tests.support.gunicorn import Gunicorn, start_gunicorn
from tests.support.nginx import run_nginx

__all__ = ["FRONTS", "WebSocketSite", "open_site", "talk"]

FRONTS = ("tcp", "tls", "unix", "nginx", "nginx-tls")


class WebSocketSite:
    """Where an application is served; ``server`` is the gunicorn behind it."""

    def __init__(self, server: Gunicorn, address: tuple[str, int] | str, certificates: Certificates | None) -> None:
        self.server = server
        self.address = address
        self.context = None
        if certificates is not None:
            # Both clients read in one thread and write in another, which Python before 3.13.4 does not make safe: the
            # handshake's rest in TLS 1.3 meets the first write, and one of 200 connections hangs, with any server.
            self.context = certificates.client_context()
            self.context.maximum_version = ssl.TLSVersion.TLSv1_2
        self._suffix = "" if certificates is None else "s"
        self._host = "localhost" if isinstance(address, str) else "{}:{}".format(*address)
        self._journal = server.directory / "journal"

    def connect(self, path: str, **options: Any) -> ClientConnection:
        """Connect a client of ``websockets``."""
        options = {"max_size": None, "open_timeout": 40, **options}
        if isinstance(self.address, str):
            return unix_connect(self.address, f"ws://localhost{path}", **options)
        return connect(f"ws{self._suffix}://{self._host}{path}", ssl=self.context, **options)

    def client(self) -> httpx.Client:
        """Return a client that finds the site under any path, for HTTP and for httpx-ws."""
        transport = httpx.HTTPTransport(
            verify=self.context or True, uds=self.address if isinstance(self.address, str) else None
        )
        return httpx.Client(base_url=f"http{self._suffix}://{self._host}", transport=transport, timeout=40)

    def journal(self) -> list[str]:
        """Lines that the application noted."""
        return self._journal.read_text().splitlines() if self._journal.exists() else []


@contextlib.contextmanager
def talk(path: str, client: httpx.Client, **options: Any) -> Iterator[WebSocketSession]:
    """Connect httpx-ws and leave nothing of it behind.

    httpx-ws 0.9.0 closes its socket while a thread of an executor reads it, and does not wait for that thread. With TLS
    it reads on under the number of the closed descriptor: the first bytes of the next connection, whose handshake then
    fails (WRONG_VERSION_NUMBER), with any server.
    """
    before = set(threading.enumerate())
    try:
        with connect_ws(path, client, **options) as session:
            yield session
    finally:
        for thread in set(threading.enumerate()) - before:
            if thread.name.startswith("ThreadPoolExecutor"):
                thread.join(40)
                assert not thread.is_alive(), "httpx-ws still reads"


@contextlib.contextmanager
def open_site(
    app: str, front: str, certificates: Certificates, folder: Path, *options: str, loop: str = "auto", config: str = ""
) -> Iterator[WebSocketSite]:
    """Serve ``app`` ("module:name") by one of ``FRONTS``; the worker must not complain."""
    bind = f"unix:{folder}/socket" if front in ("unix", "nginx-tls") else "127.0.0.1:0"
    if front == "tls":
        options += ("--certfile", certificates.cert, "--keyfile", certificates.key)
    environ = {"JOURNAL": str(folder / "journal")}
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(
            start_gunicorn(folder, app, *options, bind=bind, loop=loop, config=config, environ=environ)
        )
        server.wait_for_workers()
        address: tuple[str, int] | str = f"{folder}/socket" if front in ("unix", "nginx-tls") else server.address
        if front.startswith("nginx"):
            upstream = f"unix:{address}" if isinstance(address, str) else "{}:{}".format(*address)
            address = stack.enter_context(run_nginx(upstream, certificates if front == "nginx-tls" else None))
        yield WebSocketSite(server, address, certificates if front.endswith("tls") else None)
