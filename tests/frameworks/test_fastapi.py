"""FastAPI."""

from __future__ import annotations

import json

import httpx

from tests.frameworks.rooms import meet
from tests.frameworks.sites import Site
from tests.frameworks.websocket import connect

APP = "fastapi_app:app"


def test_validates_and_works_in_the_background(client: httpx.Client) -> None:
    assert client.post("/items/3", json={"name": "a", "price": 2.5}).json() == {"number": 3, "total": 7.5}
    assert client.post("/items/x", json={"name": "a"}).status_code == 422
    assert _events_with(client, "made a")[0] == "startup"


def test_takes_a_file(client: httpx.Client) -> None:
    answer = client.post("/upload", data={"label": "x"}, files={"file": ("name", bytes(2_000_000))})
    assert answer.json() == {"label": "x", "size": 2_000_000}


def test_talks_over_a_websocket(client: httpx.Client, site: Site) -> None:
    with connect(site.ws + "/ws", ssl=site.context) as socket:
        socket.send('{"a": 1}')
        assert json.loads(socket.recv()) == {"pool": "of connections", "got": {"a": 1}}
        socket.close(4321)
    _events_with(client, "left with 4321")


def test_clients_meet_in_a_room(site: Site) -> None:
    meet(site)


def _events_with(client: httpx.Client, event: str) -> list[str]:
    """Return what the app has noted once ``event`` is among it: what works behind an answer holds nobody up."""
    for _ in range(1000):
        events: list[str] = client.get("/events").json()
        if event in events:
            return events
    raise AssertionError(f"{event!r} is not among {events}")
