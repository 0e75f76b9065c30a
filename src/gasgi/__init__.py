"""An ASGI worker class for gunicorn: ``gunicorn main:app --worker-class gasgi.Worker``.

gunicorn imports this in its master, before it forks: no loop, no thread, and nothing heavy before ``Worker`` is
asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gasgi import compiled as compiled  # before any other module: it decides which files the others come from

if TYPE_CHECKING:
    from gasgi.worker.process import Worker

__all__ = ["Worker", "__version__"]

__version__ = "0.1.0.dev0"


def __getattr__(name: str) -> Any:
    if name == "Worker":
        from gasgi.worker.process import Worker

        return Worker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
