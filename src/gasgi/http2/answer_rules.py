"""What of an answer is checked on its way into frames, beside its fields; and the small answers of the server's own."""

from __future__ import annotations

from collections.abc import Iterable

from gasgi._accel import check_fields
from gasgi.errors import ASGIMisuse
from gasgi.tables import FORBIDDEN_TRAILERS, STATUS_PHRASES

__all__ = ["checked_trailers", "small_answer"]


def checked_trailers(headers: Iterable[Iterable[bytes]]) -> list[tuple[bytes, bytes]]:
    """Return trailer fields; raise ASGIMisuse for one that RFC 9110, 6.5.1 does not allow after the body."""
    fields: list[tuple[bytes, bytes]] = check_fields(200, headers, None, None)[0]
    for field in fields:
        if field[0] in FORBIDDEN_TRAILERS:
            raise ASGIMisuse(f"{field[0]!r} must not be a trailer")
    return fields


def small_answer(status: int, fields: tuple[tuple[bytes, bytes], ...]) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the fields and the body of an answer of the server's own."""
    body = STATUS_PHRASES.get(status, b"") + b"\n"
    return [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body)), *fields], body
