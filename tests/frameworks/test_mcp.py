"""The MCP SDK, its streamable HTTP client against its server."""

from __future__ import annotations

import asyncio

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.frameworks.sites import Site

APP = "mcp_app:app"


def test_lists_and_calls_tools(site: Site) -> None:
    async def talk() -> None:
        async with (
            httpx2.AsyncClient(verify=site.context or True) as http,
            Client(streamable_http_client(site.http + "/mcp", http_client=http)) as client,
        ):
            assert [tool.name for tool in (await client.list_tools()).tools] == ["add"]
            result = await client.call_tool("add", {"first": 2, "second": 3})
            assert result.content[0].text == "5"

    asyncio.run(asyncio.wait_for(talk(), 30))
