"""Structured and mutated requests on a whole connection; whole_connection.py says what must hold."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fuzz.test_twins_agree import POINTS, streams
from tests.fuzz.whole_connection import check_connection, check_reading_app
from tests.support.corpus import load_cases

CORPUS = [case.raw for kind in ("valid", "invalid") for case in load_cases(kind)]


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@settings(max_examples=200, deadline=None)
@given(streams(), POINTS)
def test_requests_accepted_are_requests_answered(
    loop: asyncio.AbstractEventLoop, raw: bytes, points: list[int]
) -> None:
    check_reading_app(loop, raw, points)


@settings(max_examples=300, deadline=None)
@given(streams(), POINTS, st.integers(0, 255))
def test_any_stream_is_answered_well_formed_and_ends(
    loop: asyncio.AbstractEventLoop, raw: bytes, points: list[int], variant: int
) -> None:
    check_connection(loop, raw, points, variant)


@settings(max_examples=150, deadline=None)
@example(  # an unfinished body, pipelined, of a client that then shuts its side
    messages=[b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhello"],
    points=[],
    variant=235,
)
@given(st.lists(st.sampled_from(CORPUS), min_size=1, max_size=4), POINTS, st.integers(0, 255))
def test_messages_of_the_corpus_behind_one_another_are_answered_and_end(
    loop: asyncio.AbstractEventLoop, messages: list[bytes], points: list[int], variant: int
) -> None:
    check_connection(loop, b"".join(messages), points, variant)
