"""What the master makes and all its workers have: the scoreboard, and the socket of the metrics.

Kept across reloads. A master that SIGUSR2 starts is a new process and makes its own.
"""

from __future__ import annotations

import os
import socket
from typing import ClassVar

from gasgi.reporting.scoreboard import Scoreboard, make_scoreboard
from gasgi.settings import Settings
from gasgi.worker.metrics_server import bind_metrics

__all__ = ["Shared"]


class Shared:
    """Called where workers are made, in the master before the fork."""

    _board: ClassVar[Scoreboard | None] = None
    _buckets: ClassVar[tuple[str, ...]] = ()
    _socket: ClassVar[socket.socket | None] = None
    _address: ClassVar[str] = ""

    @classmethod
    def board(cls, settings: Settings) -> Scoreboard | None:
        """Return the scoreboard, a new one after a reload with other buckets; None where no memory can be shared."""
        if cls._board is None or cls._buckets != settings.metrics_buckets:
            cls._board = make_scoreboard()
            cls._buckets = settings.metrics_buckets
        return cls._board

    @classmethod
    def metrics_socket(cls, settings: Settings, umask: int) -> socket.socket | None:
        """Return the socket of the metrics, None when nobody asked for them; raise SettingError."""
        if cls._address != settings.metrics_bind:
            if cls._socket is not None:
                cls._socket.close()
            cls._socket, cls._address = None, ""
            if settings.metrics_bind:
                # gunicorn's sign that another master handed its sockets on.
                cls._socket = bind_metrics(settings.metrics_bind, umask, "GUNICORN_PID" in os.environ)
            cls._address = settings.metrics_bind
        return cls._socket
