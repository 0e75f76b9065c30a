"""Quart."""

from __future__ import annotations

import httpx

from tests.frameworks.rooms import meet
from tests.frameworks.sites import Site
from tests.frameworks.websocket import connect

APP = "quart_app:app"


def test_answers(client: httpx.Client) -> None:
    assert client.post("/json", json=[1, 2]).json() == {"got": [1, 2]}
    assert client.get("/stream").text == "".join(f"{number}," for number in range(100))
    assert client.post("/size", content=bytes(1_000_000)).text == "1000000"
    assert client.get("/none").status_code == 404


def test_talks_over_a_websocket(site: Site) -> None:
    with connect(site.ws + "/ws", ssl=site.context) as socket:
        socket.send("a")
        assert socket.recv() == "quart a"


def test_clients_meet_in_a_room(site: Site) -> None:
    meet(site)
