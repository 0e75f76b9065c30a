"""What gasgi promises: its CPU time per answer against each peer's, at most."""

from __future__ import annotations

__all__ = ["AGAINST", "AGAINST_HTTP2", "FLAT", "PURE", "TARGETS"]

# The columns of the two tables.
AGAINST = ("granian", "peregrine", "h2corn", "uvicorn", "gunicorn", "floor")
AGAINST_HTTP2 = ("granian", "h2corn", "peregrine", "gunicorn", "uvicorn-zttp", "hypercorn")

# Against granian, uvicorn, gunicorn's own worker and the floor. None: no promise.
_HTTP1: dict[str, tuple[float | None, float | None, float | None, float | None]] = {
    "hello": (0.75, 0.40, 0.30, 2.0),
    "headers": (0.70, 0.38, 0.25, 2.2),
    "10kib": (0.75, 0.42, 0.30, 2.3),
    "post-1kib": (0.45, 0.38, 0.30, 2.5),
    "post-64kib": (0.40, 0.40, 0.20, 3.0),
    "stream": (0.45, 0.25, 0.20, None),
    "pipeline": (0.55, 0.22, 0.15, None),
    "1000": (0.70, 0.40, 0.25, 2.2),
    "tls": (0.85, 0.30, 0.27, None),
    "ws-32b": (0.55, 0.55, 0.55, 1.7),
    "ws-1kib": (0.55, 0.55, 0.20, 1.7),
    "ws-64kib": (0.60, 0.65, 0.02, 1.7),
    "ws-1mib": (0.80, 0.80, 0.02, 1.7),
    "fastapi": (0.85, 0.85, 0.80, None),
}
# Against granian, h2corn, peregrine and gunicorn's own worker.
_HTTP2 = {
    "h2-1x100": (0.65, 0.8, 0.8, 0.1),
    "h2-1x50": (0.65, 0.8, 0.8, 0.1),
    "h2-10x10": (0.65, 0.8, 0.8, 0.1),
    "h2-64x1": (0.75, 1.0, 1.0, 0.1),
}

TARGETS: dict[str, dict[str, float]] = {
    name: {peer: target for peer, target in zip(peers, targets, strict=True) if target is not None}
    for peers, table in (
        (("granian", "uvicorn", "gunicorn", "floor"), _HTTP1),
        (("granian", "h2corn", "peregrine", "gunicorn"), _HTTP2),
    )
    for name, targets in table.items()
}
# The pure version's, each against one peer.
PURE = {
    "hello": ("uvicorn", 1.0),
    "headers": ("uvicorn", 1.0),
    **dict.fromkeys(_HTTP2, ("gunicorn", 0.6)),
}
FLAT = 1.3  # the dearest step of the ramp against the cheapest, up to which the cost counts as flat
