"""Behind a real nginx and a real HAProxy, with the configurations of docs/deployment.md: make test-programs."""

from __future__ import annotations

import ast
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.support.gunicorn import free_port, wait_until
from tests.support.programs import find_program

APP = "tests.integration.apps:app"
DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "deployment.md").read_text()


# What a client may claim of itself in any forwarding field that some proxy sets.
FORGED = [
    ("X-Forwarded-For", "203.0.113.66"),
    ("X-Forwarded-For", "not an address"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Protocol", "ssl"),
    ("X-Forwarded-Ssl", "on"),
    ("X-Forwarded-Scheme", "https"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Server", "evil.example"),
    ("X-Forwarded-Port", "99999"),
    ("X-Forwarded-Prefix", "/public"),
    ("X-Real-IP", "203.0.113.66"),
    ("X-Scheme", "https"),
    ("Forwarded", "for=10.1.1.1"),
    ("Forwarded", "proto=https;host=evil.example"),
    ("Forwarded", 'for="'),
    ("Script_Name", "/public"),
    ("Script-Name", "/public"),
    ("Path_Info", "/public"),
]


def configuration(title: str) -> str:
    """Return the code block of the document that follows the comment ``<!-- tested: title -->``."""
    found = re.search(rf"<!-- tested: {title} -->\n+```\w*\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found, f"docs/deployment.md has no block {title!r}"
    return found.group(1)


@contextmanager
def running(command: list[str], log: Path, port: int) -> Iterator[None]:
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        wait_until(lambda: is_open(port) or process.poll() is not None, f"port {port}")
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait()


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def scope(answer: httpx.Response) -> dict:
    return ast.literal_eval(answer.text)


@pytest.fixture
def nginx(start, tmp_path):
    """nginx in front of a unix socket; returns the port."""
    server = start(APP, "--forwarded-allow-ips", "192.0.2.1", bind=f"unix:{tmp_path}/app.sock")
    port = free_port()
    site = (
        configuration("nginx")
        .replace("/run/app/app.sock", f"{tmp_path}/app.sock")
        .replace("listen 80", f"listen {port}")
    )
    paths = "".join(
        f"    {name}_temp_path {tmp_path}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; pid {tmp_path}/nginx.pid; error_log stderr; worker_processes 1;\n"
        f"user root;\nevents {{}}\nhttp {{\n    access_log off;\n{paths}{site}\n}}\n"
    )
    command = [find_program("nginx"), "-e", "stderr", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    with running(command, tmp_path / "nginx.log", port):
        yield port
    server.stop()


@pytest.mark.needs_program("nginx")
def test_nginx_tells_the_client_and_passes_streams_and_websockets(nginx):
    url = f"http://127.0.0.1:{nginx}"
    with httpx.Client(timeout=30) as client:
        told = scope(client.get(url + "/scope", headers={"Host": "shop.example", "X-Forwarded-For": "203.0.113.9"}))
        # nginx appends the address it saw; what the client claimed in front of it is not believed.
        assert told["client"][0] == "127.0.0.1"
        assert told["scheme"] == "http"
        with client.stream("GET", url + "/stream") as answer:
            pieces = answer.iter_text()
            assert "data: ." in next(pieces)
        for number in range(20):
            assert client.get(f"{url}/count/{number}").text == f"/count/{number}"
    with connect(f"ws://127.0.0.1:{nginx}/") as websocket:
        websocket.send("through nginx")
        assert websocket.recv() == "through nginx"


@pytest.mark.needs_program("haproxy")
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
def test_haproxy_tells_the_client_by_the_proxy_protocol(start, tmp_path, certificates, loop, version, is_tls):
    options = ["--proxy-protocol", f"v{version}"]
    if is_tls:
        options += ["--certfile", certificates.cert, "--keyfile", certificates.key]
    server = start(APP, *options, loop=loop)
    port = free_port()
    text = configuration("haproxy").replace("127.0.0.1:8000", "{}:{}".format(*server.address))
    text = text.replace("bind :443", f"bind 127.0.0.1:{port}").replace(
        "send-proxy-v2", f"send-proxy{'-v2' * (version - 1)}"
    )
    (tmp_path / "haproxy.cfg").write_text(text)
    with running([find_program("haproxy"), "-db", "-f", str(tmp_path / "haproxy.cfg")], tmp_path / "haproxy.log", port):
        verify = certificates.client_context() if is_tls else True
        with httpx.Client(timeout=30, verify=verify) as client:
            answer = client.get(f"{'https' if is_tls else 'http'}://127.0.0.1:{port}/scope")
            seen_port = answer.extensions["network_stream"].get_extra_info("client_addr")[1]
        told = scope(answer)
        assert told["client"] == ("127.0.0.1", seen_port)
        assert told["server"] == ("127.0.0.1", port)
    server.stop()


@pytest.mark.needs_program("nginx")
def test_behind_nginx_no_client_speaks_for_itself(nginx):
    url = f"http://127.0.0.1:{nginx}/scope"
    with httpx.Client(timeout=30) as client:
        honest = scope(client.get(url))
        for name, value in FORGED:
            answer = client.get(url, headers={name: value})
            assert answer.status_code == 200, f"{name}: {value} gives {answer.text}"
            assert_same_client(scope(answer), honest, f"{name}: {value}")


@pytest.mark.needs_program("haproxy")
def test_behind_haproxy_in_tcp_mode_no_client_speaks_for_itself(start, tmp_path):
    """Every byte of HTTP is the client's, and the peer of the connection, HAProxy, is trusted."""
    server = start(APP, "--proxy-protocol", "v2")
    port = free_port()
    text = configuration("haproxy").replace("127.0.0.1:8000", "{}:{}".format(*server.address))
    (tmp_path / "haproxy.cfg").write_text(text.replace("bind :443", f"bind 127.0.0.1:{port}"))
    url = f"http://127.0.0.1:{port}/scope"
    command = [find_program("haproxy"), "-db", "-f", str(tmp_path / "haproxy.cfg")]
    # From an address that forwarded_allow_ips, the loopback's first by default, does not list.
    client = httpx.Client(timeout=30, transport=httpx.HTTPTransport(local_address="127.0.0.2"))
    with running(command, tmp_path / "haproxy.log", port), client:
        honest = scope(client.get(url))
        assert honest["client"][0] == "127.0.0.2"
        for name, value in FORGED:
            answer = client.get(url, headers={name: value})
            assert answer.status_code == 200, f"{name}: {value} gives {answer.text}"
            assert_same_client(scope(answer), honest, f"{name}: {value}")
    server.stop()


def assert_same_client(told, honest, claim):
    for key in ("scheme", "server", "path", "root_path"):
        assert told[key] == honest[key], claim
    assert told["client"][0] == honest["client"][0], claim
