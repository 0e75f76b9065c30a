"""Serve an application of ``apps`` by gunicorn, behind nginx on request; everything ends with the block."""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

from tests.support.certificates import Certificates
from tests.support.gunicorn import start_gunicorn
from tests.support.nginx import run_nginx

__all__ = ["FRONTS", "LOOPS", "Site", "open_site"]

APPS = Path(__file__).parent / "apps"
FRONTS = ("tcp", "tls", "h2", "nginx")
LOOPS = ("uvloop", "asyncio")


class Site:
    """Where an application is served: ``http`` and ``ws`` are the beginnings of its URLs, without the last slash."""

    def __init__(self, address: str, certificates: Certificates | None, speaks_http2: bool) -> None:
        self.speaks_http2 = speaks_http2
        suffix = "" if certificates is None else "s"
        self.http = f"http{suffix}://{address}"
        self.ws = f"ws{suffix}://{address}"
        self.context = None
        if certificates is not None:
            # The WebSocket client reads in one thread and writes in another, which Python before 3.13.4 does not make
            # safe: with TLS 1.3 one of 200 connections hangs, with any server.
            self.context = certificates.client_context()
            self.context.maximum_version = ssl.TLSVersion.TLSv1_2
        # httpx writes into its context what it offers by ALPN.
        self.http_context = None if certificates is None else certificates.client_context()


@contextlib.contextmanager
def open_site(app: str, front: str, certificates: Certificates, folder: Path, loop: str) -> Iterator[Site]:
    """Serve ``app`` ("module:name") over "tcp", "tls", over TLS and HTTP/2 as "h2", or behind "nginx"."""
    options = ["--chdir", str(APPS), "--graceful-timeout", "5"]
    with_tls = front in ("tls", "h2")
    if with_tls:
        options += ["--certfile", certificates.cert, "--keyfile", certificates.key]
    config = 'http_protocols = "h2,h1"\n' if front == "h2" else ""
    with contextlib.ExitStack() as stack:
        gunicorn = stack.enter_context(start_gunicorn(folder, app, *options, loop=loop, config=config))
        gunicorn.wait_for_workers()
        host, port = gunicorn.address
        address = f"{host}:{port}"
        if front == "nginx":
            host, port = stack.enter_context(run_nginx(address))
            address = f"{host}:{port}"
        yield Site(address, certificates if with_tls else None, front == "h2")
        log = gunicorn.stop()
    # Clients of frameworks leave as they like, and none of that is worth a line at these levels.
    if re.search(r"\[(ERROR|CRITICAL)\]|Traceback", log):
        raise AssertionError(f"gunicorn complained:\n{log}")
