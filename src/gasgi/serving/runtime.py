"""What all connections of one worker share. Made by the worker, handed to every connection."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from gasgi._accel import FieldReader, HeadLimits
from gasgi.reporting.scoreboard import Slot
from gasgi.serving.quiet_heads import QuietHeads
from gasgi.serving.turns import Turns

if TYPE_CHECKING:
    from gasgi.proxy.policy import ProxyPolicy
    from gasgi.reporting.meter import Meter
    from gasgi.reporting.observer import Observer
    from gasgi.reporting.slow_requests import SlowRequests
    from gasgi.settings import Settings
    from gasgi.types import ASGIApp

__all__ = ["Connection", "Conversation", "Log", "Runtime", "announce"]

HAS_TASK_CONTEXT = sys.version_info >= (3, 11)
TASK_NAME = "gasgi-request"
Task = asyncio.Task


def _nothing() -> None:
    pass


def announce(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Sort the extensions once for all scopes: of HTTP, of HTTP to a client that takes trailers, of a WebSocket.

    "tls" is in none of them: it has a value, which each connection has or has not.
    """
    http = [name for name in names if name.startswith("http.")]
    websocket = [name for name in names if name.startswith("websocket.")]
    return tuple([name for name in http if name != "http.response.trailers"]), tuple(http), tuple(websocket)


class Connection(Protocol):
    """What the server needs of a live connection, HTTP or WebSocket."""

    def sweep(self, now: float) -> None:
        """Act on every deadline that lies before ``now`` (loop time, seconds); called once a second."""

    def drain(self) -> None:
        """The worker is stopping: close at once when idle, otherwise as soon as the current work is done."""

    def abort(self) -> None:
        """The time to drain is over: drop the transport and cancel the application's task."""


class Conversation(Protocol):
    """What the server needs of a running application call."""

    def cancel(self) -> None:
        """Cancel the application's task."""

    def sweep(self) -> None:
        """End a task that was cancelled before its first step; called once a second."""


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
        # A task made directly costs a quarter less than one made by the loop, which would only add the app's factory.
        self.has_task_factory = False
        self.proxy: ProxyPolicy | None = None  # None when nobody in front is trusted to speak for the client
        self.head_limits = HeadLimits(
            line=settings.limit_request_line,
            fields=settings.limit_request_fields,
            field_bytes=settings.limit_request_field_bytes,
            permit_method=settings.permit_unconventional_http_method,
            permit_version=settings.permit_unconventional_http_version,
            casefold_method=settings.casefold_http_method,
        )
        self.field_reader = FieldReader()  # of HTTP/1.1
        self.tls_info: Callable[[Any], dict[str, Any]] | None = (
            None  # from a transport's ssl_object to the ASGI extension
        )
        self.announced = announce(settings.asgi_extensions)
        self.keep_alive_s = settings.keep_alive_s
        self.limit_concurrency = settings.limit_concurrency
        # None when the lifespan is off or the app does not take part: the scope then has no "state".
        self.state: dict[str, Any] | None = None

        self.slot: Slot | None = None  # in the scoreboard; None where there is no shared memory
        self.slow: SlowRequests | None = None  # None: nobody asked
        self.meter: Meter | None = None  # None: nobody asked for metrics

        # Kept by the server
        self.now = loop.time()
        self.server_field = b""  # b"server: gasgi\r\n", or empty
        self.date_field = b""  # b"date: Sun, …\r\n", renewed every second
        self.is_draining = False
        self.quiet_s = 1.0  # how long an idle client may still say something then
        self.ends_streams = False  # draining for gasgi_stream_drain_s: a sweep ends answers without a known end
        self.on_room: Callable[[], object] | None = None  # set while accepting waits for a connection to end
        self.closes_due = 0  # so many answers of kept connections are to be their last, for the siblings' sake
        self.max_requests = settings.max_requests
        self.on_quota: Callable[[], object] = _nothing

        # Kept by the connections
        self.connections: set[Connection] = set()
        self.conversations: set[Conversation] = set()
        self.connections_ended = 0
        self.requests_completed = 0
        self.turns = Turns(loop)
        self.quiet_heads = QuietHeads(loop)

    def spawn(self, coro: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run ``coro`` in a task with a fresh copy of the worker's context.

        Not started eagerly (3.12): reading all requests, then running all handlers, then writing all answers cost less
        CPU time with 8 and 64 connections (benchmarks/README.md).
        """
        context = self.base_context.copy()
        if self.has_task_factory or not HAS_TASK_CONTEXT:
            return context.run(self.loop.create_task, coro)
        # A name given is a name that need not be counted up and formatted.
        return Task(coro, loop=self.loop, name=TASK_NAME, context=context)

    def forget(self, connection: Connection) -> None:
        """Drop a connection that is gone and tell the server that there is room."""
        self.connections.discard(connection)
        self.connections_ended += 1
        if self.slot is not None:
            self.slot.hold(len(self.connections))
        if self.on_room is not None:
            self.on_room()

    def count_request(self) -> None:
        """Count an answered request or WebSocket; ask the worker to stop when ``max_requests`` is reached."""
        self.requests_completed += 1
        if self.requests_completed == self.max_requests:
            self.on_quota()
