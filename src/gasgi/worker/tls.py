"""TLS as gunicorn's settings have it: the context of the listening sockets, and what the scope says of it."""

from __future__ import annotations

import functools
import ssl
from typing import Any

from gunicorn import sock as gunicorn_sock

from gasgi.app_errors import describe_exception
from gasgi.asgi.tls_info import TlsInfo
from gasgi.errors import SettingError
from gasgi.gunicorn_rules import check_tls_files

__all__ = ["check_files_before_sockets", "make_ssl_context", "make_tls_info"]


def check_files_before_sockets() -> None:
    """Have gunicorn end with a sentence where a file of the TLS settings is missing; by itself it shows a traceback."""
    create_sockets = gunicorn_sock.create_sockets
    if hasattr(create_sockets, "__wrapped__"):
        return

    @functools.wraps(create_sockets)
    def create(conf: Any, *arguments: Any, **named: Any) -> Any:
        try:
            check_tls_files(conf)
        except SettingError as exc:
            # gunicorn prints a RuntimeError as "Error: …" and exits.
            raise RuntimeError(str(exc)) from exc
        return create_sockets(conf, *arguments, **named)

    gunicorn_sock.create_sockets = create


def make_ssl_context(cfg: Any, alpn: list[str]) -> ssl.SSLContext | None:
    """Make the TLS context of gunicorn's settings; raise SettingError rather than serve plaintext on a TLS port."""
    if not cfg.is_ssl:
        return None
    check_tls_files(cfg)
    try:
        context = gunicorn_sock.ssl_context(cfg)
    except Exception as exc:
        raise SettingError(
            f"TLS cannot be set up from certfile={cfg.certfile!r}, keyfile={cfg.keyfile!r}, ca_certs={cfg.ca_certs!r}, "
            f"ciphers={cfg.ciphers!r} and the ssl_context hook: {describe_exception(exc)}"
        ) from exc
    if not isinstance(context, ssl.SSLContext):
        raise SettingError(f"the ssl_context hook must return an ssl.SSLContext, not {context!r}")
    # Whatever else a hook may have offered could not be served.
    context.set_alpn_protocols(alpn)
    return context


def make_tls_info(context: ssl.SSLContext | None, cfg: Any) -> TlsInfo | None:
    """Return what describes connections of ``context`` in their scope; None without TLS."""
    if context is None:
        return None
    hook = cfg.settings["ssl_context"]
    # A hook may have loaded another certificate.
    return TlsInfo(context, cfg.certfile if hook.get() is hook.default else None)
