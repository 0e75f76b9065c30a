"""Feed wire input in every way it can arrive, and read a whole stream of requests out of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from gasgi.errors import RequestError
from gasgi.head_rules import HeadLimits
from gasgi.http1.body import ChunkedBody, LengthBody

HEAD_ATTRIBUTES = (
    "method",
    "target",
    "path",
    "raw_path",
    "query_string",
    "http_version",
    "headers",
    "host",
    "content_length",
    "is_chunked",
    "keep_alive",
    "upgrade",
    "expects_continue",
    "accepts_trailers",
    "has_underscore_name",
)


def split_everywhere(data: bytes) -> Iterator[list[bytes]]:
    """Yield ``data`` whole, byte by byte, and cut in two at every point."""
    yield [data]
    yield [data[i : i + 1] for i in range(len(data))]
    for i in range(1, len(data)):
        yield [data[:i], data[i:]]


def describe(head: Any) -> dict[str, Any]:
    """Return what a head says, so that two twins' heads can be compared."""
    return {name: getattr(head, name) for name in HEAD_ATTRIBUTES}


def body_reader(head: Any, limit: int) -> ChunkedBody | LengthBody:
    """Return the decoder for the body of ``head``."""
    if head.is_chunked:
        return ChunkedBody(limit)
    return LengthBody(max(head.content_length, 0))


def read_stream(
    module: ModuleType, pieces: Iterable[bytes], limits: HeadLimits | None = None
) -> tuple[list[dict[str, Any]], tuple[int, str] | None]:
    """Read requests as a connection does; return the finished ones and how the next was refused, if it was.

    Each is the head's attributes and its ``body``. Nothing is read behind a request that ends the connection.
    """
    limits = limits or HeadLimits()
    parser = module.HeadParser(limits)
    requests: list[dict[str, Any]] = []
    head: Any = None
    body: ChunkedBody | LengthBody | None = None
    decoded: list[bytes] = []
    try:
        for piece in pieces:
            data = piece
            while True:
                if body is None:
                    head = parser.feed(data)
                    if head is None:
                        break
                    data = parser.take_leftover()
                    body = body_reader(head, limits.field_bytes)
                    decoded = []
                if data:
                    decoded.append(body.feed(data))
                data = body.take_leftover()
                if not body.is_complete:
                    if data:
                        continue  # it takes another turn
                    break
                body = None
                requests.append({**describe(head), "body": b"".join(decoded)})
                if not head.keep_alive:
                    return requests, None
                if not data:
                    break
    except RequestError as exc:
        return requests, (exc.status, exc.detail)
    return requests, None
