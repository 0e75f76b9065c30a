"""What is told of each answer, refusals and WebSockets included: lines in the access log, metrics to statsd, hooks."""

from __future__ import annotations

import json
import re
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.support.gunicorn import DEADLINE_S, Gunicorn, wait_until

APP = "tests.integration.ws_app:app"
FORMAT = "%(s)s|%(m)s|%(U)s|%(H)s|%(B)s|%(h)s|%(r)s"
HOOKS = """
def pre_request(worker, request):
    worker.log.info("before %s %s %s", request.method, request.path, worker.pid > 0)
def post_request(worker, request, environ, response):
    told = (request.method, environ["PATH_INFO"], environ["REQUEST_METHOD"], response.status, response.sent)
    worker.log.info("after %s %s %s %s %s", *told)
"""
# Refused by the parser before the head is complete, by the rules for requests, and by the rules for WebSockets.
REFUSED = {
    b"GET /long" + b"x" * 5000 + b" HTTP/1.1\r\n": 414,
    b"GET /many HTTP/1.1\r\nHost: here\r\nBig: " + b"x" * 9000: 431,
    b"no request\r\n\r\n": 400,
    b"GET /twice HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n": 400,
    b"POST /smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n": 400,
    b"GET /old HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n": 426,
}


def refuse(server: Gunicorn, data: bytes) -> int:
    """Send what is refused; return the status of the answer."""
    with socket.create_connection(server.address) as client:
        client.settimeout(DEADLINE_S)
        client.sendall(data)
        return int(client.recv(65536).split()[1])


def open_websockets(server: Gunicorn) -> None:
    """One that talks, one that is refused, one that is denied and one whose app fails."""
    url = "ws://{}:{}".format(*server.address)
    with connect(f"{url}/echo", compression=None) as websocket:
        websocket.send("12345")
        assert websocket.recv(40) == "12345"
    for path in ("/refuse", "/deny"):
        with pytest.raises(InvalidStatus):
            connect(url + path)
    with connect(f"{url}/fail") as websocket, pytest.raises(ConnectionClosed):
        websocket.recv(40)


def access_lines(server: Gunicorn, count: int) -> list[list[str]]:
    return [line.split("|") for line in server.wait_for(r"(?m)^(\d{3}\|.*)$", count)]


def test_every_refused_request_has_one_line(start, loop):
    server = start(APP, "--access-logfile", "-", "--access-logformat", FORMAT, loop=loop)
    for number, (data, status) in enumerate(REFUSED.items(), 1):
        assert refuse(server, data) == status
        lines = access_lines(server, number)
        assert len(lines) == number
        assert (lines[-1][0], lines[-1][5]) == (str(status), "127.0.0.1")
    # Whatever was read of the head is told.
    assert access_lines(server, len(REFUSED))[-1][1:4] == ["GET", "/old", "HTTP/1.1"]
    server.stop()


def test_every_websocket_has_one_line_when_it_ends(start, loop):
    server = start(APP, "--access-logfile", "-", "--access-logformat", FORMAT, loop=loop)
    open_websockets(server)
    lines = sorted(access_lines(server, 4))
    assert [line[:4] for line in lines] == [
        ["101", "GET", "/echo", "HTTP/1.1"],
        ["101", "GET", "/fail", "HTTP/1.1"],
        ["401", "GET", "/deny", "HTTP/1.1"],
        ["403", "GET", "/refuse", "HTTP/1.1"],
    ]
    # A frame of two bytes and five of payload, and the close frame.
    assert lines[0][4] == "11"
    assert lines[0][6] == "GET /echo HTTP/1.1"
    server.stop()


def test_a_client_that_leaves_before_the_answer_is_499(start):
    options = ("--access-logfile", "-", "--access-logformat", FORMAT)
    server = start("tests.integration.apps:app", *options, config="asgi_disconnect_grace_period = 0\n")
    with socket.create_connection(server.address) as client:
        client.sendall(b"GET /sleep/300 HTTP/1.1\r\nHost: here\r\n\r\n")
        wait_until(lambda: (server.directory.parent / "journal").read_text().count("sleep begins"), "the request")
        # Leaves with a reset: a FIN so soon behind the request may be that of a client that waits for its answer.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert access_lines(server, 1)[0][:3] == ["499", "GET", "/sleep/300"]
    server.stop()


FAILING = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise ValueError
    if scope["path"].startswith("/silent"):
        return
    raise ValueError("asked for")
"""
# A line break and a whole line behind it, a colour of the terminal, and CSI as one C1 character.
FORGERY = "%0A[2026-01-01]%20[CRITICAL]%20forged%1b[31m%C2%9B%22%5C"
FORGERY_QUOTED = '\\n[2026-01-01] [CRITICAL] forged\\x1b[31m\\x9b\\"\\\\'


@pytest.mark.parametrize("level", ["info", "debug"])
def test_no_path_forges_a_line_of_the_error_log(start, loop, tmp_path, level):
    (tmp_path / "failing.py").write_text(FAILING)
    server = start("failing:app", "--pythonpath", str(tmp_path), "--log-level", level, loop=loop)
    for path in ("/raise", "/silent"):
        request = f"GET {path}{FORGERY} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
        assert refuse(server, request.encode()) == 500
        with pytest.raises(InvalidStatus):
            connect("ws://{}:{}".format(*server.address) + path + FORGERY)
    server.stop()
    for told in ("during GET /raise", "to GET /silent", "during WebSocket /raise", "to WebSocket /silent"):
        assert f"{told}{FORGERY_QUOTED}\n" in server.log
    assert not re.search(r"(?m)^\[2026-01-01\]", server.log)
    assert server.log.replace("\n", "").isprintable()


def test_no_field_forges_a_line_of_the_access_log(start, loop):
    text = '%({user-agent}i)s|%(a)s|%(f)s|%(q)s|%(r)s|"%(s)s"'
    server = start(APP, "--access-logfile", "-", "--access-logformat", text, loop=loop)
    fields = b'User-Agent: a\xc2\x9b\t\\"\r\nReferer: b\x85"\r\nConnection: close\r\n'
    assert refuse(server, b'GET /?"\\ HTTP/1.1\r\nHost: here\r\n' + fields + b"\r\n") == 200
    (line,) = server.wait_for(r"(?m)^(.*\|\"200\")$")
    agent = r"aÂ\x9b\t\\\""
    assert line == rf'{agent}|{agent}|b\x85\"|\"\\|GET /?\"\\ HTTP/1.1|"200"'
    server.stop()


def test_the_access_log_can_be_json(start, loop):
    server = start(APP, "--access-logfile", "-", config="gasgi_access_log_json = True\n", loop=loop)
    hostile = (
        b'GET /%22%00%ff%1b?"\\ HTTP/1.1\r\nHost: here\r\nUser-Agent: "\\\t\xff\x80"}\r\nConnection: close\r\n\r\n'
    )
    assert refuse(server, hostile) == 200
    assert refuse(server, b"no request\r\n\r\n") == 400
    with connect("ws://{}:{}".format(*server.address) + "/echo", user_agent_header="a\\b") as websocket:
        websocket.send("12345")
        assert websocket.recv(40) == "12345"
    first, second, third = (json.loads(line) for line in server.wait_for(r"(?m)^(\{.*\})$", 3))
    assert (first["path"], first["query"], first["user_agent"]) == ('/"\0\ufffd\x1b', '"\\', '"\\\t\xff\x80"}')
    assert (first["status"], first["client"], first["method"], first["protocol"]) == (
        200,
        "127.0.0.1",
        "GET",
        "HTTP/1.1",
    )
    assert first["pid"] in server.workers()
    assert (second["status"], second["method"], second["path"]) == (400, None, None)
    assert (third["status"], third["path"], third["user_agent"]) == (101, "/echo", "a\\b")
    server.stop()


@contextmanager
def statsd() -> Iterator[tuple[str, socket.socket]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(DEADLINE_S)
        yield f"127.0.0.1:{receiver.getsockname()[1]}", receiver


def metrics(receiver: socket.socket, statuses: int) -> tuple[list[str], int, int]:
    """Read until so many statuses were told: the statuses, how many requests were counted, how many durations."""
    told: list[str] = []
    while sum(".request.status." in line for line in told) < statuses:
        told.append(receiver.recv(1024).decode())
    return (
        sorted(line for line in told if ".request.status." in line),
        sum(line.startswith("shop.gunicorn.requests:1|c") for line in told),
        sum(line.startswith("shop.gunicorn.request.duration:") and "|ms" in line for line in told),
    )


@pytest.mark.parametrize("access_log", [(), ("--access-logfile", "/dev/null")], ids=["no-log", "log"])
def test_statsd_counts_answers_refusals_and_websockets(start, access_log):
    with statsd() as (address, receiver):
        options = ("--statsd-host", address, "--statsd-prefix", "shop", "--dogstatsd-tags", "zone:a", *access_log)
        server = start(APP, *options)
        for data, status in REFUSED.items():
            assert refuse(server, data) == status
        assert refuse(server, b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n") == 200
        open_websockets(server)
        expected = sorted([*REFUSED.values(), 200, 101, 101, 401, 403])
        statuses, requests, durations = metrics(receiver, len(expected))
        assert statuses == [f"shop.gunicorn.request.status.{status}:1|c|@1.0|#zone:a" for status in expected]
        assert (requests, durations) == (len(expected), len(expected))
        server.stop()


def test_hooks_hear_of_refused_requests_and_of_websockets(start, loop):
    server = start(APP, config=HOOKS, loop=loop)
    for data, status in REFUSED.items():
        assert refuse(server, data) == status
    open_websockets(server)
    count = len(REFUSED) + 4
    after = [line.split(" ", 3) for line in server.wait_for(r"after (.*)", count)]
    before = server.wait_for(r"before (.*) True", count)
    assert len(after) == len(before) == count
    statuses = sorted(int(line[3].split()[0]) for line in after)
    assert statuses == sorted([*REFUSED.values(), 101, 101, 401, 403])
    assert ["GET", "/echo", "GET", "101 Switching Protocols 11"] in after
    assert "GET /echo" in before
    assert ["GET", "/old", "GET"] in [line[:3] for line in after]
    assert not re.search(r"Traceback(?!(.|\n)*asked for)", server.log)
    server.stop()


def test_a_hook_that_raises_spoils_no_answer(start):
    config = "def pre_request(worker, request): 1 / 0\ndef post_request(worker, request, environ, response): 1 / 0\n"
    server = start(APP, config=config)
    assert refuse(server, b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n") == 200
    assert refuse(server, b"no request\r\n\r\n") == 400
    open_websockets(server)
    server.wait_for("Exception in the post_request hook", 6)
    server.wait_for("Exception in the pre_request hook", 6)
    server.stop()
