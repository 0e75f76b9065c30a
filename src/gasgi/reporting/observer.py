"""Everything that wants to hear of requests, behind one object: access log, statsd and gunicorn's request hooks.

No I/O of its own and no ASGI; nothing a listener raises reaches the connection. No gunicorn import: its classes are
known by name.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from gasgi.app_errors import log_exception
from gasgi.quoting import quote
from gasgi.reporting.access_log import AccessLog
from gasgi.reporting.gunicorn_view import RequestView, ResponseView
from gasgi.reporting.statsd import RequestMetrics

if TYPE_CHECKING:
    from gasgi._accel import RequestHead
    from gasgi.proxy.protocol import ProxyInfo

__all__ = ["Observer", "make_observer"]


class Observer:
    """One per worker. Every ``begin`` is followed by one ``end`` with the view it returned."""

    def __init__(
        self,
        worker: Any,
        log: Any,
        access_log: AccessLog | None = None,
        metrics: RequestMetrics | None = None,
        access: Any = None,
        pre_request: Any = None,
        post_request: Any = None,
    ) -> None:
        self._worker = worker
        self._log = log
        self._access_log = access_log
        self._metrics = metrics
        self._access = access  # the ``access`` method of a logger class of the user's own
        self._pre_request = pre_request
        self._post_request = post_request

    def begin(
        self,
        head: RequestHead | None,
        client: tuple[str, int] | None,
        server: tuple[str, int | None] | None,
        scheme: str,
        proxied: ProxyInfo | None = None,
    ) -> RequestView:
        """Report a request that is about to reach the app or to be refused; ``head`` None: it never was complete."""
        view = RequestView(head, client, server, scheme)
        if proxied is not None:
            view.proxy_protocol_info = proxied.as_gunicorn()
        if self._pre_request is not None:
            try:
                self._pre_request(self._worker, view)
            except Exception as exc:
                log_exception(self._log, exc, "Exception in the pre_request hook")
        return view

    def end(
        self, view: RequestView, status: int, headers: list[tuple[bytes, bytes]], sent_bytes: int, duration_s: float
    ) -> None:
        """Report the answer: status 499 when the client left before it began; ``sent_bytes`` of the body."""
        response = ResponseView(status, headers, sent_bytes, duration_s)
        try:
            if self._access_log is not None:
                self._access_log.write(view, response)
            if self._metrics is not None:
                self._metrics.count(status, duration_s)
            if self._access is not None:
                self._access(response, view, view.environ, timedelta(seconds=duration_s))
        except Exception as exc:
            log_exception(self._log, exc, "Exception while logging a response")
        if self._post_request is not None:
            try:
                self._post_request(self._worker, view, view.environ, response)
            except Exception as exc:
                log_exception(self._log, exc, "Exception in the post_request hook")


def make_observer(worker: Any, cfg: Any, log: Any, is_json: bool = False) -> Observer | None:
    """Return the observer ``cfg`` and ``log`` call for, None when nothing listens. Call it in the worker process.

    ``is_json``: lines of the access log are JSON.
    """
    access = getattr(type(log), "access", None)
    is_statsd = _is_gunicorns(access, "gunicorn.instrument.statsd", "Statsd.access")
    access_log = None
    if is_statsd or _is_gunicorns(access, "gunicorn.glogging", "Logger.access"):
        if _wants_access_log(cfg):
            is_exact = not _has_gunicorns_atoms(type(log))
            access_log = AccessLog(log, cfg.access_log_format, is_exact=is_exact, is_json=is_json)
        access = None
    elif access is not None:
        access = log.access
        if is_json:
            log.warning("gasgi_access_log_json has no effect: logger_class = %s formats its own access log", type(log))
    metrics = RequestMetrics(log) if is_statsd else None
    pre_request = _own_hook(cfg, "pre_request")
    if pre_request is None and log.error_log.isEnabledFor(logging.DEBUG):
        pre_request = _log_request  # at this level gunicorn's default does the same, and leaves the path as it came
    post_request = _own_hook(cfg, "post_request")
    if access_log is None and metrics is None and access is None and pre_request is None and post_request is None:
        return None
    return Observer(worker, log, access_log, metrics, access, pre_request, post_request)


def _log_request(worker: Any, request: RequestView) -> None:
    worker.log.debug("%s %s", quote(request.method), quote(request.path))


def _is_gunicorns(function: object, module: str, name: str) -> bool:
    return getattr(function, "__module__", None) == module and getattr(function, "__qualname__", None) == name


def _has_gunicorns_atoms(logger_class: type) -> bool:
    """Return whether the class left alone what ``Logger.access`` builds its lines from."""
    return (
        _is_gunicorns(getattr(logger_class, "atoms", None), "gunicorn.glogging", "Logger.atoms")
        and _is_gunicorns(getattr(logger_class, "now", None), "gunicorn.glogging", "Logger.now")
        and _is_gunicorns(getattr(logger_class, "_get_user", None), "gunicorn.glogging", "Logger._get_user")
        and _is_gunicorns(getattr(logger_class, "atoms_wrapper_class", None), "gunicorn.glogging", "SafeAtoms")
    )


def _wants_access_log(cfg: Any) -> bool:
    # gunicorn's own rule, which only its newer versions offer as a property of the logger.
    return bool(
        cfg.accesslog
        or cfg.logconfig
        or cfg.logconfig_dict
        or cfg.logconfig_json
        or (cfg.syslog and not cfg.disable_redirect_access_to_syslog)
    )


def _own_hook(cfg: Any, name: str) -> Any:
    """Return the hook of that name unless it is gunicorn's default, which does nothing."""
    hook = getattr(cfg, name)
    return None if hook is cfg.settings[name].default else hook
