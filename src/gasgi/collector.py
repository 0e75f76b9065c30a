"""Have Python's cyclic garbage collector look less often, and not at what lives as long as the worker.

Requests in progress keep hundreds of objects each, so with Python's own threshold a busy worker collects several times
in a turn of the loop, finds everything alive and promotes it, which makes the collections of the whole heap come
sooner too. docs/tuning.md has what the two settings change, docs/performance.md what the threshold saves.
"""

from __future__ import annotations

import gc

from gasgi.settings import Settings

__all__ = ["freeze_collector", "raise_collector_threshold"]


def raise_collector_threshold(settings: Settings) -> None:
    """Call it before the application is loaded, which may choose otherwise; what is higher, or off, stays."""
    if gc.isenabled() and 0 < gc.get_threshold()[0] < settings.gc_threshold:
        gc.set_threshold(settings.gc_threshold)


def freeze_collector(settings: Settings) -> None:
    """Leave what exists when the worker is ready to no later collection."""
    if settings.gc_freeze:
        gc.collect()
        gc.freeze()
