"""Every setting a worker uses, read once per worker and checked at boot.

gunicorn's own names where gunicorn has the setting, ``gasgi_*`` for the rest. No gunicorn import: ``cfg`` is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the connections of one worker obey. Seconds end in ``_s``, bytes in ``_bytes``; 0 switches a deadline off."""

    # gunicorn's own
    root_path: str = ""
    worker_connections: int = 1000
    max_requests: int = 0
    keep_alive_s: float = 2.0
    graceful_timeout_s: float = 30.0
    limit_request_line: int = 4094
    limit_request_fields: int = 100
    limit_request_field_bytes: int = 8190
    permit_unconventional_http_method: bool = False
    permit_unconventional_http_version: bool = False
    casefold_http_method: bool = False
    header_map: str = "drop"
    forwarder_headers: tuple[str, ...] = ("SCRIPT_NAME", "PATH_INFO")
    disconnect_grace_s: float = 3.0
    websocket_max_message_bytes: int = 16 * 1024 * 1024
    sendfile: bool = True

    # gasgi's own
    first_byte_timeout_s: float = 30.0
    header_timeout_s: float = 15.0
    body_timeout_s: float = 60.0
    write_timeout_s: float = 60.0
    tls_handshake_timeout_s: float = 15.0
    proxy_header_timeout_s: float = 5.0
    limit_concurrency: int = 0
    server_header: str = "gasgi"
    max_body_drain_bytes: int = 64 * 1024
    body_buffer_bytes: int = 64 * 1024
    write_buffer_bytes: int = 64 * 1024
    gc_freeze: bool = True
    slow_loop_ms: float = 0.0
    websocket_ping_interval_s: float = 20.0
    websocket_ping_timeout_s: float = 20.0
    websocket_close_timeout_s: float = 10.0
    websocket_compression: bool = True
    websocket_compression_window_bits: int = 12
    websocket_compression_level: int = 1
    websocket_compression_min_bytes: int = 256
    websocket_queue_messages: int = 32
    websocket_queue_bytes: int = 1024 * 1024
