"""What the observer is told of one request after the other on a connection; made only where somebody listens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from gasgi.reporting.observer import Observer

if TYPE_CHECKING:
    from gasgi._accel import RequestHead
    from gasgi.proxy.protocol import ProxyInfo

__all__ = ["Record"]


class Record:
    """From ``begin`` to ``end``; a second ``end`` is nothing."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._view: Any = None
        self._began_at = 0.0

    def begin(
        self,
        head: RequestHead | None,
        client: tuple[str, int] | None,
        server: tuple[str, int | None] | None,
        scheme: str,
        proxied: ProxyInfo | None,
    ) -> None:
        """Report a request that is about to reach the app, or to be refused."""
        self._began_at = time.perf_counter()
        self._view = self._observer.begin(head, client, server, scheme, proxied)

    def has_begun(self) -> bool:
        """Whether an ``end`` is due."""
        return self._view is not None

    def end(self, status: int, fields: list[tuple[bytes, bytes]] | None, sent_bytes: int) -> None:
        """Report the answer, ``sent_bytes`` of its body; CLIENT_LEFT as the status when it never began."""
        view, self._view = self._view, None
        if view is not None:
            self._observer.end(view, status, fields or [], sent_bytes, time.perf_counter() - self._began_at)
