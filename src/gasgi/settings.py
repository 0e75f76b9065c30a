"""Every setting a worker uses, read once per worker and checked at boot.

gunicorn's own names where gunicorn has the setting, ``gasgi_*`` for the rest. No gunicorn import: ``cfg`` is passed in.
The fields of ``Settings`` are the one list: defaults, ranges, help texts, flags and the tables of the documentation
come from them.

A gasgi setting is looked for where gunicorn looks, in gunicorn's order: the command line (and ``GUNICORN_CMD_ARGS``,
both only with the ``gasgi`` command), then the configuration file, then ``GASGI_*`` in the environment, which
supplies a default as ``WEB_CONCURRENCY`` does, then the default written here.
"""

from __future__ import annotations

import difflib
import itertools
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

from gasgi.errors import SettingError
from gasgi.gunicorn_rules import check_gunicorn_settings
from gasgi.http2_settings import prepare_value

__all__ = [
    "SETTINGS",
    "Setting",
    "SettingRow",
    "Settings",
    "check_gunicorn_settings",
    "describe_settings",
    "find_config_module",
    "read_address",
    "read_buckets",
    "render_settings",
    "show_value",
    "whole_number",
]

Value = TypeVar("Value")

DAY_S = 86_400
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
MOST_BUCKETS = 50
FORWARDED_FIELDS = (
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "script_name",
    "path_info",
)


def _gunicorn(
    name: str,
    default: Value,
    help_text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    zero: int | None = None,
) -> Value:
    """Describe a field that gunicorn has a setting for; ``zero`` is what gunicorn's 0 stands for here."""
    return field(default=default, metadata={"name": name, "help": help_text, "low": low, "high": high, "zero": zero})


def _own(
    default: Value,
    help_text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Value:
    """Describe a field that only gasgi has; its public name is ``gasgi_`` and the name of the field."""
    return field(default=default, metadata={"help": help_text, "low": low, "high": high, "choices": choices})


def _deadline(default: float, help_text: str) -> float:
    return _own(default, help_text + "; 0 switches it off", low=0, high=DAY_S)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the connections of one worker obey. Seconds end in ``_s``, bytes in ``_bytes``; 0 turns a deadline off."""

    # gunicorn's own
    root_path: str = _gunicorn(
        "root_path", "", "`root_path` of every scope, put in front of `path` where it is missing"
    )
    backlog: int = _gunicorn("backlog", 2048, "connections the kernel queues before they are accepted", low=1)
    worker_connections: int = _gunicorn(
        "worker_connections", 1000, "connections one worker holds; accepting pauses at the limit", low=1
    )
    max_requests: int = _gunicorn("max_requests", 0, "requests after which a worker is replaced; 0: never", low=0)
    keep_alive_s: float = _gunicorn("keepalive", 2.0, "time an idle connection is kept; 0: not at all", low=0)
    timeout_s: float = _gunicorn("timeout", 30.0, "silence after which the arbiter kills a worker", low=0)
    graceful_timeout_s: float = _gunicorn("graceful_timeout", 30.0, "time requests get to finish on a stop", low=0)
    limit_request_line: int = _gunicorn(
        "limit_request_line", 4094, "longest request line, bytes (414); 0: 1 MiB",
        low=0, high=UNBOUNDED_LINE, zero=UNBOUNDED_LINE,
    )  # fmt: skip
    limit_request_fields: int = _gunicorn(
        "limit_request_fields", 100, "field lines of one head (431); 0: 32768",
        low=0, high=UNBOUNDED_FIELDS, zero=UNBOUNDED_FIELDS,
    )  # fmt: skip
    limit_request_field_bytes: int = _gunicorn(
        "limit_request_field_size", 8190, "longest field line, bytes (431); 0: 1 MiB",
        low=0, high=UNBOUNDED_LINE, zero=UNBOUNDED_LINE,
    )  # fmt: skip
    permit_unconventional_http_method: bool = _gunicorn(
        "permit_unconventional_http_method", False, "methods in lower case, with # or of unusual length"
    )
    permit_unconventional_http_version: bool = _gunicorn(
        "permit_unconventional_http_version", False, "HTTP/1.x versions other than 1.0 and 1.1"
    )
    casefold_http_method: bool = _gunicorn("casefold_http_method", False, "methods are turned into upper case")
    header_map: str = _gunicorn("header_map", "drop", "field names with an underscore: drop, refuse, dangerous")
    forwarder_headers: tuple[str, ...] = _gunicorn(
        "forwarder_headers", ("SCRIPT_NAME", "PATH_INFO"), "names with an underscore a trusted proxy may send"
    )
    forwarded_allow_ips: tuple[str, ...] = _gunicorn(
        "forwarded_allow_ips", ("127.0.0.1", "::1"), "proxies whose forwarding fields are believed"
    )
    secure_scheme_headers: tuple[tuple[str, str], ...] = _gunicorn(
        "secure_scheme_headers",
        (("X-FORWARDED-PROTOCOL", "ssl"), ("X-FORWARDED-PROTO", "https"), ("X-FORWARDED-SSL", "on")),
        "fields by which a trusted proxy says https",
    )
    proxy_protocol: str = _gunicorn("proxy_protocol", "off", "PROXY header before the first request: off, v1, v2, auto")
    proxy_allow_ips: tuple[str, ...] = _gunicorn(
        "proxy_allow_ips", ("127.0.0.1", "::1"), "peers whose PROXY header is believed"
    )
    disconnect_grace_s: float = _gunicorn(
        "asgi_disconnect_grace_period", 3.0, "time an app gets after its client left, before it is cancelled", low=0
    )
    websocket_max_message_bytes: int = _gunicorn(
        "websocket_max_message_size",
        16 * 1024 * 1024,
        "largest WebSocket message, bytes (1009); 0: no limit",
        low=0,
        zero=UNBOUNDED_MESSAGE,
    )
    sendfile: bool = _gunicorn(
        "sendfile", True, "the kernel sends files; off: they are not announced in `extensions` either"
    )
    asgi_loop: str = _gunicorn("asgi_loop", "auto", "event loop: auto, uvloop or asyncio")
    asgi_lifespan: str = _gunicorn("asgi_lifespan", "auto", "lifespan events: auto, on or off")
    http_protocols: tuple[str, ...] = _gunicorn(
        "http_protocols", ("h1",), "what is offered by ALPN, the preferred first: h1, h2"
    )
    http2_cleartext: str = _gunicorn(
        "http2_cleartext", "off", "HTTP/2 without TLS for peers of forwarded_allow_ips: off or prior-knowledge"
    )
    http2_max_streams: int = _gunicorn(
        "http2_max_concurrent_streams", 100, "requests in progress on one HTTP/2 connection", low=1, high=MAX_WINDOW
    )
    http2_window_bytes: int = _gunicorn(
        "http2_initial_window_size",
        65_535,
        "body of one HTTP/2 request held for the app, bytes",
        low=1,
        high=MAX_WINDOW,
    )
    http2_max_frame_bytes: int = _gunicorn(
        "http2_max_frame_size", 16_384, "largest HTTP/2 frame taken, bytes", low=16_384, high=2**24 - 1
    )
    http2_max_list_bytes: int = _gunicorn(
        "http2_max_header_list_size", 65_536, "fields of one HTTP/2 request, bytes (431); 0: 1 MiB",
        low=0, high=UNBOUNDED_LINE, zero=UNBOUNDED_LINE,
    )  # fmt: skip

    # gasgi's own
    first_byte_timeout_s: float = _deadline(30.0, "time from connecting to the first byte")
    header_timeout_s: float = _deadline(15.0, "time from the first byte of a head to its end (408)")
    body_timeout_s: float = _deadline(60.0, "longest silence inside a request body the app waits for (408)")
    write_timeout_s: float = _deadline(60.0, "longest time a client takes nothing of an answer that waits for it")
    stream_drain_s: float = _deadline(
        0.0, "time that answers without a known end, such as event streams, go on while the worker stops"
    )
    tls_handshake_timeout_s: float = _own(15.0, "time for the TLS handshake", low=0.1, high=DAY_S)
    proxy_header_timeout_s: float = _own(5.0, "time for the PROXY header", low=0.1, high=DAY_S)
    limit_concurrency: int = _own(
        0, "requests and WebSockets in progress in one worker; more get 503; 0: no limit", low=0, high=10_000_000
    )
    server_header: str = _own("gasgi", "value of the `server` field of answers; empty: no such field")
    forwarded_fields: tuple[str, ...] = _own(
        # No more than every proxy sets by itself: the others pass a client's own field on as it came.
        ("x-forwarded-for",),
        "fields taken from a trusted proxy, which must set or remove each, besides secure_scheme_headers",
        choices=FORWARDED_FIELDS,
    )
    # Not "extensions": GASGI_EXTENSIONS is taken, it chooses between the compiled and the pure modules.
    asgi_extensions: tuple[str, ...] = _own(
        EXTENSIONS, "ASGI extensions announced in the scope", choices=(*EXTENSIONS, *FILE_EXTENSIONS)
    )
    max_body_drain_bytes: int = _own(
        64 * 1024, "unread request body that is read and thrown away to keep a connection", low=0, high=2**30
    )
    body_buffer_bytes: int = _own(64 * 1024, "body held for the app before reading pauses", low=1024, high=2**30)
    write_buffer_bytes: int = _own(64 * 1024, "answer held for the client before `send` waits", low=1024, high=2**30)
    gc_freeze: bool = _own(True, "the garbage collector skips what exists when the worker is ready")
    gc_threshold: int = _own(
        5000, "new objects that start a garbage collection, at least; 0: as Python and the application have it",
        low=0, high=2**30,
    )  # fmt: skip
    access_log_json: bool = _own(False, "each line of the access log is a JSON object, instead of `access_log_format`")
    slow_loop_ms: float = _own(
        0.0, "log the stack of what blocks the event loop for longer; 0 switches it off", low=0, high=DAY_S * 1000
    )
    slow_request_ms: float = _own(
        0.0, "log where the time went of a request that takes longer, and where one that still runs waits; 0: off",
        low=0, high=DAY_S * 1000,
    )  # fmt: skip
    metrics_bind: str = _own("", "address at which Prometheus finds metrics, host:port or unix:path; empty: none")
    metrics_buckets: tuple[str, ...] = _own(
        ("0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10"),
        "upper ends of the buckets of request durations, seconds",
    )
    websocket_ping_interval_s: float = _deadline(20.0, "time between pings to a WebSocket client")
    websocket_ping_timeout_s: float = _deadline(20.0, "time a WebSocket client has to answer a ping")
    websocket_close_timeout_s: float = _own(
        10.0,
        "time a WebSocket client has to answer a close, and to take some of what was sent before it",
        low=0.1,
        high=DAY_S,
    )
    websocket_compression: bool = _own(True, "permessage-deflate is accepted when a client offers it")
    websocket_compression_window_bits: int = _own(12, "size of the compression window, as a power of 2", low=9, high=15)
    websocket_compression_level: int = _own(1, "effort of compression", low=1, high=9)
    websocket_compression_min_bytes: int = _own(256, "shorter messages are sent as they are", low=0, high=2**30)
    websocket_queue_messages: int = _own(32, "messages held for the app before reading pauses", low=1, high=1_000_000)
    websocket_queue_bytes: int = _own(
        1024 * 1024, "memory of messages held for the app before reading pauses, bytes", low=1024, high=2**30
    )

    @classmethod
    def load(cls, cfg: Any, config_module: ModuleType | None, environ: Mapping[str, str]) -> Settings:
        """Read ``cfg`` and gasgi's own settings; raise SettingError naming what is wrong and where it was written."""
        return cls(**{row.setting.field: row.value for row in describe_settings(cfg, config_module, environ)})


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of ``Settings``, as a user meets it."""

    field: str
    name: str  # in gunicorn.conf.py
    is_own: bool
    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    zero: int | None = None

    @property
    def variable(self) -> str:
        """Name in the environment."""
        return self.name.upper()

    @property
    def flag(self) -> str:
        """Option of the ``gasgi`` command."""
        return "--" + self.name.replace("_", "-")

    @property
    def range_text(self) -> str:
        """What may be written, for the tables."""
        if isinstance(self.default, bool):
            return "true, false"
        if self.choices:
            return "a list of " + ", ".join(self.choices)
        if self.low is None:
            return "text"
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        return f"{kind} from {self.low:g}" + (f" to {self.high:.0f}" if self.high is not None else "")

    def read(self, value: object, source: str) -> Any:
        """Turn what was written into the field's value; raise SettingError naming the setting and ``source``."""
        try:
            return self._check(_convert(prepare_value(self.name, value), self.default))
        except (TypeError, ValueError) as exc:
            raise SettingError(f"{self.name} = {value!r} ({source}): {exc}") from None

    def _check(self, value: Any) -> Any:
        if self.low is not None and value < self.low:
            raise ValueError(f"must be {self.range_text}")
        if self.high is not None and value > self.high:
            raise ValueError(f"must be {self.range_text}")
        if self.choices:
            for item in value:
                if item not in self.choices:
                    raise ValueError(f"{item!r} is not one of {', '.join(self.choices)}")
        if self.field == "root_path":
            value = value.rstrip("/")
            if value and not value.startswith("/"):
                raise ValueError("must begin with a slash")
        if self.field == "limit_request_field_bytes" and value == 1:
            raise ValueError("must be 2 or more, or 0: the end of the line counts")
        if self.field == "server_header" and not all(" " <= letter <= "~" for letter in value):
            raise ValueError("must be printable ASCII")
        if self.field == "metrics_bind" and value:
            read_address(value)
        if self.field == "metrics_buckets":
            read_buckets(value)
        if self.zero is not None and value == 0:
            return self.zero
        return value


def read_address(text: str) -> str | tuple[str, int]:
    """Return the path behind ``unix:``, or host and port; raise ValueError for anything else."""
    if text.startswith("unix:") and len(text) > len("unix:"):
        return text[len("unix:") :]
    host, colon, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not host or not _is_whole_number(port) or not 0 < int(port) < 65536:
        raise ValueError("must be host:port or unix:path")
    return host, int(port)


def read_buckets(texts: tuple[str, ...]) -> tuple[float, ...]:
    """Return the upper ends as numbers; raise ValueError unless they go up from above 0 and are few enough."""
    if not all(_is_number(text) for text in texts):
        raise ValueError("must be a list of numbers in the digits 0 to 9")
    bounds = tuple(float(text) for text in texts)
    if not 0 < len(bounds) <= MOST_BUCKETS or bounds[0] <= 0 or not math.isfinite(bounds[-1]):
        raise ValueError(f"must be 1 to {MOST_BUCKETS} numbers above 0")
    if any(after <= before for before, after in itertools.pairwise(bounds)):
        raise ValueError("must go up")
    return bounds


def _describe(spec: Any) -> Setting:
    hints = spec.metadata
    return Setting(
        field=spec.name,
        name=hints.get("name", "gasgi_" + spec.name),
        is_own="name" not in hints,
        default=spec.default,
        help=hints["help"],
        low=hints["low"],
        high=hints.get("high"),
        choices=hints.get("choices", ()),
        zero=hints.get("zero"),
    )


SETTINGS: tuple[Setting, ...] = tuple(_describe(spec) for spec in fields(Settings))
OWN_SETTINGS = {setting.name: setting for setting in SETTINGS if setting.is_own}
_TRUE = frozenset(("true", "1", "yes", "on"))
_FALSE = frozenset(("false", "0", "no", "off"))
# int() and float() also read 1_0 as ten, and digits of every script.
_is_whole_number = re.compile(r"[+-]?[0-9]+").fullmatch
_is_number = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?").fullmatch


def whole_number(text: str) -> int:
    """Read a whole number in the digits 0 to 9; raise ValueError for anything else."""
    if not _is_whole_number(text):
        raise ValueError("must be a whole number in the digits 0 to 9")
    return int(text)


def _convert(value: object, default: object) -> object:
    """Give ``value`` the type of ``default``; text is read as the environment writes it."""
    text = value.strip() if isinstance(value, str) else None
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        if text is not None and text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        raise ValueError("must be true or false")
    if isinstance(default, int):
        if text is not None:
            return whole_number(text)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise ValueError("must be a whole number")
    if isinstance(default, float):
        if isinstance(value, bool) or (text is None and not isinstance(value, (int, float))):
            raise ValueError("must be a number")
        if text is not None and not _is_number(text):
            raise ValueError("must be a number in the digits 0 to 9")
        number = float(text if text is not None else value)  # type: ignore[arg-type]  # the line above left numbers
        if not math.isfinite(number):
            raise ValueError("must be a finite number")
        return number
    if isinstance(default, tuple):
        return _convert_list(value, text)
    if text is None:
        raise ValueError("must be text")
    return text


def _convert_list(value: object, text: str | None) -> tuple[object, ...]:
    if text is not None:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if isinstance(value, Mapping):
        return tuple((str(name), str(content)) for name, content in value.items())
    if isinstance(value, (list, tuple)) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise ValueError("must be a list of texts")


class SettingRow(NamedTuple):
    """A setting, its value and where the value came from."""

    setting: Setting
    value: Any
    source: str


def describe_settings(cfg: Any, config_module: ModuleType | None, environ: Mapping[str, str]) -> list[SettingRow]:
    """Every setting with its value and source; raise SettingError as ``Settings.load`` does."""
    _refuse_unknown_names(config_module, environ)
    _refuse_odd_numbers(cfg, config_module, environ)
    rows = []
    for setting in SETTINGS:
        if setting.is_own:
            rows.append(_read_own(setting, cfg, config_module, environ))
        else:
            rows.append(_read_gunicorn(setting, cfg, config_module))
    return _withdraw_files(rows)


def _withdraw_files(rows: list[SettingRow]) -> list[SettingRow]:
    """Take the extensions that send files out of what is announced when ``sendfile`` is off."""
    values = {row.setting.field: row.value for row in rows}
    if values["sendfile"]:
        return rows
    announced = tuple(name for name in values["asgi_extensions"] if name not in FILE_EXTENSIONS)
    return [row._replace(value=announced) if row.setting.field == "asgi_extensions" else row for row in rows]


def _read_own(setting: Setting, cfg: Any, config_module: ModuleType | None, environ: Mapping[str, str]) -> SettingRow:
    written = getattr(config_module, setting.name, None)
    # Only under the gasgi command does gunicorn know the name; it has put file and command line in order already.
    registered = getattr(cfg, setting.name, None)
    if registered is not None and (written is None or registered != setting.read(written, _file_name(config_module))):
        return SettingRow(setting, setting.read(registered, "command line"), "command line")
    if written is not None:
        source = _file_name(config_module)
        return SettingRow(setting, setting.read(written, source), source)
    if setting.variable in environ:
        source = f"environment variable {setting.variable}"
        return SettingRow(setting, setting.read(environ[setting.variable], source), source)
    return SettingRow(setting, setting.default, "default")


def _read_gunicorn(setting: Setting, cfg: Any, config_module: ModuleType | None) -> SettingRow:
    # gunicorn before the version that brought the setting does not have it, and passes it over in the file.
    value = getattr(cfg, setting.name, None)
    if value is None:
        value = getattr(config_module, setting.name, None)
    if value is None:
        return SettingRow(setting, setting.default, "default")
    value = setting.read(value, "gunicorn")
    if _comes_from_file(setting, value, config_module):
        return SettingRow(setting, value, _file_name(config_module))
    is_default = value == setting.default
    return SettingRow(setting, value, "default" if is_default else "gunicorn: command line or environment")


def _comes_from_file(setting: Setting, value: Any, config_module: ModuleType | None) -> bool:
    """Whether it is what the file says and not what the command line or the environment made of it."""
    if not hasattr(config_module, setting.name):
        return False
    try:
        return bool(setting.read(getattr(config_module, setting.name), "gunicorn") == value)
    except SettingError:
        return True  # written in a form that gunicorn turned into another


def _file_name(config_module: ModuleType | None) -> str:
    return getattr(config_module, "__file__", None) or "configuration file"


# Kubernetes and Docker put the address of a service called "gasgi" into every container under these names.
_SERVICE_ADDRESS = re.compile(
    r"GASGI_(?:.*_)?(?:SERVICE_HOST|SERVICE_PORT(?:_.*)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_.*)?)?)"
)


def _refuse_unknown_names(config_module: ModuleType | None, environ: Mapping[str, str]) -> None:
    for name, value in vars(config_module).items() if config_module is not None else ():
        if not name.lower().startswith("gasgi_") or name in OWN_SETTINGS:
            continue
        # A module or a function is something the file uses, not something it sets.
        if not callable(value) and not isinstance(value, ModuleType):
            raise SettingError(f"{name} ({_file_name(config_module)}): {_suggest(name.lower(), OWN_SETTINGS)}")
    known = {setting.variable for setting in OWN_SETTINGS.values()} | {"GASGI_EXTENSIONS"}
    for name in environ:
        if name.startswith("GASGI_") and name not in known and not _SERVICE_ADDRESS.fullmatch(name):
            raise SettingError(f"{name} (environment): {_suggest(name, known)}")


def _refuse_odd_numbers(cfg: Any, config_module: ModuleType | None, environ: Mapping[str, str]) -> None:
    """Look at the numbers that gunicorn reads out of text itself, and reads too much as one."""
    texts = [("WEB_CONCURRENCY", environ.get("WEB_CONCURRENCY"), "environment")]
    for name, setting in getattr(cfg, "settings", {}).items():
        if setting.default is not None and type(setting.default) in (int, float):
            texts.append((name, getattr(config_module, name, None), _file_name(config_module)))
    for name, text, source in texts:
        # 0x, 0o and 0b are gunicorn's, for umask.
        if isinstance(text, str) and not re.fullmatch(r"[+-]?(?:0[xob])?[0-9A-Fa-f.]*", text.strip()):
            raise SettingError(f"{name} = {text!r} ({source}): must be a number in the digits 0 to 9")


def _suggest(name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.0)
    return f"no such setting; the nearest is {nearest[0]}"


def find_config_module(cfg: Any, modules: Mapping[str, ModuleType]) -> ModuleType | None:
    """The configuration file as gunicorn executed it; ``modules`` is ``sys.modules``."""
    location = getattr(cfg, "config", None) or ""
    if location.startswith("python:"):
        return modules.get(location[len("python:") :])
    return modules.get("__config__")


def render_settings(cfg: Any, config_module: ModuleType | None, environ: Mapping[str, str]) -> str:
    """Three columns: name, value, source. ``cfg`` None stands for gunicorn's defaults."""
    rows = [
        (row.setting.name, show_value(row.value), row.source) for row in describe_settings(cfg, config_module, environ)
    ]
    name_width = max(len(name) for name, _, _ in rows)
    value_width = min(40, max(len(value) for _, value, _ in rows))
    return "\n".join(f"{name:{name_width}}  {value:{value_width}}  {source}" for name, value, source in rows)


def show_value(value: object) -> str:
    """Write a value as the list of settings shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ", ".join(": ".join(part) if isinstance(part, tuple) else part for part in value)
    return str(value)
