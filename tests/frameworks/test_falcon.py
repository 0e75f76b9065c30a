"""Falcon."""

from __future__ import annotations

import httpx

from tests.frameworks.sites import Site
from tests.frameworks.websocket import connect

APP = "falcon_app:app"


def test_answers(client: httpx.Client) -> None:
    assert client.post("/echo", json={"a": [1]}).json() == {"got": {"a": [1]}}
    assert client.put("/echo", content=bytes(1_000_000)).text == "1000000"
    with client.stream("GET", "/events") as answer:
        assert [line for line in answer.iter_lines() if line] == ["data: 0", "data: 1", "data: 2"]


def test_talks_over_a_websocket(site: Site) -> None:
    with connect(site.ws + "/echo", ssl=site.context) as socket:
        socket.send("a")
        assert socket.recv() == "falcon a"
