"""Run an nginx in front of a server: plain HTTP on both sides, no log."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.load import LoadError, wait_for_port
from harness.processes import ProcessTree, free_port, prefer

__all__ = ["KEPT", "nginx"]

KEPT = 'proxy_http_version 1.1; proxy_set_header Connection "";'
_CONFIG = """
daemon off; pid {directory}/nginx.pid; error_log {directory}/error.log; worker_processes 1;
events {{ worker_connections 4096; }}
http {{
    access_log off; client_body_temp_path {directory}/b; proxy_temp_path {directory}/p; fastcgi_temp_path {directory}/f;
    uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
    upstream worker {{ server 127.0.0.1:{worker}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{front} backlog=4096; keepalive_requests 1000000;
        location / {{ proxy_pass http://worker; {lines} }}
    }}
}}
"""


@contextlib.contextmanager
def nginx(port: int, core: int | None, lines: str = KEPT, is_preferred: bool = False) -> Iterator[int]:
    """Yield the port of an nginx before ``port``; ``lines`` go into its location, ``is_preferred``: see ``prefer``."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
        directory, front = Path(folder), free_port()
        path = directory / "nginx.conf"
        path.write_text(_CONFIG.format(directory=directory, worker=port, front=front, lines=lines))
        proxy = ProcessTree(["nginx", "-p", folder, "-c", str(path)], core, {}, directory, output)
        try:
            if is_preferred:
                prefer(proxy.pids()[0])
            try:
                wait_for_port(front, proxy.is_alive)
            except LoadError as exc:
                output.seek(0)
                raise LoadError(f"nginx: {exc}: {output.read().decode(errors='replace')[-500:]}") from exc
            yield front
        finally:
            proxy.stop()
