"""Make the request heads that tests of other layers start from."""

from __future__ import annotations

from gasgi._accel import HeadLimits, HeadParser, RequestHead

__all__ = ["make_head"]


def make_head(raw: bytes) -> RequestHead:
    """Parse ``raw``, one whole head; raise RequestError as the parser does."""
    parser = HeadParser(HeadLimits())
    head = parser.feed(raw)
    if head is None or parser.take_leftover():
        raise AssertionError("give make_head exactly one whole head, its last empty line included")
    return head
