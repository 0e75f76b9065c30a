"""Run a real nginx in front of a server, with or without TLS; it ends with the block."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Certificates
from tests.support.gunicorn import DEADLINE_S, free_port, wait_until
from tests.support.programs import find_program

__all__ = ["mark_fronts", "run_nginx"]

_CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    {paths}
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    upstream app {{ server {upstream}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port}{tls};
        client_max_body_size 0;
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
        }}
    }}
}}
"""


def mark_fronts(fronts: Iterable[str], suffix: str = "") -> list[Any]:
    """Return parameters, each with ``suffix``; those that begin with "nginx" are marked as in need of it."""
    needs_nginx = pytest.mark.needs_program("nginx")
    return [pytest.param(name + suffix, marks=[needs_nginx] * name.startswith("nginx")) for name in fronts]


@contextlib.contextmanager
def run_nginx(upstream: str, certificates: Certificates | None = None) -> Iterator[tuple[str, int]]:
    """Yield host and port of an nginx before ``upstream`` (host:port, or unix:/path), with TLS given certificates."""
    with tempfile.TemporaryDirectory() as folder:
        # nginx does not say which port it was given for 0.
        port = free_port()
        tls = ""
        if certificates is not None:
            tls = f" ssl; ssl_certificate {certificates.cert}; ssl_certificate_key {certificates.key}"
        names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "".join(f"{name}_temp_path {folder}/{name};" for name in names)
        config = Path(folder) / "nginx.conf"
        config.write_text(_CONFIG.format(folder=folder, paths=paths, upstream=upstream, port=port, tls=tls))
        command = [find_program("nginx"), "-e", f"{folder}/error.log", "-c", str(config), "-p", folder]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        try:
            pid_file = Path(folder) / "pid"
            wait_until(lambda: pid_file.exists() or process.poll() is not None, "nginx")
            if process.poll() is not None:
                raise AssertionError(f"nginx did not start:\n{process.communicate()[1].decode()}")
            yield "127.0.0.1", port
        finally:
            process.terminate()
            process.wait(DEADLINE_S)
