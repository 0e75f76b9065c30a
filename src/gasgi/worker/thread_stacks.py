"""Show where every thread stands when the arbiter gives up on a worker, or when C code crashes it.

The stacks are written by faulthandler from within the signal handler: Python code would not run while C code blocks the
interpreter.
"""

from __future__ import annotations

import faulthandler
import logging
import sys
import traceback

__all__ = ["format_stacks", "write_stacks_on_abort"]


def write_stacks_on_abort(logger: logging.Logger) -> bool:
    """Have SIGABRT and crashes write all stacks to the file of ``logger``; return False when it has no file.

    Call after the handler of SIGABRT was installed, which runs once the stacks are written, and again whenever the file
    was opened anew.
    """
    descriptor = _descriptor_of(logger)
    if descriptor is None:
        return False
    faulthandler.enable(file=descriptor, all_threads=True)
    return True


def _descriptor_of(logger: logging.Logger) -> int | None:
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler):
            try:
                return int(handler.stream.fileno())
            except (AttributeError, OSError, ValueError):
                continue
    return None


def format_stacks() -> str:
    """Return the stack of every thread as text."""
    return "\n".join(
        f"Thread {ident}:\n{''.join(traceback.format_stack(frame))}" for ident, frame in sys._current_frames().items()
    )
