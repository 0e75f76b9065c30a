"""``serve(app)`` puts an application on a connection; every connection is closed, and looked at, when the test ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.served import Served


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    if request.param == "uvloop":
        import uvloop

        loop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    yield loop
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@pytest.fixture
def serve(loop: asyncio.AbstractEventLoop) -> Iterator[Callable[..., Served]]:
    made: list[Served] = []

    def make(app: Any, *args: Any, **kwargs: Any) -> Served:
        made.append(Served(app, *args, loop=loop, **kwargs))
        return made[-1]

    yield make
    for served in made:
        served.close()
