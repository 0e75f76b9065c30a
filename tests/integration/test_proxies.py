"""Behind a real nginx, Apache and HAProxy, with the configurations of docs/deployment.md: make test-programs."""

from __future__ import annotations

import ast
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.support.gunicorn import Gunicorn, free_port, wait_until
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
    ("X-Client-IP", "203.0.113.66"),
    ("X-Cluster-Client-IP", "203.0.113.66"),
    ("True-Client-IP", "203.0.113.66"),
    ("CF-Connecting-IP", "203.0.113.66"),
    ("X-Url-Scheme", "https"),
    ("Front-End-Https", "on"),
    ("X-Original-Host", "evil.example"),
    ("X-Original-URL", "/public"),
    ("X-Rewrite-URL", "/public"),
    ("X-Scheme", "https"),
    ("Forwarded", "for=10.1.1.1"),
    ("Forwarded", "proto=https;host=evil.example"),
    ("Forwarded", 'for="'),
    ("Script_Name", "/public"),
    ("Script-Name", "/public"),
    ("Path_Info", "/public"),
    ("X_Forwarded_For", "203.0.113.66"),
    ("X_Forwarded-Proto", "https"),
    ("X-Forwarded_Prefix", "/public"),
    ("X_Forwarded_Host", "evil.example"),
    ("Remote_Addr", "203.0.113.66"),
    ("Https", "on"),
    # Fields that a proxy is asked to take for those of this connection alone, and so to leave out.
    ("Connection", "close, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Prefix"),
]
# An address of the client's that forwarded_allow_ips, the loopback's first by default, does not list.
CLIENT = "127.0.0.2"
APACHE_MODULES = "/usr/lib/apache2/modules"  # of Debian


def configuration(title: str) -> str:
    """Return the code block of the document that follows the comment ``<!-- tested: title -->``."""
    found = re.search(rf"<!-- tested: {title} -->\n+```\w*\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found, f"docs/deployment.md has no block {title!r}"
    return found.group(1)


def with_changes(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert old in text, f"docs/deployment.md has no {old!r}"
        text = text.replace(old, new)
    return text


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


@contextmanager
def running_nginx(site: str, folder: Path, port: int) -> Iterator[None]:
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"    {name}_temp_path {folder}/{name};\n" for name in names)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log stderr; worker_processes 1;\n"
        f"user root;\nevents {{}}\nhttp {{\n    access_log off;\n{paths}{site}\n}}\n"
    )
    command = [find_program("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with running(command, folder / "nginx.log", port):
        yield


@contextmanager
def running_haproxy(text: str, folder: Path, port: int) -> Iterator[None]:
    (folder / "haproxy.cfg").write_text(text)
    command = [find_program("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")]
    with running(command, folder / "haproxy.log", port):
        yield


@contextmanager
def running_apache(host: str, folder: Path, port: int) -> Iterator[None]:
    modules = ("mpm_event", "authz_core", "headers", "proxy", "proxy_http")
    lines = [f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so" for name in modules]
    lines += [f"ServerName h\nServerRoot {folder}\nDefaultRuntimeDir {folder}\nPidFile {folder}/apache.pid"]
    lines += ["ErrorLog /dev/stderr\nMutex pthread", f"Listen 127.0.0.1:{port}"]
    if os.geteuid() == 0:
        lines += ["User nobody\nGroup #65534"]
    (folder / "apache.conf").write_text("\n".join([*lines, host]))
    command = [find_program("apache2"), "-D", "FOREGROUND", "-f", str(folder / "apache.conf")]
    with running(command, folder / "apache.log", port):
        yield


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def scope(answer: httpx.Response) -> dict:
    return ast.literal_eval(answer.text)


def client_of(address: str = CLIENT) -> httpx.Client:
    return httpx.Client(timeout=30, transport=httpx.HTTPTransport(local_address=address))


def assert_no_client_speaks_for_itself(url: str, **expected: object) -> None:
    """Ask for the scope as a client that claims all kinds of things; nothing of it is believed."""
    with client_of() as client:
        honest = scope(client.get(url))
        assert honest["client"][0] == CLIENT
        for key, value in expected.items():
            assert honest[key] == value
        claims = [[claim] for claim in FORGED] + [FORGED[:-1], FORGED]
        for claim in claims:
            answer = client.get(url, headers=claim)
            assert answer.status_code == 200, f"{claim} gives {answer.text}"
            told = scope(answer)
            for key in ("scheme", "server", "path", "root_path"):
                assert told[key] == honest[key], claim
            assert told["client"][0] == honest["client"][0], claim


def assert_passes_streams_and_websockets(port: int, prefix: str = "") -> None:
    url = f"http://127.0.0.1:{port}{prefix}"
    with httpx.Client(timeout=30) as client:
        with client.stream("GET", url + "/stream") as answer:
            assert "data: ." in next(answer.iter_text())
        for number in range(20):
            assert client.get(f"{url}/count/{number}").text.endswith(f"/count/{number}")
    with connect(f"ws://127.0.0.1:{port}{prefix}/") as websocket:
        websocket.send("through the proxy")
        assert websocket.recv() == "through the proxy"


# nginx


@contextmanager
def nginx_before(address: str, folder: Path, *changes: tuple[str, str]) -> Iterator[int]:
    """Run nginx with the block of the document, changed; yield its port."""
    port = free_port()
    site = with_changes(
        configuration("nginx"), ("/run/app/app.sock", address), ("listen 80", f"listen {port}"), *changes
    )
    with running_nginx(site, folder, port):
        yield port


@pytest.mark.needs_program("nginx")
def test_nginx_tells_the_client_and_passes_streams_and_websockets(start, tmp_path):
    address = f"{tmp_path}/app.sock"
    server = start(APP, "--forwarded-allow-ips", "192.0.2.1", bind=f"unix:{address}")
    with nginx_before(address, tmp_path) as port:
        with client_of() as client:
            told = scope(client.get(f"http://127.0.0.1:{port}/scope", headers={"X-Forwarded-For": "203.0.113.9"}))
        # nginx appends the address it saw; what the client claimed in front of it is not believed.
        assert told["client"][0] == CLIENT
        assert told["scheme"] == "http"
        assert_passes_streams_and_websockets(port)
    server.stop()


@pytest.mark.needs_program("nginx")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_behind_nginx_no_client_speaks_for_itself(start, tmp_path, scheme):
    address = f"{tmp_path}/app.sock"
    server = start(APP, bind=f"unix:{address}")
    with nginx_before(address, tmp_path, ("$scheme", scheme)) as port:
        assert_no_client_speaks_for_itself(f"http://127.0.0.1:{port}/scope", scheme=scheme)
    server.stop()


ROOT_LOCATION = "    location / {"
BY_FIELD = 'gasgi_forwarded_fields = "x-forwarded-for, x-forwarded-prefix"'
BY_SETTING = 'root_path = "/api"'
REMOVED = "proxy_set_header X-Forwarded-Prefix '';"


def prefix_location(*changes: tuple[str, str]) -> tuple[str, str]:
    return ROOT_LOCATION, with_changes(configuration("nginx prefix"), *changes) + "\n" + ROOT_LOCATION


PREFIXES = {
    "field": (BY_FIELD, prefix_location()),
    "setting, cut off": (BY_SETTING, prefix_location(("proxy_set_header X-Forwarded-Prefix /api;", ""))),
    "setting, left": (
        BY_SETTING,
        prefix_location(("proxy_set_header X-Forwarded-Prefix /api;", ""), ("http://app/;", "http://app;")),
    ),
}


@pytest.mark.needs_program("nginx")
@pytest.mark.parametrize(("setting", "location"), PREFIXES.values(), ids=PREFIXES)
def test_below_a_prefix_of_nginx_paths_and_links_are_right(start, tmp_path, setting, location):
    address = f"{tmp_path}/app.sock"
    removed = ("proxy_set_header X-Forwarded-Ssl '';", f"proxy_set_header X-Forwarded-Ssl '';\n{REMOVED}")
    server = start(APP, bind=f"unix:{address}", config=setting)
    with nginx_before(address, tmp_path, removed, location) as port:
        assert_no_client_speaks_for_itself(f"http://127.0.0.1:{port}/api/scope", root_path="/api", path="/api/scope")
    server.stop()


@pytest.mark.needs_program("nginx")
@pytest.mark.parametrize(("setting", "location"), PREFIXES.values(), ids=PREFIXES)
def test_below_a_prefix_of_nginx_fastapi_shows_its_documentation(start, tmp_path, setting, location):
    address = f"{tmp_path}/app.sock"
    server = start("tests.integration.fastapi_app:app", bind=f"unix:{address}", config=setting)
    with nginx_before(address, tmp_path, location) as port, httpx.Client(timeout=30) as client:
        url = f"http://127.0.0.1:{port}"
        page = client.get(url + "/api/docs")
        assert page.status_code == 200
        assert "url: '/api/openapi.json'" in page.text
        description = client.get(url + "/api/openapi.json").json()
        assert description["servers"] == [{"url": "/api"}]
        assert "/state" in description["paths"]
        assert client.get(url + "/api/state").json()["pool"] == "open"
        moved = client.get(url + "/api/state/")
        assert (moved.status_code, moved.headers["location"]) == (307, url + "/api/state")
        with connect(f"ws://127.0.0.1:{port}/api/ws") as websocket:
            websocket.send("prefix")
            assert websocket.recv() == "PREFIX"
    server.stop()


# Apache


@contextmanager
def apache_before(server: Gunicorn, folder: Path, *changes: tuple[str, str]) -> Iterator[int]:
    port = free_port()
    host = with_changes(
        configuration("apache"),
        ("*:80", f"127.0.0.1:{port}"),
        ("127.0.0.1:8000", "{}:{}".format(*server.address)),
        *changes,
    )
    with running_apache(host, folder, port):
        yield port


@pytest.mark.needs_program("apache2")
def test_apache_passes_streams_and_websockets(start, tmp_path):
    server = start(APP)
    with apache_before(server, tmp_path) as port:
        assert_passes_streams_and_websockets(port)
    server.stop()


@pytest.mark.needs_program("apache2")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_behind_apache_no_client_speaks_for_itself(start, tmp_path, scheme):
    server = start(APP)
    with apache_before(server, tmp_path, ('"expr=%{REQUEST_SCHEME}"', scheme)) as port:
        assert_no_client_speaks_for_itself(f"http://127.0.0.1:{port}/scope", scheme=scheme)
    server.stop()


# HAProxy


@contextmanager
def haproxy_before(server: Gunicorn, folder: Path, title: str, *changes: tuple[str, str]) -> Iterator[int]:
    port = free_port()
    text = with_changes(configuration(title), ("127.0.0.1:8000", "{}:{}".format(*server.address)), *changes)
    text = re.sub(r"bind :\d+", f"bind 127.0.0.1:{port}", text)
    with running_haproxy(text, folder, port):
        yield port


@pytest.mark.needs_program("haproxy")
def test_haproxy_in_http_mode_passes_streams_and_websockets(start, tmp_path):
    server = start(APP)
    with haproxy_before(server, tmp_path, "haproxy http") as port:
        assert_passes_streams_and_websockets(port)
    server.stop()


@pytest.mark.needs_program("haproxy")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_behind_haproxy_in_http_mode_no_client_speaks_for_itself(start, tmp_path, scheme):
    server = start(APP)
    changes = [("https if { ssl_fc }", "https")] if scheme == "https" else []
    changes += [("http-request set-header X-Forwarded-Proto http unless { ssl_fc }", "")] if changes else []
    with haproxy_before(server, tmp_path, "haproxy http", *changes) as port:
        assert_no_client_speaks_for_itself(f"http://127.0.0.1:{port}/scope", scheme=scheme)
    server.stop()


def send_proxy(version: int) -> tuple[str, str]:
    return "send-proxy-v2", "send-proxy" if version == 1 else "send-proxy-v2"


@pytest.mark.needs_program("haproxy")
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
def test_haproxy_tells_the_client_by_the_proxy_protocol(start, tmp_path, certificates, loop, version, is_tls):
    options = ["--proxy-protocol", f"v{version}"]
    if is_tls:
        options += ["--certfile", certificates.cert, "--keyfile", certificates.key]
    server = start(APP, *options, loop=loop)
    with haproxy_before(server, tmp_path, "haproxy", send_proxy(version)) as port:
        verify = certificates.client_context() if is_tls else True
        with httpx.Client(timeout=30, verify=verify) as client:
            answer = client.get(f"{'https' if is_tls else 'http'}://127.0.0.1:{port}/scope")
            seen_port = answer.extensions["network_stream"].get_extra_info("client_addr")[1]
        told = scope(answer)
        assert told["client"] == ("127.0.0.1", seen_port)
        assert told["server"] == ("127.0.0.1", port)
    server.stop()


@pytest.mark.needs_program("haproxy")
@pytest.mark.parametrize("version", [1, 2])
def test_behind_haproxy_in_tcp_mode_no_client_speaks_for_itself(start, tmp_path, version):
    """Every byte of HTTP is the client's, and the peer of the connection, HAProxy, is trusted."""
    server = start(APP, "--proxy-protocol", "auto")
    with haproxy_before(server, tmp_path, "haproxy", send_proxy(version)) as port:
        assert_no_client_speaks_for_itself(f"http://127.0.0.1:{port}/scope")
    server.stop()


@pytest.mark.needs_program("haproxy")
@pytest.mark.parametrize("version", [1, 2])
def test_behind_haproxy_in_tcp_mode_a_proxy_that_is_listed_speaks_for_its_client(start, tmp_path, version):
    server = start(APP, "--proxy-protocol", "auto", "--forwarded-allow-ips", CLIENT)
    fields = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    with haproxy_before(server, tmp_path, "haproxy", send_proxy(version)) as port:
        url = f"http://127.0.0.1:{port}/scope"
        with client_of(CLIENT) as listed, client_of("127.0.0.3") as other:
            told = scope(listed.get(url, headers=fields))
            assert (told["client"][0], told["scheme"]) == ("203.0.113.9", "https")
            told = scope(other.get(url, headers=fields))
            assert (told["client"][0], told["scheme"]) == ("127.0.0.3", "http")
    server.stop()
