"""The close codes of WebSockets that gasgi itself uses, and which codes may be sent (RFC 6455, 7.4)."""

from __future__ import annotations

__all__ = [
    "ABNORMAL",
    "INTERNAL_ERROR",
    "INVALID_DATA",
    "NORMAL",
    "NO_STATUS",
    "PROTOCOL_ERROR",
    "SERVICE_RESTART",
    "TOO_BIG",
    "is_sendable",
]

NORMAL = 1000
PROTOCOL_ERROR = 1002
NO_STATUS = 1005  # a close frame without a code; never on the wire
ABNORMAL = 1006  # there was no close frame; never on the wire
INVALID_DATA = 1007
TOO_BIG = 1009
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012  # registered with IANA later than the RFC


def is_sendable(code: int) -> bool:
    """Tell whether ``code`` may stand in a close frame: those of RFC 6455, 7.4, and those registered since."""
    return 3000 <= code <= 4999 or (1000 <= code <= 1014 and not 1004 <= code <= 1006)
