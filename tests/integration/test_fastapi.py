"""A FastAPI application behind two real workers, asked by httpx over TCP, TLS and a unix socket, on both loops."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.support.gunicorn import wait_until

APP = "tests.integration.fastapi_app:app"
DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo"
FILE = bytes(range(256)) * 4096
MIB = 1 << 20


@pytest.fixture(params=["tcp", "tls", "unix"])
def client(request, start, loop, certificates, tmp_path) -> Iterator[httpx.Client]:
    served = tmp_path / "served.bin"
    served.write_bytes(FILE)
    options: tuple[str, ...] = ()
    bind, verify, transport, base = "127.0.0.1:0", False, None, ""
    if request.param == "tls":
        options = ("--certfile", certificates.cert, "--keyfile", certificates.key)
        verify = certificates.client_context()
    if request.param == "unix":
        bind = f"unix:{tmp_path}/socket"
        transport = httpx.HTTPTransport(uds=f"{tmp_path}/socket")
        base = "http://unix"
    server = start(APP, *options, workers=2, bind=bind, loop=loop, environ={"SERVED_FILE": str(served)})
    if not base:
        base = "{}://{}:{}".format("https" if verify else "http", *server.address)
    with httpx.Client(base_url=base, verify=verify, transport=transport, timeout=60) as client:
        yield client
    server.stop()


def test_everything_a_usual_application_does(client, journal, loop):
    state = client.get("/state").json()
    assert state["pool"] == "open"
    assert state["loop"].startswith(loop)
    assert state["scheme"] == client.base_url.scheme

    assert client.get("/me").status_code == 401
    assert client.get("/me", headers={"Authorization": "ada"}).json() == {"name": "ada"}
    wait_until(lambda: "dependency closed" in journal(), "the end of the dependency")

    assert client.post("/later").json() == {"status": "accepted"}
    wait_until(lambda: "background done" in journal(), "the background task")

    with client.stream("GET", "/stream") as answer:
        assert "".join(answer.iter_text()).split() == [str(number) for number in range(1000)]
    answer = client.get("/file")
    assert answer.content == FILE
    assert answer.headers["content-length"] == str(len(FILE))
    part = client.get("/file", headers={"Range": "bytes=256-511"})
    assert (part.status_code, part.content) == (206, bytes(range(256)))
    assert client.head("/file").status_code in (200, 405)

    answer = client.post("/upload", files={"file": ("name", FILE)})
    assert answer.json() == {"sha256": hashlib.sha256(FILE).hexdigest(), "size": len(FILE)}
    answer = client.put("/raw", content=(FILE[i : i + 70_000] for i in range(0, len(FILE), 70_000)))
    assert answer.json()["sha256"] == hashlib.sha256(FILE).hexdigest()

    assert client.get("/sync").json() == {"in_main_thread": False}
    assert client.get("/broken").status_code == 500
    assert client.get("/missing").status_code == 404
    assert client.get("/state").status_code == 200


def test_a_websocket_of_fastapi(start, loop):
    server = start(APP, loop=loop)
    with connect("ws://{}:{}/ws".format(*server.address)) as websocket:
        websocket.send("hello")
        assert websocket.recv() == "HELLO"
    log = server.stop()
    assert "[ERROR]" not in log


def test_visitors_of_the_demonstration_may_leave_in_the_middle_of_a_sentence(start, loop):
    server = start("main:app", "--chdir", str(DEMO), loop=loop)
    host, port = server.address
    for _ in range(20):
        with connect(f"ws://{host}:{port}/room") as websocket:
            websocket.recv(60)
            for _ in range(5):
                websocket.send("I am")
    log = server.stop()
    assert "Traceback" not in log
    assert "[ERROR]" not in log


def test_200_mb_are_uploaded_with_flat_memory(start, loop):
    server = start(APP, loop=loop)
    piece = bytes(range(256)) * 256
    count = 200 * MIB // len(piece)
    digest = hashlib.sha256()
    for _ in range(count):
        digest.update(piece)
    (pid,) = server.workers()
    with httpx.Client(base_url="http://{}:{}".format(*server.address), timeout=300) as client:
        client.put("/raw", content=piece * 16)
        before = peak_memory(pid)
        answer = client.put("/raw", content=(piece for _ in range(count)))
    assert answer.json() == {"sha256": digest.hexdigest(), "size": 200 * MIB, "pid": pid}
    assert peak_memory(pid) - before < 16 * MIB
    server.stop()


def peak_memory(pid: int) -> int:
    """The most memory that a process has held so far, bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")
