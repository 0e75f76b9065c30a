"""ASGI without a framework, in both versions of ASGI."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.frameworks.sites import Site, open_site
from tests.frameworks.websocket import connect
from tests.support.certificates import Certificates

APP = "plain:app"


def test_answers_with_the_state_of_its_lifespan(client: httpx.Client, site: Site) -> None:
    body = bytes(300_000)
    answer = client.post("/", content=body)
    assert answer.content == b"hello" + body
    assert answer.headers["x-scheme"] == site.http.partition(":")[0]


def test_echoes_over_a_websocket(site: Site) -> None:
    with connect(site.ws, ssl=site.context) as socket:
        for text in ("one", "two" * 50_000):
            socket.send(text)
            assert socket.recv() == text


def test_serves_asgi_2(certificates: Certificates, tmp_path: Path, loop: str) -> None:
    with open_site("double:app", "tcp", certificates, tmp_path, loop) as site:
        assert httpx.get(site.http + "/path").text == "/path"
