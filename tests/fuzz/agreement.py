"""What must hold for any bytes a client can send; the property tests and the coverage-guided target both check it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from gasgi.errors import RequestError
from gasgi.head_rules import HeadLimits
from tests.support.twins import TWINS, load_twin
from tests.support.wire import describe, read_stream

__all__ = ["LIMITS", "check_stream", "cut"]

PARSERS = [load_twin("_parser", which) for which in TWINS]
SHARED = [module.FieldReader() for module in PARSERS]  # have read whatever has been checked before
LIMITS = (
    HeadLimits(),
    HeadLimits(line=30, fields=3, field_bytes=40),
    HeadLimits(permit_method=True, permit_version=True, casefold_method=True),
)
ANSWERS = {400, 414, 417, 431, 501, 505}


def cut(raw: bytes, points: list[int]) -> list[bytes]:
    """Cut ``raw`` at the given points, taken modulo its length."""
    places = sorted({point % (len(raw) + 1) for point in points} | {0, len(raw)})
    return [raw[start:end] for start, end in pairwise(places)]


def check_stream(raw: bytes, points: list[int], limits: HeadLimits) -> tuple[list[dict[str, Any]], Any]:
    """Read ``raw`` with both twins, whole and in pieces; raise AssertionError where any two readings differ."""
    readings = [
        read_stream(module, pieces, limits) for module in PARSERS for pieces in ([raw], cut(raw, points)) if pieces
    ]
    if not readings:
        return [], None
    for reading in readings[1:]:
        assert reading == readings[0]
    requests, refused = readings[0]
    assert refused is None or refused[0] in ANSWERS
    for request in requests:
        check_request(request)
    check_against_httptools(raw, requests)
    check_parser_is_as_new(raw, limits)
    return requests, refused


def check_request(request: dict[str, Any]) -> None:
    """Whatever was accepted is safe to hand to an app and to a proxy behind it."""
    assert not (request["is_chunked"] and request["content_length"] >= 0)
    assert request["is_chunked"] or len(request["body"]) == max(request["content_length"], 0)
    assert request["path"] is not None
    assert request["http_version"] in ("1.0", "1.1")
    assert request["host"] or request["http_version"] == "1.0"
    names = [name for name, _ in request["headers"]]
    assert names.count(b"host") <= 1
    assert names.count(b"content-length") <= 1
    for name, value in request["headers"]:
        assert name
        assert name == name.lower()
        assert not set(b"\r\n\0") & set(name + value)
        assert value == value.strip(b" \t")


class _Messages:
    """Collects what httptools reads when it reads the whole stream by itself."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.pieces: list[bytes] = []

    def on_body(self, body: bytes) -> None:
        self.pieces.append(body)

    def on_message_complete(self) -> None:
        self.bodies.append(b"".join(self.pieces))
        self.pieces = []


def check_against_httptools(raw: bytes, requests: list[dict[str, Any]]) -> None:
    """N requests here are N requests there, with the same bodies, as far as httptools goes on reading."""
    messages = _Messages()
    parser = HttpRequestParser(messages)
    try:
        parser.feed_data(raw)
    except (HttpParserUpgrade, HttpParserError):
        pass
    # It may stop earlier (an upgrade, a method or version only allowed here) but must not see other messages.
    for request, body in zip(requests, messages.bodies, strict=False):
        if any(name == b"upgrade" for name, _ in request["headers"]):
            return
        assert request["body"] == body


def check_parser_is_as_new(raw: bytes, limits: HeadLimits) -> None:
    """A head is read the same by a parser that has read one before, and whatever other connections have sent."""
    for module, reader in zip(PARSERS, SHARED, strict=True):
        alone = outcome(module.HeadParser(limits), raw)
        first, second = module.HeadParser(limits, reader), module.HeadParser(limits, reader)
        assert outcome(first, raw) == alone
        assert outcome(second, raw) == alone
        if isinstance(alone, dict):
            second.take_leftover()
            assert outcome(second, raw) == alone


def outcome(parser: Any, raw: bytes) -> dict[str, Any] | int | None:
    """Return the head that ``raw`` begins with, the status it is refused with, or None when it is not whole."""
    try:
        head = parser.feed(raw)
    except RequestError as exc:
        return exc.status
    return None if head is None else describe(head)
