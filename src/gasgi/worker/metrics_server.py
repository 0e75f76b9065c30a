"""Answers scrapes from a thread of each worker, on a socket that all of them share: whoever is free takes the next.

No request of the application's passes here, and none of these through the event loop: full and blocked workers answer.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import stat
import threading
from typing import Any

from gasgi.errors import SettingError
from gasgi.reporting.metrics import Collector, Queues, worker_rows
from gasgi.reporting.scoreboard import Scoreboard
from gasgi.setting import read_address

__all__ = ["MetricsServer", "bind_metrics"]

BACKLOG = 64
# For a scrape: one who connects and says nothing keeps the thread of one worker for so long.
TIMEOUT_S = 5.0


def bind_metrics(text: str, umask: int, is_upgrade: bool) -> socket.socket:
    """Return a listening socket for an address of the settings; raise SettingError.

    Called in the master. ``is_upgrade``: others who are to leave soon may listen at the same address, another master
    (SIGUSR2) or workers from before a reload.
    """
    address = read_address(text)
    is_unix = isinstance(address, str)
    family = socket.AF_UNIX if is_unix else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        if isinstance(address, str):
            _remove_socket(address)
        elif not is_upgrade:
            # Sharing the port is for the time of an upgrade, and must not hide that somebody else has it.
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        listener = socket.socket(family)
        if not is_unix:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if hasattr(socket, "SO_REUSEPORT"):
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        before = os.umask(umask)
        try:
            listener.bind(address)
        finally:
            os.umask(before)
        listener.listen(BACKLOG)
    except OSError as exc:
        raise SettingError(f"gasgi_metrics_bind = {text!r}: {exc.strerror or exc}") from exc
    listener.setblocking(False)
    return listener


def _remove_socket(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)


class MetricsServer:
    """One per worker. ``start`` it in the worker's process, ``stop`` it before that ends."""

    def __init__(self, listener: socket.socket, board: Scoreboard, bounds: tuple[float, ...], queues: Queues) -> None:
        self._listener = listener
        self._handler = _make_handler(board, bounds, queues)
        self._wake, self._is_stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="gasgi-metrics", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more; returns at once, or when the answer in progress is given, within a second."""
        self._wake.close()
        self._thread.join(1.0)

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._is_stopped, select.POLLIN | select.POLLHUP)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self._is_stopped.fileno() in ready:
                self._is_stopped.close()
                return
            try:
                client, _ = self._listener.accept()
            except OSError:
                continue  # a sibling was quicker, or the client has left
            with client, contextlib.suppress(OSError):
                client.setblocking(True)
                self._handler(client, ("", 0), None)


def _make_handler(board: Scoreboard, bounds: tuple[float, ...], queues: Queues) -> Any:
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import MetricsHandler

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector(board, bounds, queues))

    base: Any = MetricsHandler.factory(registry)

    class Handler(base):  # type: ignore[misc]  # of an extra that need not be installed
        timeout = TIMEOUT_S

        def do_GET(self) -> None:
            if self.path != "/workers":
                super().do_GET()
                return
            body = json.dumps({"bounds": bounds, "workers": worker_rows(board, bounds), "queues": queues()}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
