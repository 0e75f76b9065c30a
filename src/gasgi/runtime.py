"""What all connections of one worker share. Made by the worker, handed to every connection."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from gasgi.observer import Observer
    from gasgi.settings import Settings
    from gasgi.types import ASGIApp

__all__ = ["Connection", "Log", "Runtime"]


class Connection(Protocol):
    """What the server needs of a live connection, HTTP or WebSocket."""

    def sweep(self, now: float) -> None:
        """Act on every deadline that lies before ``now`` (loop time, seconds); called once a second."""

    def drain(self) -> None:
        """The worker is stopping: close at once when idle, otherwise as soon as the current work is done."""

    def abort(self) -> None:
        """The time to drain is over: drop the transport and cancel the application's task."""


class Log(Protocol):
    """The part of gunicorn's logger that gasgi writes to."""

    def debug(self, msg: str, *args: object) -> None: ...
    def info(self, msg: str, *args: object) -> None: ...
    def warning(self, msg: str, *args: object) -> None: ...
    def error(self, msg: str, *args: object, **kwargs: Any) -> None: ...
    def exception(self, msg: str, *args: object, **kwargs: Any) -> None: ...


class Runtime:
    """One per worker. Plain attributes: the hot path reads them, the server writes them."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        app: ASGIApp,
        settings: Settings,
        log: Log,
        observer: Observer | None = None,
    ) -> None:
        # Fixed for the worker
        self.loop = loop
        self.app = app
        self.settings = settings
        self.log = log
        self.observer = observer  # None when no access log, no statsd and no request hook wants to hear of requests
        self.base_context = contextvars.copy_context()
        # None when the lifespan is off or the app does not take part: the scope then has no "state".
        self.state: dict[str, Any] | None = None

        # Kept by the server
        self.now = loop.time()
        self.server_field = b""  # b"server: gasgi\r\n", or empty
        self.date_field = b""  # b"date: Sun, …\r\n", renewed every second
        self.is_draining = False

        # Kept by the connections
        self.connections: set[Connection] = set()
        self.exchanges: set[object] = set()
        self.requests_completed = 0
