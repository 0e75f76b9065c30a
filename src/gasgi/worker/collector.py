"""Have Python's cyclic garbage collector look less often, and not at what lives as long as the worker.

Requests in progress keep hundreds of objects each, so with Python's own threshold a busy worker collects several times
in a turn of the loop, finds everything alive and promotes it, which makes the collections of the whole heap come
sooner too. docs/tuning.md has what the two settings change, benchmarks/README.md what the threshold saves.
"""

from __future__ import annotations

import gc

from gasgi.settings import Settings

__all__ = ["freeze_collector", "raise_collector_threshold"]


# As it is before gunicorn loads the application, in the master with --preload.
BEFORE_APPLICATION = gc.get_threshold()


def raise_collector_threshold(settings: Settings) -> None:
    """Raise it unless the application, preloaded or loaded later, chooses itself; what is higher, or off, stays."""
    threshold = gc.get_threshold()
    if gc.isenabled() and threshold == BEFORE_APPLICATION and 0 < threshold[0] < settings.gc_threshold:
        gc.set_threshold(settings.gc_threshold)


def freeze_collector(settings: Settings, is_heap_shared: bool) -> None:
    """Leave what exists when the worker is ready to no later collection.

    A heap that was loaded before the fork is not collected first: that writes into every object, and the workers would
    share no page of it any more.
    """
    if settings.gc_freeze:
        if not is_heap_shared:
            gc.collect()
        gc.freeze()
