"""Reads ``http_protocols`` and ``http2_cleartext`` as gunicorn does, for one that does not have them yet."""

from __future__ import annotations

__all__ = ["prepare_value"]

PROTOCOLS = ("h1", "h2")
MECHANISMS = ("off", "prior-knowledge", "upgrade", "both")


def prepare_value(name: str, value: object) -> object:
    """Return ``value`` in gunicorn's form if ``name`` is one of the two; raise ValueError for no value of theirs.

    An empty text stands for ``h1``, True and False for ``prior-knowledge`` and ``off``.
    """
    if name == "http_protocols":
        return _read_protocols(value)
    if name == "http2_cleartext":
        return _read_mechanism(value)
    return value


def _read_protocols(value: object) -> object:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise ValueError("must be a string, such as h2,h1")
    named = tuple([part.strip().lower() for part in parts if part.strip()])
    for part in named:
        if part not in PROTOCOLS:
            raise ValueError(f"{part!r} is not one of {', '.join(PROTOCOLS)}")
    if len(set(named)) != len(named):
        raise ValueError("names a protocol twice")
    return named or ("h1",)


def _read_mechanism(value: object) -> object:
    if isinstance(value, bool):
        return "prior-knowledge" if value else "off"
    named = value.strip().lower() if isinstance(value, str) else None
    if named not in MECHANISMS:
        raise ValueError(f"must be one of {', '.join(MECHANISMS)}")
    return named
