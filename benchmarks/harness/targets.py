"""What gasgi promises: its CPU time per answer against each peer's, at most."""

from __future__ import annotations

__all__ = ["AGAINST", "TARGETS"]

AGAINST = ("granian", "uvicorn", "gunicorn", "floor")

# None: no promise.
TARGETS: dict[str, tuple[float | None, float | None, float | None, float | None]] = {
    "hello": (0.75, 0.40, 0.30, 2.0),
    "headers": (0.70, 0.38, 0.25, 2.2),
    "10kib": (0.75, 0.42, 0.30, 2.3),
    "post-1kib": (0.45, 0.38, 0.30, 2.5),
    "post-64kib": (0.40, 0.40, 0.20, 3.0),
    "stream": (0.45, 0.25, 0.20, None),
    "pipeline": (0.55, 0.22, 0.15, None),
    "1000": (0.70, 0.40, 0.25, 2.2),
    "connect": (None, None, None, None),
    "tls": (0.85, 0.30, 0.27, None),
    "ws-32b": (0.55, 0.55, 0.55, 1.7),
    "ws-1kib": (0.55, 0.55, 0.20, 1.7),
    "ws-64kib": (0.60, 0.65, 0.02, 1.7),
    "ws-1mib": (0.80, 0.80, 0.02, 1.7),
    "fastapi": (0.85, 0.85, 0.80, None),
}
