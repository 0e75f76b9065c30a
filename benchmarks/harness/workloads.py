"""What is asked of the servers, and with which load."""

from __future__ import annotations

from dataclasses import dataclass

import apps

__all__ = ["QUICK", "WORKLOADS", "Workload"]


@dataclass(frozen=True)
class Workload:
    """One row of the table. ``argument`` goes to the wrk script; ``message_bytes`` makes it a WebSocket workload."""

    name: str
    title: str
    path: str = "/"
    script: str = "plain"
    argument: str = ""
    connections: int = 64
    app: str = "apps:app"
    is_tls: bool = False
    streams: int = 0  # requests at a time on each connection, which makes it an HTTP/2 workload; 0: HTTP/1.1
    body: bytes | None = apps.HELLO  # what one answer must hold; None: not compared
    post_bytes: int = 0
    message_bytes: int | None = None
    stretch: int = 1  # times the length of a turn: longer where opening the connections would weigh too much

    @property
    def is_http2(self) -> bool:
        """Whether h2load runs instead of wrk."""
        return self.streams > 0

    @property
    def is_websocket(self) -> bool:
        """Whether the WebSocket load runs instead of wrk."""
        return self.message_bytes is not None


def _post(size: int, title: str) -> Workload:
    return Workload(
        f"post-{title.replace(' ', '').lower()}",
        f"POST echo {title}",
        path="/echo",
        script="post",
        argument=str(size),
        body=None,
        post_bytes=size,
    )


def _websocket(size: int, title: str, connections: int) -> Workload:
    return Workload(
        f"ws-{title.replace(' ', '').lower()}",
        f"WebSocket echo {title}",
        connections=connections,
        message_bytes=size,
    )


_ALL = [
    Workload("hello", "hello, 64 connections"),
    Workload("headers", "8 browser headers", script="headers"),
    Workload("10kib", "10 KiB answer", path="/10k", body=apps.TEN_KIB),
    _post(1024, "1 KiB"),
    _post(65536, "64 KiB"),
    Workload("stream", "10-chunk stream", path="/stream", body=apps.PIECE * apps.PIECES),
    Workload("pipeline", "pipelined 16", script="pipeline", argument="16"),
    Workload("1000", "1,000 connections", connections=1000, stretch=5),
    Workload("connect", "one request per connection", script="close"),
    Workload("tls", "TLS hello", is_tls=True, stretch=3),
    _websocket(32, "32 B", 64),
    _websocket(1024, "1 KiB", 64),
    _websocket(65536, "64 KiB", 16),
    _websocket(1024 * 1024, "1 MiB", 4),
    Workload(
        "fastapi",
        "FastAPI JSON",
        path="/items/7?name=desk",
        app="fastapi_app:app",
        body=b'{"number":7,"name":"desk","tags":["new","blue"]}',
    ),
]
WORKLOADS = {workload.name: workload for workload in _ALL}
QUICK = ["hello", "headers", "post-1kib", "ws-1kib"]
