"""benchmarks/inprocess.py: every workload gets its answers, the first on a connection and the later ones."""

from __future__ import annotations

import asyncio

import apps
import inprocess
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived

WORKLOADS = [*inprocess.REQUESTS, *inprocess.HTTP2_REQUESTS, "ws"]


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_request_is_answered(name: str) -> None:
    asyncio.run(inprocess.drive({name: 3}))


@pytest.mark.parametrize("name", WORKLOADS)
def test_an_answer_that_is_not_the_one_expected_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(scope: object, receive: object, send: object) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(apps, "app", silent)

    with pytest.raises(RuntimeError, match="no whole answer"):
        asyncio.run(inprocess.drive({name: 1}))


@pytest.mark.parametrize("name", inprocess.HTTP2_REQUESTS)
def test_what_is_sent_over_http_2_says_the_same_on_every_stream(name: str) -> None:
    """By another implementation: the first request adds fields to its table, the later ones name them."""
    request, server = inprocess.HTTP2_REQUESTS[name], H2Connection(H2Configuration(client_side=False))
    server.initiate_connection()
    server.receive_data(request.begin())

    events = [event for number in range(3) for event in server.receive_data(request.on_stream(number))]

    heads = [event.headers for event in events if isinstance(event, RequestReceived)]
    assert len(heads) == 3
    assert heads[0] == heads[1] == heads[2]
    assert (b":authority", b"127.0.0.1:8000") in heads[0]
