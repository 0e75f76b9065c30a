"""Build ASGI scopes from a parsed head. Every mutable value is the request's own: middleware may change it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gasgi.proxy.policy import add_root_path

if TYPE_CHECKING:
    from gasgi._accel import RequestHead

__all__ = ["http_scope", "scope_template", "websocket_scope"]


def scope_template(
    client: tuple[str, int] | None,
    server: tuple[str, int | None] | None,
    scheme: str,
    root_path: str,
    announced: tuple[tuple[str, ...], ...],
) -> dict[str, Any]:
    """Make what the scopes of one connection have in common; copied for each request, so immutable values only.

    Every key is there from the start: a dictionary that need not grow is copied in one go.
    """
    return {
        "type": "http",
        "asgi": None,
        "http_version": "1.1",
        "method": "",
        "scheme": scheme,
        "path": "",
        "raw_path": b"",
        "query_string": b"",
        "root_path": root_path,
        "headers": None,
        "client": client,
        "server": server,
        "state": None,
        "extensions": announced,
    }


def http_scope(
    head: RequestHead, template: dict[str, Any], state: dict[str, Any] | None, tls: dict[str, Any] | None
) -> dict[str, Any]:
    """Make the scope of one request (ASGI HTTP 2.5)."""
    scope = template.copy()
    scope["asgi"] = {"version": "3.0", "spec_version": "2.5"}
    scope["http_version"] = head.http_version
    scope["method"] = head.method
    root_path = template["root_path"]
    scope["path"] = add_root_path(root_path, head.path) if root_path else head.path
    scope["raw_path"] = head.raw_path
    scope["query_string"] = head.query_string
    scope["headers"] = head.headers
    extensions: dict[str, Any] = {}
    announced: tuple[tuple[str, ...], ...] = template["extensions"]
    names = announced[1] if head.accepts_trailers else announced[0]
    for name in names:
        extensions[name] = {}
    if tls is not None:
        extensions["tls"] = _own(tls)
    scope["extensions"] = extensions
    if state is not None:
        scope["state"] = state.copy()
    else:
        del scope["state"]
    return scope


def websocket_scope(
    head: RequestHead,
    template: dict[str, Any],
    state: dict[str, Any] | None,
    tls: dict[str, Any] | None,
) -> dict[str, Any]:
    """Make the scope of one WebSocket (ASGI WebSocket 2.5): like HTTP, without a method. The subprotocols are due."""
    scope = http_scope(head, template, state, tls)
    del scope["method"]
    scope["type"] = "websocket"
    scope["scheme"] = "wss" if scope["scheme"] in ("https", "wss") else "ws"
    scope["subprotocols"] = []
    extensions: dict[str, Any] = {name: {} for name in template["extensions"][2]}
    if tls is not None:
        extensions["tls"] = _own(tls)
    scope["extensions"] = extensions
    return scope


def _own(tls: dict[str, Any]) -> dict[str, Any]:
    """Copy the tls extension with its one list."""
    copy = tls.copy()
    copy["client_cert_chain"] = list(copy["client_cert_chain"])
    return copy
