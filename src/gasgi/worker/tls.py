"""TLS as gunicorn's settings have it: the context of the listening sockets, and what the scope says of it."""

from __future__ import annotations

import ssl
from typing import Any

from gunicorn import sock as gunicorn_sock

from gasgi.app_errors import describe_exception
from gasgi.asgi.tls_info import TlsInfo
from gasgi.errors import SettingError

__all__ = ["make_ssl_context", "make_tls_info"]


def make_ssl_context(cfg: Any, alpn: list[str]) -> ssl.SSLContext | None:
    """Make the TLS context of gunicorn's settings; raise SettingError rather than serve plaintext on a TLS port."""
    if not cfg.is_ssl:
        return None
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
