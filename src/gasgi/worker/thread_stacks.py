"""Show the stack of every thread when the arbiter gives up on a worker, or when C code crashes it.

The stacks are written by faulthandler from within the signal handler: Python code would not run while C code blocks the
interpreter.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from typing import TextIO

__all__ = ["ThreadStacks", "format_stacks"]


class ThreadStacks:
    """Has SIGABRT and crashes write all stacks to the file that ``logger`` writes to."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._descriptor = -1  # a duplicate: the number of the log's own is another file's once the log is closed
        self._file: tuple[int, int] | None = None
        self._is_log = False

    def follow(self) -> None:
        """Find the file; call again whenever the log may have moved, and after the handler of SIGABRT was installed.

        That handler runs once the stacks are written. A log that has no file any more leaves them to the one before.
        """
        descriptor = _duplicate_descriptor(self._logger)
        self._is_log = descriptor is not None
        if descriptor is None:
            return
        faulthandler.enable(file=descriptor, all_threads=True)
        if self._have_file():
            os.close(self._descriptor)
        self._descriptor = descriptor
        self._file = _identify(descriptor)

    def were_written(self) -> bool:
        """Whether SIGABRT has left the stacks in the log; an application may have closed what it did not open."""
        return self._is_log and faulthandler.is_enabled() and self._have_file()

    def _have_file(self) -> bool:
        return self._file is not None and _identify(self._descriptor) == self._file


def _identify(descriptor: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _duplicate_descriptor(logger: logging.Logger) -> int | None:
    for handler in _handlers(logger):
        try:
            return os.dup(handler.stream.fileno())
        except (AttributeError, OSError, ValueError):
            pass  # no file, or a file handler that was closed and opens its file with the next line
        if isinstance(handler, logging.FileHandler):
            try:
                return os.open(handler.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError:
                pass
    return None


def _handlers(logger: logging.Logger) -> Iterator[logging.StreamHandler[TextIO]]:
    """Those that a line reaches, as logging.Logger.callHandlers finds them."""
    at: logging.Logger | None = logger
    while at is not None:
        yield from (each for each in at.handlers if isinstance(each, logging.StreamHandler))
        at = at.parent if at.propagate else None


def format_stacks() -> str:
    """Return the stack of every thread as text."""
    return "\n".join(
        f"Thread {ident}:\n{''.join(traceback.format_stack(frame))}" for ident, frame in sys._current_frames().items()
    )
