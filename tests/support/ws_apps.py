"""The WebSocket application that tests, the soak and the Autobahn cases serve."""

from __future__ import annotations

from typing import Any

__all__ = ["echo", "echo_messages", "same"]


def same(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event that sends a received message back, as text or binary as it came."""
    if event.get("text") is not None:
        return {"type": "websocket.send", "text": event["text"]}
    return {"type": "websocket.send", "bytes": event["bytes"]}


async def echo_messages(receive: Any, send: Any) -> dict[str, Any]:
    """Send back what comes on an accepted connection; return the event that tells of its end."""
    while (event := await receive())["type"] != "websocket.disconnect":
        await send(same(event))
    return event


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Accept, and send back what comes."""
    await receive()
    await send({"type": "websocket.accept"})
    await echo_messages(receive, send)
