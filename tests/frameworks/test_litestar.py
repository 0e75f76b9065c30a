"""Litestar."""

from __future__ import annotations

import httpx

from tests.frameworks.sites import Site
from tests.frameworks.websocket import connect

APP = "litestar_app:app"


def test_answers(client: httpx.Client) -> None:
    assert client.post("/add", json={"a": 1, "b": 2}).json() == {"sum": 3}
    assert client.get("/stream").text == "".join(f"{number}," for number in range(100))


def test_talks_over_a_websocket(site: Site) -> None:
    with connect(site.ws + "/ws", ssl=site.context) as socket:
        socket.send("a")
        assert socket.recv() == "litestar a"
