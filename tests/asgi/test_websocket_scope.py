"""ASGI WebSocket, the connection scope: rows D1 to D3 of docs/asgi.md."""

from __future__ import annotations

from typing import Any

from tests.support.served import Served

UPGRADE = (
    b"GET /caf%%C3%%A9?a=1 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%b\r\n"
)


def scope_of(fields: bytes = b"", **options: Any) -> Any:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await receive()
        await send({"type": "websocket.close"})

    with Served(app, **options) as rig:
        rig.send(UPGRADE % fields)
    return seen[0]


def test_d1_type_version_and_scheme_and_no_method() -> None:
    scope = scope_of()
    assert (scope["type"], scope["http_version"], scope["scheme"]) == ("websocket", "1.1", "ws")
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert "method" not in scope


def test_d1_scheme_is_wss_over_tls() -> None:
    assert scope_of(extra={"sslcontext": object()})["scheme"] == "wss"


def test_d2_the_rest_is_as_for_http() -> None:
    state = {"pool": [1]}
    scope = scope_of(b"X-B: 1\r\nX-A: 2\r\nX-B: 3\r\n", prepare=lambda runtime: setattr(runtime, "state", state))
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/café", b"/caf%C3%A9", b"a=1")
    assert [pair for pair in scope["headers"] if pair[0].startswith(b"x-")] == [
        (b"x-b", b"1"),
        (b"x-a", b"2"),
        (b"x-b", b"3"),
    ]
    assert (scope["client"], scope["server"], scope["root_path"]) == (("192.0.2.1", 50000), ("192.0.2.2", 8000), "")
    assert scope["state"] == state
    assert scope["state"] is not state


def test_d2_extensions_are_those_of_a_websocket() -> None:
    assert scope_of()["extensions"] == {"websocket.http.response": {}}


def test_d3_subprotocols_come_from_all_fields_in_order() -> None:
    fields = b"Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: c\r\n"
    assert scope_of(fields)["subprotocols"] == ["a", "b", "c"]
    assert scope_of()["subprotocols"] == []
