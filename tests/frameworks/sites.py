"""Start gunicorn with an application of ``apps``, and nginx in front of it; everything ends with the block."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import trustme

__all__ = ["FRONTS", "Authority", "Site", "open_site"]

APPS = Path(__file__).parent / "apps"
FRONTS = ("tcp", "tls", "nginx")
PATIENCE_S = 60.0


class Authority:
    """A certificate authority of the test session, with one certificate for 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        self.cafile, self.certfile, self.keyfile = (str(folder / name) for name in ("ca.pem", "cert.pem", "key.pem"))
        authority.cert_pem.write_to_path(self.cafile)
        certificate.private_key_pem.write_to_path(self.keyfile)
        with open(self.certfile, "wb") as file:
            for blob in certificate.cert_chain_pems:
                file.write(blob.bytes())
        self.context = ssl.create_default_context(cafile=self.cafile)


class Site:
    """Where an application is served: ``http`` and ``ws`` are the beginnings of its URLs, without the last slash."""

    def __init__(self, address: str, authority: Authority | None, log: Path) -> None:
        suffix = "s" if authority is not None else ""
        self.http = f"http{suffix}://{address}"
        self.ws = f"ws{suffix}://{address}"
        self.context = authority.context if authority is not None else None
        self.cafile = authority.cafile if authority is not None else None
        self.log = log


@contextlib.contextmanager
def open_site(app: str, front: str, authority: Authority, folder: Path, loop: str = "auto") -> Iterator[Site]:
    """Serve ``app`` ("module:name") over "tcp", "tls" or behind "nginx"."""
    with contextlib.ExitStack() as stack:
        arguments = ["--certfile", authority.certfile, "--keyfile", authority.keyfile] if front == "tls" else []
        log = folder / "gunicorn.log"
        address = stack.enter_context(_gunicorn(app, arguments, log, loop))
        if front == "nginx":
            address = stack.enter_context(_nginx(address))
        yield Site(address, authority if front == "tls" else None, log)
    # A server that stops cleanly and met nothing unexpected has said nothing at these levels.
    text = log.read_text()
    if re.search(r"\[(ERROR|CRITICAL)\]|Traceback", text):
        raise AssertionError(f"gunicorn complained:\n{text}")


@contextlib.contextmanager
def _gunicorn(app: str, arguments: list[str], log: Path, loop: str) -> Iterator[str]:
    command = [sys.executable, "-m", "gunicorn", "--chdir", str(APPS), "--worker-class", "gasgi.Worker"]
    command += ["--bind", "127.0.0.1:0", "--asgi-loop", loop, "--graceful-timeout", "5", "--worker-tmp-dir", "/dev/shm"]
    with log.open("w") as output:
        process = subprocess.Popen([*command, *arguments, app], stdout=output, stderr=subprocess.STDOUT)
    try:
        # The worker's own line: the application is loaded and started.
        _wait_for(log, r"gasgi \d", process)
        yield _wait_for(log, r"Listening at: https?://([\d.:]+)", process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def _wait_for(log: Path, pattern: str, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        text = log.read_text()
        if found := re.search(pattern, text):
            return found.group(found.lastindex or 0)
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise AssertionError(f"gunicorn did not start:\n{log.read_text()}")


@contextlib.contextmanager
def _nginx(upstream: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        # nginx does not say which port it was given for 0.
        port = _free_port()
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
            deadline = time.monotonic() + PATIENCE_S
            while not os.path.exists(f"{folder}/pid") and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            if process.poll() is not None:
                raise AssertionError(f"nginx did not start:\n{process.communicate()[1].decode()}")
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
