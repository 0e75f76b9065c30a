"""Django and channels."""

from __future__ import annotations

import json

import httpx

from tests.frameworks.rooms import meet
from tests.frameworks.sites import Site
from tests.frameworks.websocket import connect

APP = "django_app:app"


def test_answers(client: httpx.Client, site: Site) -> None:
    assert client.get("/hello/caf%C3%A9?a=1").json() == {
        "path": "/hello/café",
        "query": {"a": "1"},
        "secure": site.http.startswith("https"),
    }
    assert client.post("/threaded", content=bytes(1_000_000)).text == "POST 1000000"


def test_streams(client: httpx.Client) -> None:
    # Django compresses each piece for itself, which httpx does not put together again.
    assert client.get("/stream", headers={"accept-encoding": "identity"}).text == "".join(
        f"{number}," for number in range(50)
    )


def test_talks_over_a_websocket_of_channels(site: Site) -> None:
    with connect(site.ws + "/ws", ssl=site.context) as socket:
        socket.send('{"a": 1}')
        assert json.loads(socket.recv()) == {"consumer": {"a": 1}}


def test_clients_meet_in_a_room(site: Site) -> None:
    meet(site)
