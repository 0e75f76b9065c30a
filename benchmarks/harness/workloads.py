"""What is asked of the servers, and with which load."""

from __future__ import annotations

from dataclasses import dataclass

import apps

__all__ = ["GROUPS", "QUICK", "WORKLOADS", "Workload"]


@dataclass(frozen=True)
class Workload:
    """One row of the table; ``streams`` makes it one of HTTP/2, ``message_bytes`` one of WebSockets.

    ``argument`` goes to the wrk script. ``body`` is what one answer must hold; None: what was posted.
    """

    name: str
    title: str
    path: str = "/"
    script: str = "plain"
    argument: str = ""
    connections: int = 64
    streams: int = 0  # requests, or WebSockets, at a time on each connection of HTTP/2
    app: str = "apps:app"
    is_tls: bool = False
    is_proxied: bool = False  # through an nginx that keeps its connections to the server
    payload: bytes = b""  # what is posted; empty: a GET
    payload_type: str = "application/octet-stream"
    body: bytes | None = apps.HELLO
    message_bytes: int | None = None
    stretch: int = 1  # times the length of a turn: longer where opening the connections would weigh too much

    @property
    def is_http2(self) -> bool:
        """Whether h2load runs instead of wrk, and ws_h2_load instead of ws_load."""
        return self.streams > 0

    @property
    def is_websocket(self) -> bool:
        """Whether a WebSocket load runs instead of wrk and h2load."""
        return self.message_bytes is not None

    @property
    def answer(self) -> bytes:
        """What one answer must hold."""
        return self.payload if self.body is None else self.body


def _post(size: int, title: str) -> Workload:
    name = f"post-{title.replace(' ', '').lower()}"
    return Workload(name, f"POST echo {title}", path="/echo", script="post", body=None, payload=apps.fill(size))


def _websocket(size: int, title: str, connections: int, streams: int = 0) -> Workload:
    name, words = f"ws-{title.replace(' ', '').lower()}", f"WebSocket echo {title}"
    return Workload(
        f"h2-{name}" if streams else name,
        f"HTTP/2 {words}, {connections} × {streams}" if streams else words,
        connections=connections,
        streams=streams,
        message_bytes=size,
    )


def _http2(is_tls: bool) -> list[Workload]:
    """Without TLS the client knows beforehand that the server speaks HTTP/2; with TLS they agree by ALPN."""
    prefix, title = ("h2s", "HTTP/2 TLS") if is_tls else ("h2", "HTTP/2")
    stretch = 3 if is_tls else 1

    def hello(connections: int, streams: int) -> Workload:
        return Workload(
            f"{prefix}-{connections}x{streams}",
            f"{title} hello, {connections} × {streams}",
            connections=connections,
            streams=streams,
            is_tls=is_tls,
            stretch=stretch,
        )

    def ten_by_ten(name: str, words: str, path: str, body: bytes | None, payload: bytes = b"") -> Workload:
        return Workload(
            f"{prefix}-{name}",
            f"{title} {words}",
            path=path,
            connections=10,
            streams=10,
            is_tls=is_tls,
            body=body,
            payload=payload,
            stretch=stretch,
        )

    return [
        hello(1, 100),
        # Some refuse streams or count a flood when one connection has 100 requests under way all the time.
        hello(1, 50),
        hello(10, 10),
        hello(64, 1),
        ten_by_ten("post-1kib", "POST echo 1 KiB", "/echo", None, apps.fill(1024)),
        ten_by_ten("post-64kib", "POST echo 64 KiB", "/echo", None, apps.fill(65536)),
        ten_by_ten("stream", "10-piece stream", "/stream", apps.PIECE * apps.PIECES),
    ]


_ITEM = b'{"number":7,"name":"desk","tags":["new","blue"]}'
_HTTP1 = [
    Workload("hello", "hello, 64 connections"),
    Workload("headers", "8 browser headers", script="headers"),
    Workload("10kib", "10 KiB answer", path="/10k", body=apps.TEN_KIB),
    _post(1024, "1 KiB"),
    _post(65536, "64 KiB"),
    Workload("stream", "10-chunk stream", path="/stream", body=apps.PIECE * apps.PIECES),
    Workload("pipeline", "pipelined 16", script="pipeline", argument="16"),
    Workload("single", "1 connection", connections=1),
    Workload("1000", "1,000 connections", connections=1000, stretch=5),
    Workload("connect", "one request per connection", script="close"),
    Workload("nginx", "through nginx, connections kept", is_proxied=True),
    Workload("tls", "TLS hello", is_tls=True, stretch=3),
    _websocket(32, "32 B", 64),
    _websocket(1024, "1 KiB", 64),
    _websocket(65536, "64 KiB", 16),
    _websocket(1024 * 1024, "1 MiB", 4),
    Workload("fastapi", "FastAPI JSON", path="/items/7?name=desk", app="fastapi_app:app", body=_ITEM),
    Workload(
        "fastapi-post",
        "FastAPI POST JSON",
        path="/items",
        script="post",
        app="fastapi_app:app",
        body=None,
        payload=_ITEM,
        payload_type="application/json",
    ),
]
_HTTP2 = [
    *_http2(is_tls=False),
    _websocket(1024, "1 KiB", 10, streams=10),
    _websocket(65536, "64 KiB", 4, streams=4),
    *_http2(is_tls=True),
]
WORKLOADS = {workload.name: workload for workload in [*_HTTP1, *_HTTP2]}
# Names that stand for several.
GROUPS = {"http1": [workload.name for workload in _HTTP1], "http2": [workload.name for workload in _HTTP2]}
QUICK = ["hello", "headers", "post-1kib", "ws-1kib", "h2-10x10"]
