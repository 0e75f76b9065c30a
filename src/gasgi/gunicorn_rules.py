"""What gasgi cannot honour of gunicorn's settings: refused or warned about at boot, never silently dropped.

No gunicorn import: ``cfg`` is passed in. A setting that an older gunicorn does not have yet is looked for in the
configuration file.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from gasgi.errors import SettingError

__all__ = ["REFUSED", "WARNED", "GunicornRule", "check_gunicorn_settings", "check_tls_files"]


class GunicornRule(NamedTuple):
    """A value of a gunicorn setting that gasgi does not honour, and the sentence that says so."""

    name: str
    is_broken: Callable[[Any], bool]
    sentence: str


_NO_UWSGI = (
    "gasgi does not offer the uwsgi protocol; use `proxy_pass` instead of `uwsgi_pass` in nginx, "
    "or gunicorn's own asgi worker"
)

REFUSED: tuple[GunicornRule, ...] = (
    GunicornRule("protocol", lambda value: value != "http", _NO_UWSGI),
    GunicornRule(
        "strip_header_spaces",
        bool,
        "gasgi refuses a space before the colon of a field (RFC 9112, 5.1: a smuggling risk); "
        "have the proxy in front normalise such requests, or fix the client",
    ),
    GunicornRule(
        "permit_obsolete_folding",
        bool,
        "gasgi refuses folded field lines (RFC 9112, 5.2); have the proxy in front unfold them, or fix the client",
    ),
)

WARNED: tuple[GunicornRule, ...] = (
    GunicornRule(
        "threads",
        lambda value: value > 1,
        "has no effect: one event loop serves all connections of a worker; use workers",
    ),
    GunicornRule("http_parser", lambda value: value != "auto", "has no effect: gasgi parses with httptools"),
    GunicornRule(
        "uwsgi_allow_ips",
        lambda value: list(value) != ["127.0.0.1", "::1"],
        "has no effect: gasgi does not offer the uwsgi protocol",
    ),
    GunicornRule(
        "tmp_upload_dir", lambda value: value is not None, "has no effect: gasgi never writes a request body to a file"
    ),
    GunicornRule(
        "do_handshake_on_connect", bool, "has no effect: the TLS handshake always happens when a client connects"
    ),
    GunicornRule(
        "suppress_ragged_eofs",
        lambda value: not value,
        "has no effect: a TLS connection that ends without close_notify counts as a client disconnect",
    ),
)


_MISSING: Any = object()


class _AnyAtom(dict[str, Any]):
    """Every atom of an access log format: a number where gunicorn's is one, text elsewhere."""

    def __missing__(self, key: str) -> object:
        return 0 if key in ("T", "D", "M", "B") else "-"


def check_gunicorn_settings(cfg: Any, config_module: ModuleType | None = None) -> list[str]:
    """Raise SettingError for the first setting that must stop the boot; return a warning for each without effect."""
    for rule in REFUSED:
        sentence = _find_fault(rule, cfg, config_module)
        if sentence is not None:
            raise SettingError(sentence)
    _check_access_log_format(getattr(cfg, "access_log_format", None))
    sentences = [_find_fault(rule, cfg, config_module) for rule in WARNED]
    sentences.append(_find_http2_that_never_is(cfg, config_module))
    return [sentence for sentence in sentences if sentence is not None]


def _find_fault(rule: GunicornRule, cfg: Any, config_module: ModuleType | None) -> str | None:
    value = _look_up(rule.name, cfg, config_module)
    if value is _MISSING or not rule.is_broken(value):
        return None
    return f"{rule.name} = {value!r}: {rule.sentence}"


def _look_up(name: str, cfg: Any, config_module: ModuleType | None) -> Any:
    value = getattr(cfg, name, _MISSING)
    return getattr(config_module, name, _MISSING) if value is _MISSING else value


def _find_http2_that_never_is(cfg: Any, config_module: ModuleType | None) -> str | None:
    protocols = _look_up("http_protocols", cfg, config_module)
    cleartext = _look_up("http2_cleartext", cfg, config_module)
    is_named = protocols is not _MISSING and "h2" in protocols
    is_cleartext = cleartext not in (_MISSING, "off", False)
    if is_named and not is_cleartext and not getattr(cfg, "is_ssl", False):
        return f"http_protocols = {protocols!r}: without TLS HTTP/2 needs http2_cleartext too; HTTP/1.1 alone is served"
    if is_cleartext and not is_named:
        return f"http2_cleartext = {cleartext!r}: has no effect, since http_protocols does not name h2"
    return None


def _check_access_log_format(text: str | None) -> None:
    try:
        (text or "") % _AnyAtom()
    except (TypeError, ValueError) as exc:
        # gunicorn itself would print a traceback for every request.
        raise SettingError(f"access_log_format = {text!r}: {exc}") from None


def check_tls_files(cfg: Any) -> None:
    """Raise SettingError naming the first file of the TLS settings that is missing or cannot be read."""
    hook = cfg.settings["ssl_context"]
    is_gunicorns = hook.get() is hook.default  # another one need not use them all
    if is_gunicorns and cfg.keyfile and not cfg.certfile:
        raise SettingError(f"keyfile = {cfg.keyfile!r} needs a certfile")
    for name in ("certfile", "keyfile", "ca_certs") if is_gunicorns else ("certfile", "keyfile"):
        path = getattr(cfg, name)
        if path and (fault := _find_file_fault(path)):
            raise SettingError(f"{name} = {path!r}: {os.strerror(fault)}")


def _find_file_fault(path: str) -> int:
    """Return the error number of reading ``path``, 0 for none; does not open it, since it may be a pipe."""
    try:
        os.stat(path)
    except OSError as exc:
        return exc.errno or errno.ENOENT
    if os.path.isdir(path):
        return errno.EISDIR
    return 0 if os.access(path, os.R_OK) else errno.EACCES
