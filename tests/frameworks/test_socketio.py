"""python-socketio with its own client."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
import socketio

from tests.frameworks.sites import Site

APP = "socketio_app:app"


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]], ids="-".join)
def test_calls_and_is_called(site: Site, transports: list[str]) -> None:
    async def talk() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=site.context or True)) as session:
            client = socketio.AsyncClient(http_session=session)
            called = asyncio.get_running_loop().create_future()
            client.on("called", called.set_result)
            await client.connect(site.http, transports=transports)
            assert await client.call("add", (2, 3)) == 5
            await client.emit("call_back", "text")
            assert await called == "TEXT"
            await client.disconnect()

    asyncio.run(asyncio.wait_for(talk(), 30))
