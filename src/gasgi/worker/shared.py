"""What the master makes and all its workers have: the scoreboard, and the socket of the metrics.

Kept across reloads. A master that SIGUSR2 starts is a new process and makes its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from socket import socket as Socket
from typing import Any, ClassVar

from gasgi.reporting.meter import Meter
from gasgi.reporting.scoreboard import Scoreboard, Slot, make_scoreboard
from gasgi.setting import read_buckets
from gasgi.settings import Settings
from gasgi.worker.accept_queue import accept_queues, count_waiting
from gasgi.worker.metrics_server import MetricsServer, bind_metrics
from gasgi.worker.sharing import Sharing

__all__ = ["Shared"]


class Master:
    """What this master has made."""

    board: ClassVar[Scoreboard | None] = None
    buckets: ClassVar[tuple[str, ...]] = ()
    socket: ClassVar[Socket | None] = None
    address: ClassVar[str] = ""
    has_bound: ClassVar[bool] = False

    @classmethod
    def share_board(cls, settings: Settings) -> Scoreboard | None:
        """Return the scoreboard, a new one after a reload with other buckets; None where no memory can be shared."""
        if cls.board is None or cls.buckets != settings.metrics_buckets:
            cls.board = make_scoreboard()
            cls.buckets = settings.metrics_buckets
        return cls.board

    @classmethod
    def share_socket(cls, settings: Settings, umask: int) -> Socket | None:
        """Return the socket of the metrics, None when nobody asked for them; raise SettingError."""
        if cls.address != settings.metrics_bind:
            if cls.socket is not None:
                cls.socket.close()
            cls.socket, cls.address = None, ""
            if settings.metrics_bind:
                # Another master handed its sockets on (gunicorn's sign of SIGUSR2), or workers from before a reload
                # still have this address.
                is_upgrade = "GUNICORN_PID" in os.environ or cls.has_bound
                cls.socket = bind_metrics(settings.metrics_bind, umask, is_upgrade)
                cls.has_bound = True
            cls.address = settings.metrics_bind
        return cls.socket


class Shared:
    """One worker's part of it. Made in the master, for ``worker``; all but that is called in the worker's process."""

    def __init__(self, worker: object, settings: Settings, umask: int) -> None:
        """Raise SettingError when the metrics' address cannot be had."""
        self._bounds = read_buckets(settings.metrics_buckets)
        self._socket = Master.share_socket(settings, umask)
        self._board = Master.share_board(settings)
        self._slot: Slot | None = None if self._board is None else self._board.reserve(worker)
        self._server: MetricsServer | None = None

    def claim(self, now: float) -> None:
        """This process writes from now on (loop time, seconds)."""
        if self._slot is not None:
            self._slot.claim(os.getpid(), now)

    def beat(self, now: float) -> None:
        """Say that the loop runs; once a second."""
        if self._slot is not None:
            self._slot.beat(now)

    def release(self) -> None:
        """The worker ends."""
        if self._slot is not None:
            self._slot.release()

    def slot(self, is_alone: bool) -> Slot | None:
        """Return what connections are written to, None when nobody reads it: ``is_alone`` on its listening sockets."""
        return None if is_alone and self._socket is None else self._slot

    def sharing(self, is_alone: bool, listeners: Iterable[Any]) -> Sharing | None:
        """Return what decides which connections are left to siblings, None when there is nobody to leave them to."""
        return None if is_alone or self._slot is None else Sharing(self._slot, count_waiting(listeners))

    def meter(self) -> Meter | None:
        """Return what counts requests, None when nobody asked for metrics."""
        return None if self._slot is None or self._socket is None else Meter(self._slot, self._bounds)

    def start_metrics(self, listeners: Iterable[Any]) -> None:
        """Answer scrapes, if the settings ask for it; ``listeners`` are those whose queue all workers share."""
        if self._board is not None and self._socket is not None:
            of_all = list(listeners)
            self._server = MetricsServer(self._socket, self._board, self._bounds, lambda: accept_queues(of_all))
            self._server.start()

    def stop_metrics(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.stop()
