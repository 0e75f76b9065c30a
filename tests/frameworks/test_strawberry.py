"""strawberry GraphQL, the subscription by the protocol graphql-transport-ws."""

from __future__ import annotations

import json

import httpx
from websockets.typing import Subprotocol

from tests.frameworks.sites import Site
from tests.frameworks.websocket import connect

APP = "strawberry_app:app"


def test_answers_a_query(client: httpx.Client) -> None:
    answer = client.post("/", json={"query": '{ hello(name: "x") }'})
    assert answer.json()["data"] == {"hello": "hello x"}


def test_sends_a_subscription(site: Site) -> None:
    protocol = Subprotocol("graphql-transport-ws")
    with connect(site.ws + "/", ssl=site.context, subprotocols=[protocol]) as socket:
        assert socket.subprotocol == protocol
        socket.send('{"type": "connection_init"}')
        assert json.loads(socket.recv())["type"] == "connection_ack"
        query = {"query": "subscription { count(target: 3) }"}
        socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": query}))
        counts = []
        while (message := json.loads(socket.recv()))["type"] == "next":
            counts.append(message["payload"]["data"]["count"])
        assert counts == [0, 1, 2]
        assert message["type"] == "complete"
