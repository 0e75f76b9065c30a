"""Print to a reader that may leave: ``python -m gasgi | head -1``."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

__all__ = ["reader_may_leave"]

# What a shell reports of programs that SIGPIPE ended, which Python ignores.
READER_LEFT = 141


@contextlib.contextmanager
def reader_may_leave() -> Iterator[None]:
    """Around all that prints: exit quietly when nobody reads the output any more."""
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(READER_LEFT)
