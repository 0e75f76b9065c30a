"""Admit a request to the application: what is believed of its client, whether there is room, and its scope.

Every wire asks here, with a parsed head, the peer of its connection and the record that the observer reads.
"""

from __future__ import annotations

from typing import Any

from gasgi._accel import RequestHead
from gasgi.asgi.scope import http_scope, scope_template, websocket_scope
from gasgi.errors import RequestError
from gasgi.proxy.policy import Forwarded
from gasgi.reporting.record import Record
from gasgi.serving.peer import Peer
from gasgi.serving.runtime import Runtime

__all__ = ["admit", "report_refusal"]


def admit(runtime: Runtime, peer: Peer, record: Record | None, head: RequestHead) -> dict[str, Any]:
    """Return the scope of a request, a WebSocket's where the head asks for one; ``record`` begins with the request.

    Raises RequestError for what a trusted proxy says in two ways, for field names that are refused, and when
    ``gasgi_limit_concurrency`` is reached.
    """
    template = peer.template
    if template is None:
        template = peer.template = scope_template(
            peer.client, peer.server, peer.scheme, runtime.settings.root_path, runtime.announced
        )
    forwarded: Forwarded | None = None
    if peer.is_trusted or head.has_underscore_name:
        forwarded = _ask_proxy(runtime, peer, head)
        if forwarded is not None:
            template = scope_template(
                forwarded.client, forwarded.server, forwarded.scheme, forwarded.root_path, runtime.announced
            )
    if head.upgrade == b"websocket":
        scope = websocket_scope(head, template, runtime.state, peer.tls)
    else:
        scope = http_scope(head, template, runtime.state, peer.tls)
    if forwarded is not None:
        scope["path"] = forwarded.full_path(head.path)
    if record is not None:
        record.begin(head, scope["client"], scope["server"], scope["scheme"], peer.proxied)
    if 0 < runtime.limit_concurrency <= len(runtime.conversations):
        detail = f"gasgi_limit_concurrency = {runtime.limit_concurrency}"
        raise RequestError(503, detail, ((b"retry-after", b"1"),))
    return scope


def report_refusal(
    runtime: Runtime, peer: Peer, record: Record | None, head: RequestHead | None, exc: RequestError
) -> None:
    """Tell log, metrics and observer of a request that is not served; without a head when it was not whole."""
    runtime.log.info("Rejected a request from %s: %s", peer, exc)
    if runtime.meter is not None:
        runtime.meter.count_refused(exc.status)
    if record is not None and not record.has_begun():
        record.begin(head, peer.client, peer.server, peer.scheme, peer.proxied)


def _ask_proxy(runtime: Runtime, peer: Peer, head: RequestHead) -> Forwarded | None:
    """Take what a trusted proxy says of the client, and drop or refuse ambiguous field names."""
    proxy = runtime.proxy
    if proxy is None:
        return None
    if head.has_underscore_name:
        head.headers = proxy.apply_field_policy(head.headers, peer.is_trusted)
    return proxy.rewrite(head, peer.client, peer.scheme, peer.server, peer.is_trusted)
