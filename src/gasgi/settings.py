"""Every setting a worker uses: its default, its range and what it does.

gunicorn's own names where gunicorn has the setting, ``gasgi_*`` for the rest. No gunicorn import: ``cfg`` is passed in.
The fields of ``Settings`` are the one list: defaults, ranges, help texts, flags and the tables of the documentation
come from them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from gasgi.setting import DAY_S, Setting, deadline, describe_field, gunicorns, own

__all__ = ["OWN_SETTINGS", "SETTINGS", "Settings"]

# What 0 ("no limit") becomes where a head without any bound would let one client take all memory.
UNBOUNDED_LINE = 1024 * 1024
UNBOUNDED_FIELDS = 32_768
UNBOUNDED_MESSAGE = 2**40
MAX_WINDOW = 2**31 - 1  # RFC 9113, 6.9.1
EXTENSIONS = (
    "http.response.early_hint",
    "http.response.trailers",
    "websocket.http.response",
    "tls",
)
# Announced on demand: frameworks use them as soon as they are, and middleware that waits for http.response.body (which
# compresses, caches or logs) then meets an event that it does not know.
FILE_EXTENSIONS = ("http.response.pathsend", "http.response.zerocopysend")
FORWARDED_FIELDS = (
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "script_name",
    "path_info",
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the connections of one worker obey. Seconds end in ``_s``, bytes in ``_bytes``; 0 turns a deadline off."""

    # gunicorn's own
    root_path: str = gunicorns(
        "root_path", "", "`root_path` of every scope, put in front of `path` where it is missing"
    )
    backlog: int = gunicorns("backlog", 2048, "connections the kernel queues before they are accepted", low=1)
    worker_connections: int = gunicorns(
        "worker_connections", 1000, "connections one worker holds; accepting pauses at the limit", low=1
    )
    max_requests: int = gunicorns("max_requests", 0, "requests after which a worker is replaced; 0: never", low=0)
    keep_alive_s: float = gunicorns("keepalive", 2.0, "time an idle connection is kept; 0: not at all", low=0)
    timeout_s: float = gunicorns("timeout", 30.0, "silence after which the arbiter kills a worker", low=0)
    graceful_timeout_s: float = gunicorns("graceful_timeout", 30.0, "time requests get to finish on a stop", low=0)
    limit_request_line: int = gunicorns(
        "limit_request_line", 4094, "longest request line, bytes (414); 0: 1 MiB",
        low=0, high=UNBOUNDED_LINE, zero=UNBOUNDED_LINE,
    )  # fmt: skip
    limit_request_fields: int = gunicorns(
        "limit_request_fields", 100, "field lines of one head (431); 0: 32768",
        low=0, high=UNBOUNDED_FIELDS, zero=UNBOUNDED_FIELDS,
    )  # fmt: skip
    limit_request_field_bytes: int = gunicorns(
        "limit_request_field_size", 8190, "longest field line, bytes (431); 0: 1 MiB",
        low=0, high=UNBOUNDED_LINE, zero=UNBOUNDED_LINE,
    )  # fmt: skip
    permit_unconventional_http_method: bool = gunicorns(
        "permit_unconventional_http_method", False, "methods in lower case, with # or of unusual length"
    )
    permit_unconventional_http_version: bool = gunicorns(
        "permit_unconventional_http_version", False, "HTTP/1.x versions other than 1.0 and 1.1"
    )
    casefold_http_method: bool = gunicorns("casefold_http_method", False, "methods are turned into upper case")
    header_map: str = gunicorns("header_map", "drop", "field names with an underscore: drop, refuse, dangerous")
    forwarder_headers: tuple[str, ...] = gunicorns(
        "forwarder_headers", ("SCRIPT_NAME", "PATH_INFO"), "names with an underscore a trusted proxy may send"
    )
    forwarded_allow_ips: tuple[str, ...] = gunicorns(
        "forwarded_allow_ips", ("127.0.0.1", "::1"), "proxies whose forwarding fields are believed"
    )
    secure_scheme_headers: tuple[tuple[str, str], ...] = gunicorns(
        "secure_scheme_headers",
        (("X-FORWARDED-PROTOCOL", "ssl"), ("X-FORWARDED-PROTO", "https"), ("X-FORWARDED-SSL", "on")),
        "fields by which a trusted proxy says https",
    )
    proxy_protocol: str = gunicorns("proxy_protocol", "off", "PROXY header before the first request: off, v1, v2, auto")
    proxy_allow_ips: tuple[str, ...] = gunicorns(
        "proxy_allow_ips", ("127.0.0.1", "::1"), "peers whose PROXY header is believed"
    )
    disconnect_grace_s: float = gunicorns(
        "asgi_disconnect_grace_period", 3.0, "time an app gets after its client left, before it is cancelled", low=0
    )
    websocket_max_message_bytes: int = gunicorns(
        "websocket_max_message_size",
        16 * 1024 * 1024,
        "largest WebSocket message, bytes (1009); 0: no limit",
        low=0,
        zero=UNBOUNDED_MESSAGE,
    )
    sendfile: bool = gunicorns(
        "sendfile", True, "the kernel sends files; off: they are not announced in `extensions` either"
    )
    asgi_loop: str = gunicorns("asgi_loop", "auto", "event loop: auto, uvloop or asyncio")
    asgi_lifespan: str = gunicorns("asgi_lifespan", "auto", "lifespan events: auto, on or off")
    http_protocols: tuple[str, ...] = gunicorns(
        "http_protocols", ("h1",), "what is offered by ALPN, the preferred first: h1, h2"
    )
    http2_cleartext: str = gunicorns(
        "http2_cleartext",
        "off",
        "HTTP/2 without TLS for peers of forwarded_allow_ips: off, prior-knowledge, upgrade or both",
    )
    http2_max_streams: int = gunicorns(
        "http2_max_concurrent_streams", 100, "requests in progress on one HTTP/2 connection", low=1, high=MAX_WINDOW
    )
    http2_window_bytes: int = gunicorns(
        "http2_initial_window_size",
        65_535,
        "body of one HTTP/2 request held for the app, bytes",
        low=1,
        high=MAX_WINDOW,
    )
    http2_max_frame_bytes: int = gunicorns(
        "http2_max_frame_size", 16_384, "largest HTTP/2 frame taken, bytes", low=16_384, high=2**24 - 1
    )
    http2_max_list_bytes: int = gunicorns(
        "http2_max_header_list_size", 65_536, "fields of one HTTP/2 request, bytes (431); 0: 1 MiB",
        low=0, high=UNBOUNDED_LINE, zero=UNBOUNDED_LINE,
    )  # fmt: skip

    # gasgi's own
    first_byte_timeout_s: float = deadline(30.0, "time from connecting to the first byte")
    header_timeout_s: float = deadline(15.0, "time from the first byte of a head to its end (408)")
    body_timeout_s: float = deadline(60.0, "longest silence inside a request body the app waits for (408)")
    write_timeout_s: float = deadline(60.0, "longest time a client takes nothing of an answer that waits for it")
    stream_drain_s: float = deadline(
        0.0, "time that answers without a known end, such as event streams, go on while the worker stops"
    )
    tls_handshake_timeout_s: float = own(15.0, "time for the TLS handshake", low=0.1, high=DAY_S)
    proxy_header_timeout_s: float = own(5.0, "time for the PROXY header", low=0.1, high=DAY_S)
    limit_concurrency: int = own(
        0, "requests and WebSockets in progress in one worker; more get 503; 0: no limit", low=0, high=10_000_000
    )
    server_header: str = own("gasgi", "value of the `server` field of answers; empty: no such field")
    forwarded_fields: tuple[str, ...] = own(
        # No more than every proxy sets by itself: the others pass a client's own field on as it came.
        ("x-forwarded-for",),
        "fields taken from a trusted proxy, which must set or remove each, besides secure_scheme_headers",
        choices=FORWARDED_FIELDS,
    )
    # Not "extensions": GASGI_EXTENSIONS is taken, it chooses between the compiled and the pure modules.
    asgi_extensions: tuple[str, ...] = own(
        EXTENSIONS, "ASGI extensions announced in the scope", choices=(*EXTENSIONS, *FILE_EXTENSIONS)
    )
    max_body_drain_bytes: int = own(
        64 * 1024, "unread request body that is read and thrown away to keep a connection", low=0, high=2**30
    )
    body_buffer_bytes: int = own(64 * 1024, "body held for the app before reading pauses", low=1024, high=2**30)
    write_buffer_bytes: int = own(64 * 1024, "answer held for the client before `send` waits", low=1024, high=2**30)
    gc_freeze: bool = own(True, "the garbage collector skips what exists when the worker is ready")
    gc_threshold: int = own(
        5000, "new objects that start a garbage collection, at least; 0: as Python and the application have it",
        low=0, high=2**30,
    )  # fmt: skip
    access_log_json: bool = own(False, "each line of the access log is a JSON object, instead of `access_log_format`")
    slow_loop_ms: float = own(
        0.0, "log the stack of what blocks the event loop for longer; 0 switches it off", low=0, high=DAY_S * 1000
    )
    slow_request_ms: float = own(
        0.0, "log where the time went of a request that takes longer, and where one that still runs waits; 0: off",
        low=0, high=DAY_S * 1000,
    )  # fmt: skip
    metrics_bind: str = own("", "address at which Prometheus finds metrics, host:port or unix:path; empty: none")
    metrics_buckets: tuple[str, ...] = own(
        ("0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10"),
        "upper ends of the buckets of request durations, seconds",
    )
    websocket_ping_interval_s: float = deadline(20.0, "time between pings to a WebSocket client")
    websocket_ping_timeout_s: float = deadline(20.0, "time a WebSocket client has to answer a ping")
    websocket_close_timeout_s: float = own(
        10.0,
        "time a WebSocket client has to answer a close, and to take some of what was sent before it",
        low=0.1,
        high=DAY_S,
    )
    websocket_compression: bool = own(True, "permessage-deflate is accepted when a client offers it")
    websocket_compression_window_bits: int = own(12, "size of the compression window, as a power of 2", low=9, high=15)
    websocket_compression_level: int = own(1, "effort of compression", low=1, high=9)
    websocket_compression_min_bytes: int = own(256, "shorter messages are sent as they are", low=0, high=2**30)
    websocket_queue_messages: int = own(32, "messages held for the app before reading pauses", low=1, high=1_000_000)
    websocket_queue_bytes: int = own(
        1024 * 1024, "memory of messages held for the app before reading pauses, bytes", low=1024, high=2**30
    )


SETTINGS: tuple[Setting, ...] = tuple(describe_field(spec) for spec in fields(Settings))
OWN_SETTINGS = {setting.name: setting for setting in SETTINGS if setting.is_own}
