"""HTTP/2 on real sockets: by ALPN and by prior knowledge, beside HTTP/1.1, and to the end of a worker."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess

import httpx
import pytest

from tests.integration.http2_app import PIECES
from tests.integration.test_proxies import running_haproxy
from tests.integration.test_tls import WITHOUT_AIOFASTNET
from tests.support.gunicorn import free_port, wait_until
from tests.support.http2_client import Http2Client
from tests.support.programs import find_program

APP = "tests.integration.http2_app:app"
# In the file, where gunicorn before 25 passes it over and gasgi reads it.
TLS = 'http_protocols = "h2,h1"\n'
CLEAR = TLS + 'http2_cleartext = "prior-knowledge"\n'
GET = b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


def tls(certificates) -> tuple[str, ...]:
    return ("--certfile", certificates.cert, "--keyfile", certificates.key)


def say(address, data: bytes, source: str = "127.0.0.1") -> bytes:
    """Send bytes; return all that comes."""
    with socket.create_connection(address, source_address=(source, 0)) as client:
        client.settimeout(60)
        client.sendall(data)
        found = b""
        while piece := client.recv(65536):
            found += piece
        return found


def url(server, path: str) -> str:
    return "https://{}:{}{}".format(*server.address, path)


@pytest.mark.parametrize("aiofastnet", [True, False], ids=["aiofastnet", "own-transports"])
def test_alpn_chooses_between_the_two_on_one_port(start, certificates, loop, aiofastnet):
    config = TLS + ("" if aiofastnet else WITHOUT_AIOFASTNET)
    server = start(APP, *tls(certificates), "--access-logfile", "-", loop=loop, config=config)
    body = b"x" * 200_000
    with httpx.Client(http2=True, verify=certificates.client_context(), timeout=60) as client:
        answer = client.get(url(server, "/a"))
        assert (answer.http_version, answer.text) == ("HTTP/2", "2 https 127.0.0.1 /a")
        answer = client.post(url(server, "/echo"), content=body)
        assert (answer.http_version, answer.content == body) == ("HTTP/2", True)
        with client.stream("GET", url(server, "/stream")) as streamed:
            assert "".join(streamed.iter_text()) == "".join(f"{i}\n" for i in range(PIECES))
    with httpx.Client(verify=certificates.client_context(), timeout=60) as client:
        answer = client.get(url(server, "/b"))
        assert (answer.http_version, answer.text) == ("HTTP/1.1", "1.1 https 127.0.0.1 /b")
    server.wait_for(r'"GET /a HTTP/2.0" 200')
    server.wait_for(r'"POST /echo HTTP/2.0" 200')
    server.wait_for(r'"GET /b HTTP/1.1" 200')
    assert "Traceback" not in server.stop()


def offered(server, certificates, *names: str) -> str | None:
    """Return what the server chooses of ``names``."""
    context = certificates.client_context()
    context.set_alpn_protocols(list(names))
    with (
        socket.create_connection(server.address) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as client,
    ):
        return client.selected_alpn_protocol()


@pytest.mark.parametrize(
    ("protocols", "both", "only_h2"), [("h2,h1", "h2", "h2"), ("h1,h2", "http/1.1", "h2"), ("h1", "http/1.1", None)]
)
def test_alpn_offers_what_is_named_and_nothing_else(start, certificates, protocols, both, only_h2):
    server = start(APP, *tls(certificates), config=f"http_protocols = {protocols!r}\n")
    assert offered(server, certificates, "http/1.1", "h2") == both
    assert offered(server, certificates, "h2") == only_h2


def test_prior_knowledge_is_for_trusted_peers_and_http1_for_the_others(start, loop):
    options = ("--forwarded-allow-ips", "127.0.0.2", "--access-logfile", "-")
    server = start(APP, *options, loop=loop, config=CLEAR)
    with Http2Client(server.address, source="127.0.0.2") as client:
        first, second = client.ask(b"/a"), client.ask(b"/echo", b"POST", b"y" * 60_000)
        third = client.ask(b"/stream")
        assert client.answer(first).body == b"2 http 127.0.0.2 /a"
        assert client.answer(second).body == b"y" * 60_000
        assert client.answer(third).body.split() == [b"%d" % i for i in range(PIECES)]
        assert len(client.answer(third).pieces) > 2, "not as they came"
    assert say(server.address, GET).endswith(b"1.1 http 127.0.0.1 /a")
    assert say(server.address, GET, "127.0.0.2").startswith(b"HTTP/1.1 400 ")
    server.wait_for(r'"GET /a HTTP/2.0" 200')
    server.wait_for(r'"GET /a HTTP/1.1" 200')
    assert "Traceback" not in server.stop()


def test_a_unix_socket_and_a_proxy_header_carry_it(start, tmp_path, loop):
    path = str(tmp_path / "s")
    server = start(APP, bind=f"unix:{path}", loop=loop, config=CLEAR)
    with Http2Client(path) as client:
        assert client.answer(client.ask(b"/a")).body == b"2 http None /a"
    server.stop()
    server = start(APP, loop=loop, config=CLEAR + 'proxy_protocol = "auto"\n')
    header = b"PROXY TCP4 192.0.2.7 192.0.2.8 5000 80\r\n"
    with Http2Client(server.address, before=header) as client:
        assert client.answer(client.ask(b"/b")).body == b"2 http 192.0.2.7 /b"
    server.stop()


def test_max_requests_counts_streams(start, loop):
    server = start(APP, "--max-requests", "5", loop=loop, config=CLEAR)
    with Http2Client(server.address) as client:
        for number in [client.ask(b"/%d" % i) for i in range(6)]:
            assert client.answer(number).status == 200
        client.read_to_the_end()
        assert [code for code, _ in client.goaways] == [0, 0]
    server.wait_for("Autorestarting worker")
    server.wait_for_workers(2)
    server.stop()


def test_a_stop_says_goaway_and_lets_a_stream_finish(start, loop):
    server = start(APP, loop=loop, config=CLEAR)
    with Http2Client(server.address) as client:
        number = client.ask(b"/stream")
        while not client.answers[number].body:
            client.read()
        server.signal(signal.SIGTERM)
        while not client.goaways:
            client.read()
        assert client.goaways == [(0, 2**31 - 1)]
        late = client.ask(b"/late")  # on its way when the client hears of it
        client.read_to_the_end()
        assert client.answers[late].body == b"2 http 127.0.0.1 /late"
        assert client.answers[number].body.split() == [b"%d" % i for i in range(PIECES)]
        assert client.answers[number].is_whole
        assert client.goaways[-1] == (0, late)
    assert server.wait() == 0
    assert "Traceback" not in server.log


def test_a_stop_ends_a_connection_that_is_idle(start, loop):
    server = start(APP, "--keep-alive", "60", loop=loop, config=CLEAR)
    with Http2Client(server.address) as client:
        client.answer(client.ask(b"/a"))
        server.signal(signal.SIGTERM)
        client.read_to_the_end()
        assert [code for code, _ in client.goaways] == [0, 0]
    assert server.wait() == 0


def test_a_client_that_floods_is_told_and_others_are_served(start):
    server = start(APP, config=CLEAR)
    with Http2Client(server.address) as other:
        with Http2Client(server.address) as client:
            ping = b"\0\0\x08\x06\0\0\0\0\0" + b"12345678"
            with contextlib.suppress(OSError):
                for _ in range(1000):
                    client.socket.sendall(ping * 1000)
        assert other.answer(other.ask(b"/a")).status == 200
    wait_until(lambda: "HTTP/2 error 11" in server.log, "ENHANCE_YOUR_CALM in the log")
    server.stop()


def run(program: str, *arguments: str) -> str:
    """Return what a client prints."""
    done = subprocess.run([find_program(program), *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.needs_program("curl")
@pytest.mark.parametrize("mechanism", ["upgrade", "both"])
def test_curl_upgrades_from_http1(start, loop, mechanism):
    config = TLS + f'http2_cleartext = "{mechanism}"\n'
    server = start(APP, "--access-logfile", "-", loop=loop, config=config)
    base = "http://{}:{}".format(*server.address)
    more = ("--http2", "--silent", "--show-error", "--write-out", " %{http_version} ")
    assert run("curl", *more, f"{base}/a") == "2 http 127.0.0.1 /a 2 "
    assert run("curl", *more, f"{base}/a", f"{base}/b") == "2 http 127.0.0.1 /a 2 2 http 127.0.0.1 /b 2 "
    assert run("curl", *more, "--data", "x" * 60_000, f"{base}/echo") == "x" * 60_000 + " 2 "
    assert run("curl", *more, "--data", "x" * 70_000, f"{base}/echo") == "x" * 70_000 + " 1.1 "
    assert run("curl", *more, f"{base}/stream").split() == [*[str(i) for i in range(PIECES)], "2"]
    assert run("curl", *more, "--interface", "127.0.0.1", "--http1.1", f"{base}/c") == "1.1 http 127.0.0.1 /c 1.1 "
    prior = [*more, "--http2-prior-knowledge", f"{base}/d"]
    if mechanism == "both":
        assert run("curl", *prior) == "2 http 127.0.0.1 /d 2 "
    server.wait_for(r'"POST /echo HTTP/2.0" 200')
    assert "Traceback" not in server.stop()


@pytest.mark.needs_program("curl")
def test_a_stranger_that_asks_for_the_upgrade_is_answered_by_http1(start):
    config = TLS + 'http2_cleartext = "both"\n'
    server = start(APP, "--forwarded-allow-ips", "127.0.0.2", config=config)
    base = "http://{}:{}".format(*server.address)
    more = ("--http2", "--silent", "--show-error", "--write-out", " %{http_version}", f"{base}/a")
    assert run("curl", *more, "--interface", "127.0.0.1") == "1.1 http 127.0.0.1 /a 1.1"
    assert run("curl", *more, "--interface", "127.0.0.2") == "2 http 127.0.0.2 /a 2"
    server.stop()


@pytest.mark.needs_program("nghttp")
def test_nghttp_upgrades_from_http1(start, loop, tmp_path):
    server = start(APP, "--access-logfile", "-", loop=loop, config=TLS + 'http2_cleartext = "upgrade"\n')
    base = "http://{}:{}".format(*server.address)
    assert run("nghttp", "--upgrade", f"{base}/a", f"{base}/b", f"{base}/c") == "".join(
        f"2 http 127.0.0.1 /{name}" for name in "abc"
    )
    body = tmp_path / "body"
    body.write_bytes(b"z" * 300_000)
    assert run("nghttp", "--upgrade", f"--data={body}", f"{base}/echo") == "z" * 300_000
    server.wait_for(r'"POST /echo HTTP/2.0" 200')
    assert "Traceback" not in server.stop()


HAPROXY = """
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 60s
frontend f
    bind 127.0.0.1:{port}
    option forwardfor
    default_backend app
backend app
    server app1 {host}:{app_port} proto h2 {more}
"""


@pytest.mark.needs_program("haproxy")
@pytest.mark.parametrize("more", ["check", "send-proxy-v2"])
def test_haproxy_speaks_http2_to_the_worker(start, tmp_path, more):
    proxied = 'proxy_protocol = "v2"\n' if more == "send-proxy-v2" else ""
    server = start(APP, "--access-logfile", "-", config=CLEAR + proxied)
    port, (host, app_port) = free_port(), server.address
    text = HAPROXY.format(port=port, host=host, app_port=app_port, more=more)
    body = b"z" * 300_000
    with running_haproxy(text, tmp_path, port), httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        for i in range(20):
            assert client.get(f"/{i}").text == f"2 http 127.0.0.1 /{i}"
        assert client.post("/echo", content=body).content == body
        assert client.get("/stream").text.split() == [str(i) for i in range(PIECES)]
    server.wait_for(r'"POST /echo HTTP/2.0" 200')
    assert "Traceback" not in server.stop()
