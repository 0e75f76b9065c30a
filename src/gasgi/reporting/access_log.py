"""Bring access log lines to the handlers of gunicorn's access logger, at the least cost that changes nothing.

Three ways, chosen by looking at the logger and looked at again every second: *direct* writes the line to the stream of
the one plain handler; *record* hands a ready line to ``Logger.handle``; *exact* lets gunicorn's own ``Logger.access``
do it, for formatters, filters and handlers that may look at more than the message (JSON formatters read ``args``).
Lines of JSON (``gasgi_access_log_json``) take the same ways; the exact one then gives the atoms beside the ready line.
"""

from __future__ import annotations

import logging
import logging.handlers
import re
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from gasgi.quoting import quote
from gasgi.reporting.access_format import AccessFormat
from gasgi.reporting.access_json import json_format
from gasgi.reporting.gunicorn_view import RequestView, ResponseView

__all__ = ["AccessLog", "QuotedAtoms"]

EXACT, RECORD, DIRECT = 0, 1, 2
INFO = logging.INFO

_STREAM_HANDLERS = (logging.StreamHandler, logging.FileHandler)
_KNOWN_HANDLERS = (
    *_STREAM_HANDLERS,
    logging.NullHandler,
    logging.handlers.WatchedFileHandler,
    logging.handlers.RotatingFileHandler,
    logging.handlers.TimedRotatingFileHandler,
    logging.handlers.SysLogHandler,
)
# What a format may name that differs when the line is ready-made.
_RECORD_DETAILS = re.compile(r"\b(?:args|msg|pathname|filename|module|lineno|funcName|stack_info|exc_info|taskName)\b")


class QuotedAtoms(dict[str, object]):
    """What gunicorn's SafeAtoms is to a format, with all quoted that a client may have written."""

    def __init__(self, atoms: Mapping[str, object]) -> None:
        super().__init__({name: quote(value) if isinstance(value, str) else value for name, value in atoms.items()})

    def __missing__(self, name: str) -> object:
        return self.get(name.lower(), "-") if name.startswith("{") else "-"


class AccessLog:
    """The access log of one worker; ``log`` is gunicorn's logger, its ``access`` not overridden."""

    def __init__(self, log: Any, format_text: str, is_exact: bool = False, is_json: bool = False) -> None:
        """``is_exact``: the logger's class makes its atoms itself, so always go through it."""
        self._log = log
        self._is_json = is_json
        self._access = _find_access(type(log))
        self._logger: logging.Logger = log.access_log
        self._second = 0
        self._way = EXACT
        # Of the direct way
        self._handler: Any = None
        self._formatter: Any = None
        self._format: AccessFormat | None
        self._is_exact = is_exact
        try:
            self._format = json_format() if is_json else AccessFormat(format_text)
        except ValueError:
            self._format = None
        if _is_gunicorns_wrapper(type(log)):
            log.atoms_wrapper_class = QuotedAtoms

    @property
    def way(self) -> str:
        """How lines reach the log now: "exact", "record" or "direct"."""
        self._start_second(int(time.time()))
        return ("exact", "record", "direct")[self._way]

    def write(self, request: RequestView, response: ResponseView) -> None:
        """Log one answer."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._start_second(second)
        if self._way == DIRECT and self._format is not None and self._is_still_direct():
            self._write_direct(self._format.render(request, response))
        elif not self._logger.isEnabledFor(logging.INFO):
            return
        elif self._way == EXACT or self._format is None:
            self._write_exactly(request, response)
        else:
            self._logger.handle(self._make_record(self._format.render(request, response)))

    def _start_second(self, second: int) -> None:
        self._second = second
        if self._format is None:
            return
        if self._is_json:
            self._format.time_text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))
        else:
            self._format.time_text = time.strftime("[%d/%b/%Y:%H:%M:%S %z]")
        self._way = EXACT if self._is_exact else self._find_way()

    def _find_way(self) -> int:
        """Look at the logger as it is now."""
        if type(self._logger) is not logging.Logger or logging.getLogRecordFactory() is not logging.LogRecord:
            return EXACT
        handlers: list[logging.Handler] = []
        logger: logging.Logger | None = self._logger
        while logger is not None:
            handlers += logger.handlers
            logger = logger.parent if logger.propagate else None
        if self._logger.filters or not handlers or not all(map(_reads_message_only, handlers)):
            return EXACT
        handler: Any = handlers[0]
        if len(handlers) > 1 or handler not in self._logger.handlers or not _is_plain_stream(handler):
            return RECORD
        if self._logger.level == logging.NOTSET:
            return RECORD  # some parent's level counts, which may change
        self._handler = handler
        self._formatter = handler.formatter
        return DIRECT

    def _is_still_direct(self) -> bool:
        """Notice what an application changed since the second began, and whether the line is wanted at all."""
        handler = self._handler
        logger = self._logger
        handlers = logger.handlers
        return (
            handler.formatter is self._formatter
            and handler.level <= INFO
            and handler.stream is not None
            and not handler.filters
            and len(handlers) == 1
            and handlers[0] is handler
            and not logger.filters
            and not logger.disabled
            and not logger.propagate
            and 0 < logger.level <= INFO
            and logger.manager.disable < INFO
        )

    def _write_direct(self, line: str) -> None:
        handler = self._handler
        with handler.lock:
            try:
                stream = handler.stream
                stream.write(line + handler.terminator)
                stream.flush()
            except Exception:
                handler.handleError(self._make_record(line))

    def _write_exactly(self, request: RequestView, response: ResponseView) -> None:
        log = self._log
        duration = timedelta(seconds=response.duration_s)
        if not self._is_json or self._format is None:
            self._access(log, response, request, request.environ, duration)
            return
        atoms = log.atoms_wrapper_class(log.atoms(response, request, request.environ, duration))
        # Handlers fill the atoms into the message, which is ready.
        self._logger.info(self._format.render(request, response).replace("%", "%%"), atoms)

    def _make_record(self, line: str) -> logging.LogRecord:
        # Without Logger.info: it would look for the caller, 2 µs for a line that nobody prints.
        return self._logger.makeRecord(self._logger.name, logging.INFO, __file__, 0, line, (), None)


def _find_access(logger_class: type) -> Any:
    """Return gunicorn's ``Logger.access``; a Statsd logger's would send the metrics too."""
    for parent in logger_class.__mro__:
        if parent.__module__ == "gunicorn.glogging" and parent.__name__ == "Logger":
            return vars(parent)["access"]
    raise TypeError(f"{logger_class!r} is not a gunicorn logger")


def _is_gunicorns_wrapper(logger_class: type) -> bool:
    wrapper = getattr(logger_class, "atoms_wrapper_class", None)
    return getattr(wrapper, "__module__", None) == "gunicorn.glogging"


def _reads_message_only(handler: logging.Handler) -> bool:
    """Return whether the handler writes the same when it gets the ready line without its atoms."""
    if type(handler) not in _KNOWN_HANDLERS or handler.filters:
        return False
    formatter = handler.formatter
    if formatter is None:
        return True
    return type(formatter) is logging.Formatter and not _RECORD_DETAILS.search(formatter._fmt or "")


def _is_plain_stream(handler: logging.Handler) -> bool:
    formatter = handler.formatter
    return type(handler) in _STREAM_HANDLERS and (formatter is None or formatter._fmt == "%(message)s")
