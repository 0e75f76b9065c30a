"""The MCP SDK's streamable HTTP transport."""

from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

server = MCPServer("tests")


@server.tool()
async def add(first: int, second: int) -> int:
    return first + second


app = server.streamable_http_app(transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False))
