"""Starlette with middleware, sessions, static files, WebSockets and sse-starlette."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.frameworks.rooms import meet
from tests.frameworks.sites import Site

APP = "starlette_app:app"
SOURCE = (Path(__file__).parent / "apps" / "starlette_app.py").read_bytes()


def test_keeps_a_session(client: httpx.Client) -> None:
    answers = [client.get("/count") for _ in range(3)]
    assert [answer.json() for answer in answers] == [1, 2, 3]
    assert answers[0].headers["x-marked"] == "yes"


def test_streams_compressed(client: httpx.Client) -> None:
    answer = client.get("/stream")
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.text.splitlines() == [f"line {number}" for number in range(1000)]


def test_sends_events(client: httpx.Client) -> None:
    with client.stream("GET", "/sse") as answer:
        lines = [line for line in answer.iter_lines() if line]
    assert lines == ["event: tick", "data: 0", "event: tick", "data: 1", "event: tick", "data: 2"]


def test_serves_files(client: httpx.Client) -> None:
    for path in ("/file", "/static/starlette_app.py"):
        assert client.get(path).content == SOURCE
        assert client.head(path, headers={"accept-encoding": "identity"}).headers["content-length"] == str(len(SOURCE))
    part = client.get("/file", headers={"range": "bytes=5-9", "accept-encoding": "identity"})
    assert (part.status_code, part.content) == (206, SOURCE[5:10])
    etag = client.get("/static/starlette_app.py").headers["etag"]
    assert client.get("/static/starlette_app.py", headers={"if-none-match": etag}).status_code == 304
    assert client.get("/static/none").status_code == 404


def test_takes_a_large_body(client: httpx.Client) -> None:
    assert client.post("/echo", content=bytes(3_000_000)).text == "3000000"


def test_clients_meet_in_a_room(site: Site) -> None:
    meet(site)
