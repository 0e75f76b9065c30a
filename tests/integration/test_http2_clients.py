"""Clients and proxies that are not of this project, over HTTP/2: curl, nghttp, h2load, nginx."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.http2_app import PIECES
from tests.integration.test_http2 import APP, CLEAR, TLS, tls
from tests.integration.test_proxies import running
from tests.support.gunicorn import free_port
from tests.support.programs import find_program

STREAMED = "".join(f"{i}\n" for i in range(PIECES))


def run(program: str, *arguments: str) -> str:
    command = [find_program(program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(params=["tls", "cleartext"])
def site(request: pytest.FixtureRequest, start: Any, certificates: Any) -> tuple[str, bool]:
    """The address of a server, and whether TLS is spoken there."""
    with_tls = request.param == "tls"
    server = start(APP, *(tls(certificates) if with_tls else ()), config=TLS if with_tls else CLEAR)
    host, port = server.address
    return f"{'https' if with_tls else 'http'}://{host}:{port}", with_tls


@pytest.mark.needs_program("curl")
def test_curl(site, tmp_path):
    address, with_tls = site
    options = ["-sS", "--max-time", "60", "--http2" if with_tls else "--http2-prior-knowledge", *["-k"] * with_tls]
    scheme = address.split(":")[0]
    assert run("curl", *options, "-w", " %{http_version}", address + "/a") == f"2 {scheme} 127.0.0.1 /a 2"
    assert run("curl", *options, "-N", address + "/stream") == STREAMED
    assert "HTTP/2 200" in run("curl", *options, "-I", address + "/a")
    sent, got = tmp_path / "sent", tmp_path / "got"
    sent.write_bytes(bytes(range(256)) * 8000)
    for more in ((), ("-H", "Expect: 100-continue"), ("-H", "Content-Length:")):
        run("curl", *options, *more, "--data-binary", f"@{sent}", "-o", str(got), address + "/echo")
        assert got.read_bytes() == sent.read_bytes()
    if not with_tls:
        return  # side by side with prior knowledge curl 7.88 fails with every server
    urls = [f"{address}/{i}." for i in range(50)]
    said = run("curl", *options, "-Z", *[part for url in urls for part in ("-o", "-", url)])
    assert sorted(re.findall(r"127.0.0.1 /(\d+)\.", said), key=int) == [str(i) for i in range(50)]


@pytest.mark.needs_program("nghttp")
def test_nghttp(site, tmp_path):
    address, _ = site
    said = run("nghttp", "-nv", "-m", "20", address + "/a", address + "/stream")
    assert said.count("END_STREAM") >= 40
    assert said.count(":status: 200") == 40
    assert "RST_STREAM" not in said
    assert "error_code=NO_ERROR" in said  # of its own GOAWAY
    sent = tmp_path / "sent"
    sent.write_bytes(b"x" * 300_000)
    assert run("nghttp", "-d", str(sent), address + "/echo") == "x" * 300_000
    # Padded, with continuations, through a window of 1 KiB, and with trailers.
    options = ("-b", "16", "--hexdump", "-w", "10", "-W", "10", "--trailer", "a: b", "-H", "x: " + "y" * 7000)
    said = run("nghttp", "-v", *options, "-d", str(sent), address + "/echo")
    assert ":status: 200" in said
    assert "RST_STREAM" not in said


@pytest.mark.needs_program("h2load")
@pytest.mark.parametrize("path", ["/a", "/echo"])
def test_h2load(site, tmp_path, path):
    address, _ = site
    sent = tmp_path / "sent"
    sent.write_bytes(b"x" * 20_000)
    options = ("-d", str(sent)) if path == "/echo" else ()
    said = run("h2load", "-n", "1000", "-c", "8", "-m", "25", *options, address + path)
    assert "1000 succeeded, 0 failed, 0 errored, 0 timeout" in said, said
    assert "status codes: 1000 2xx" in said, said


GRPC_PASS = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off; client_body_temp_path {folder}/body; grpc_ssl_verify off;
    proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    upstream app {{ server {upstream}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port} http2;
        client_max_body_size 0;
        location / {{ grpc_pass {scheme}://app; grpc_set_header X-Forwarded-For $remote_addr; }}
    }}
}}
"""


@pytest.mark.needs_program("nginx", "nghttp", "h2load")
def test_nginx_speaks_http2_to_the_worker(site, tmp_path: Path):
    """The nginx of most distributions does so with grpc_pass alone."""
    address, with_tls = site
    port = free_port()
    scheme = "grpcs" if with_tls else "grpc"
    text = GRPC_PASS.format(folder=tmp_path, upstream=address.split("//")[1], port=port, scheme=scheme)
    (tmp_path / "nginx.conf").write_text(text)
    front = f"http://127.0.0.1:{port}"
    command = [find_program("nginx"), "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)]
    with running(command, tmp_path / "nginx.log", port):
        assert run("nghttp", front + "/stream") == STREAMED
        sent = tmp_path / "sent"
        sent.write_bytes(b"x" * 300_000)
        assert run("nghttp", "-d", str(sent), front + "/echo") == "x" * 300_000
        said = run("h2load", "-n", "500", "-c", "4", "-m", "10", front + "/a")
        assert "500 succeeded, 0 failed, 0 errored, 0 timeout" in said, said


HAPROXY = """
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 60s
frontend f
    bind 127.0.0.1:{port} proto h2
    bind 127.0.0.1:{port1}
    option forwardfor
    default_backend app
backend app
    server app1 {upstream} proto h2 {more}
"""


@pytest.mark.needs_program("haproxy", "nghttp", "h2load")
def test_haproxy_carries_streams_side_by_side(site, tmp_path: Path):
    address, with_tls = site
    port, port1 = free_port(), free_port()
    more = "ssl verify none alpn h2" if with_tls else ""
    text = HAPROXY.format(port=port, port1=port1, upstream=address.split("//")[1], more=more)
    (tmp_path / "haproxy.cfg").write_text(text)
    command = [find_program("haproxy"), "-db", "-f", str(tmp_path / "haproxy.cfg")]
    front = f"http://127.0.0.1:{port}"
    with running(command, tmp_path / "haproxy.log", port):
        assert run("nghttp", front + "/stream") == STREAMED
        said = run("h2load", "-n", "1000", "-c", "4", "-m", "25", front + "/a")
        assert "1000 succeeded, 0 failed, 0 errored, 0 timeout" in said, said
        with httpx.Client(base_url=f"http://127.0.0.1:{port1}", timeout=60) as client:
            assert client.get("/b").text.startswith("2 ")
