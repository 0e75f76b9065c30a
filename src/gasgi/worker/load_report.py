"""Why an application does not load, in the log: what gunicorn would not say, or would try again for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gasgi.app_errors import is_printable, log_exception
from gasgi.errors import SettingError
from gasgi.worker.exits import describe_exit

if TYPE_CHECKING:
    from gasgi.serving.runtime import Log

__all__ = ["report_load_failure"]


def report_load_failure(exc: BaseException, log: Log) -> bool:
    """Log why; return False for what is left to gunicorn, which prints it with its traceback and ends the worker."""
    if issubclass(type(exc), SettingError):
        log.error("%s", exc)
    elif issubclass(type(exc), (SystemExit, KeyboardInterrupt)):
        # Let through, gunicorn would start the worker anew for ever.
        log.error("Application exited during import: %s", describe_exit(exc))
    elif is_printable(exc):
        return False
    else:
        # gunicorn would leave it to Python's formatting.
        log_exception(log, exc, "Cannot load the application")
    return True
