"""Serve an application of ``apps`` by gunicorn, behind nginx on request; everything ends with the block."""

from __future__ import annotations

import contextlib
import os
import re
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.certificates import Certificates
from tests.support.gunicorn import DEADLINE_S, free_port, start_gunicorn, wait_until

__all__ = ["FRONTS", "LOOPS", "Site", "open_site"]

APPS = Path(__file__).parent / "apps"
FRONTS = ("tcp", "tls", "nginx")
LOOPS = ("uvloop", "asyncio")


class Site:
    """Where an application is served: ``http`` and ``ws`` are the beginnings of its URLs, without the last slash."""

    def __init__(self, address: str, certificates: Certificates | None) -> None:
        suffix = "" if certificates is None else "s"
        self.http = f"http{suffix}://{address}"
        self.ws = f"ws{suffix}://{address}"
        self.context = None
        if certificates is not None:
            # The WebSocket client reads in one thread and writes in another, which Python before 3.13.4 does not make
            # safe: with TLS 1.3 one of 200 connections hangs, with any server.
            self.context = certificates.client_context()
            self.context.maximum_version = ssl.TLSVersion.TLSv1_2


@contextlib.contextmanager
def open_site(app: str, front: str, certificates: Certificates, folder: Path, loop: str) -> Iterator[Site]:
    """Serve ``app`` ("module:name") over "tcp", "tls" or behind "nginx"."""
    options = ["--chdir", str(APPS), "--graceful-timeout", "5"]
    if front == "tls":
        options += ["--certfile", certificates.cert, "--keyfile", certificates.key]
    with contextlib.ExitStack() as stack:
        gunicorn = stack.enter_context(start_gunicorn(folder, app, *options, loop=loop))
        gunicorn.wait_for_workers()
        host, port = gunicorn.address
        address = f"{host}:{port}"
        if front == "nginx":
            address = stack.enter_context(_nginx(address))
        yield Site(address, certificates if front == "tls" else None)
        log = gunicorn.stop()
    # Clients of frameworks leave as they like, and none of that is worth a line at these levels.
    if re.search(r"\[(ERROR|CRITICAL)\]|Traceback", log):
        raise AssertionError(f"gunicorn complained:\n{log}")


@contextlib.contextmanager
def _nginx(upstream: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        # nginx does not say which port it was given for 0.
        port = free_port()
        paths = "".join(
            f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config = Path(folder) / "nginx.conf"
        config.write_text(
            f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;"
            "events { worker_connections 64; }"
            f"http {{ access_log off; {paths} map $http_upgrade $upgrading {{ default upgrade; '' ''; }}"
            f"upstream app {{ server {upstream}; keepalive 8; }}"
            f"server {{ listen 127.0.0.1:{port}; client_max_body_size 0;"
            "location / { proxy_pass http://app; proxy_http_version 1.1; proxy_buffering off;"
            "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;"
            "proxy_set_header X-Forwarded-Proto $scheme;"
            "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $upgrading; } } }"
        )
        process = subprocess.Popen(["nginx", "-c", str(config), "-p", folder], stderr=subprocess.PIPE)
        try:
            wait_until(lambda: os.path.exists(f"{folder}/pid") or process.poll() is not None, "nginx")
            if process.poll() is not None:
                raise AssertionError(f"nginx did not start:\n{process.communicate()[1].decode()}")
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(DEADLINE_S)
