"""Two real clients, websockets and httpx-ws (wsproto), over TCP, TLS, a unix socket and nginx with and without TLS."""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator

import httpx
import pytest
from httpx_ws import HTTPXWSException, WebSocketDisconnect, WebSocketUpgradeError
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.integration.ws_app import PIECE_BYTES, PIECES
from tests.support.gunicorn import wait_until
from tests.support.memory import pss_bytes
from tests.support.nginx import mark_fronts
from tests.support.ws_sites import FRONTS, WebSocketSite, open_site, talk

APP = "tests.integration.ws_app:app"
LARGEST = 16 * 1024 * 1024


@pytest.fixture(scope="module", params=mark_fronts(FRONTS, "-uvloop") + mark_fronts(FRONTS, "-asyncio"))
def site(request: pytest.FixtureRequest, certificates, tmp_path_factory) -> Iterator[WebSocketSite]:
    front, _, loop = request.param.rpartition("-")
    folder = tmp_path_factory.mktemp("site")
    with open_site(APP, front, certificates, folder, "--graceful-timeout", "5", loop=loop) as site:
        yield site
        log = site.server.stop()
    assert "Traceback" not in log.replace("RuntimeError: asked for", "", 1).replace(
        "Traceback", "", log.count("asked for")
    )


@pytest.fixture
def client(site: WebSocketSite) -> Iterator[httpx.Client]:
    with site.client() as client:
        yield client


def closed(call) -> ConnectionClosed:
    with pytest.raises(ConnectionClosed) as caught:
        call()
    assert caught.value.rcvd is not None, "no close frame came"
    return caught.value


# Messages


@pytest.mark.parametrize("compression", [None, "deflate"], ids=["plain", "compressed"])
def test_messages_of_all_kinds_and_sizes_come_back(site, compression):
    with site.connect("/echo", compression=compression) as websocket:
        names = [extension.name for extension in websocket.protocol.extensions]
        assert names == ([] if compression is None else ["permessage-deflate"])
        for message in ("", "text", "é" * 200, b"", b"\0\xff", "x" * 70_000, bytes(range(256)) * 4096):
            websocket.send(message)
            assert websocket.recv(40) == message


def test_fragments_with_a_ping_between_them_make_one_message(site):
    with site.connect("/echo") as websocket:
        pongs = []

        def parts() -> Iterator[str]:
            yield "one, "
            pongs.append(websocket.ping())
            yield "two, "
            yield "three"

        websocket.send(parts())
        assert websocket.recv(40) == "one, two, three"
        assert pongs[0].wait(40)
        websocket.send([b"\0" * 100_000, b"\1" * 100_000])
        assert websocket.recv(40) == b"\0" * 100_000 + b"\1" * 100_000


def test_many_messages_keep_their_order(site):
    with site.connect("/echo") as websocket:
        for number in range(500):
            websocket.send(str(number))
        assert [websocket.recv(40) for _ in range(500)] == [str(number) for number in range(500)]


def test_httpx_ws_talks(site, client):
    with talk("/echo/httpx", client) as websocket:
        websocket.send_text("é text")
        assert websocket.receive_text(40) == "é text"
        websocket.send_bytes(bytes(100_000))
        assert websocket.receive_bytes(40) == bytes(100_000)
        websocket.send_json({"a": [1]})
        assert websocket.receive_json(40) == {"a": [1]}
        assert websocket.ping(b"there?").wait(40)
        websocket.close(4003, "done")
    wait_until(lambda: "left httpx 4003 done" in site.journal(), "the close")


def test_a_room_hears_what_one_says(site):
    with site.connect("/meet") as one, site.connect("/meet") as two, site.connect("/meet") as three:
        for number, speaker in enumerate((one, two, three)):
            speaker.send(f"message {number}")
            assert {client.recv(40) for client in (one, two, three)} == {f"message {number}"}


# Ends


def test_the_app_hears_the_clients_code_and_reason(site):
    with site.connect("/echo/leaver") as websocket:
        websocket.close(4002, "tschüs")
    wait_until(lambda: "left leaver 4002 tschüs" in site.journal(), "the close")


@pytest.mark.parametrize("code", [1000, 4001])
def test_the_client_hears_the_apps_code_and_reason(site, client, code):
    with site.connect(f"/close/{code}") as websocket:
        end = closed(lambda: websocket.recv(40)).rcvd
    assert (end.code, end.reason) == (code, "because: é")
    with talk(f"/close/{code}", client) as websocket, pytest.raises(WebSocketDisconnect) as caught:
        websocket.receive(40)
    assert (caught.value.code, caught.value.reason) == (code, "because: é")


def test_an_app_that_fails_ends_with_1011(site):
    with site.connect("/fail") as websocket:
        assert closed(lambda: websocket.recv(40)).rcvd.code == 1011


@pytest.mark.parametrize("compression", [None, "deflate"], ids=["plain", "compressed"])
def test_a_message_above_the_limit_ends_with_1009(site, compression):
    with site.connect("/echo", compression=compression) as websocket:

        def send() -> None:
            websocket.send(bytes(LARGEST + 1))
            websocket.recv(40)

        assert closed(send).rcvd.code == 1009


def test_the_largest_message_comes_back_compressed(site):
    with site.connect("/echo") as websocket:
        websocket.send(bytes(LARGEST))
        assert len(websocket.recv(40)) == LARGEST


# Handshakes


def test_a_refusal_is_403(site, client):
    with pytest.raises(InvalidStatus) as caught:
        site.connect("/refuse")
    assert caught.value.response.status_code == 403
    with pytest.raises(WebSocketUpgradeError) as refused, talk("/refuse", client):
        raise AssertionError("not refused")
    assert refused.value.response.status_code == 403


def test_a_denial_is_the_apps_own_answer(site, client):
    with pytest.raises(InvalidStatus) as caught:
        site.connect("/deny")
    response = caught.value.response
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.body == b"who are you?"
    with pytest.raises(HTTPXWSException) as denied, talk("/deny", client):
        raise AssertionError("not denied")
    assert denied.value.response.status_code == 401


def test_a_subprotocol_is_agreed_on(site, client):
    with site.connect("/choose", subprotocols=["first", "second"]) as websocket:
        assert websocket.subprotocol == "second"
        assert websocket.response.headers["x-chosen"] == "1"
    with talk("/choose", client, subprotocols=["first", "second"]) as websocket:
        assert websocket.subprotocol == "second"


# Back-pressure


def progress(client: httpx.Client) -> dict[str, int]:
    return ast.literal_eval(client.get("/progress").text)


def test_an_app_waits_for_a_client_that_does_not_read(site, client):
    (pid,) = site.server.workers()
    before = pss_bytes(pid)
    with site.connect("/pour", compression=None, max_queue=1) as slow:
        slow.recv(40)
        with site.connect("/echo") as quick:
            for number in range(300):
                quick.send(str(number))
                assert quick.recv(40) == str(number)
        assert progress(client)["sent"] < PIECES
        assert pss_bytes(pid) - before < 16 * 1024 * 1024
        numbers = [0] + [int(slow.recv(40)[:8]) for _ in range(PIECES - 1)]
    assert numbers == list(range(PIECES))
    assert progress(client)["sent"] == PIECES


def test_a_client_waits_for_an_app_that_does_not_receive(site, client):
    (pid,) = site.server.workers()
    before = pss_bytes(pid)
    with site.connect("/sleep", compression=None, ping_interval=None) as websocket:
        sent = []

        def flood() -> None:
            for number in range(PIECES):
                websocket.send(b"%08d" % number + bytes(PIECE_BYTES - 8))
                sent.append(number)
            websocket.send("that was all")

        thread = threading.Thread(target=flood)
        thread.start()
        with site.connect("/echo") as quick:
            for number in range(300):
                quick.send(str(number))
                assert quick.recv(40) == str(number)
        assert len(sent) < PIECES
        assert pss_bytes(pid) - before < 16 * 1024 * 1024
        client.get("/wake")
        thread.join(40)
        assert websocket.recv(40) == "True"
