"""The ``gasgi`` command: serve, or what else is asked for by its first words.

Imports gunicorn only where it is needed, so that there can be a report of an installation that does not load.
"""

from __future__ import annotations

import os
import sys

from gasgi.console import reader_may_leave

__all__ = ["main"]

REPORT = "--report"
SHOW_SETTINGS = "--show-settings"
# Until 0.1 the name of --show-settings.
OLD_SHOW_SETTINGS = "--settings"


def main(arguments: list[str] | None = None, *, is_module: bool = False) -> int:
    """Run the command and return its exit code; does not return while gunicorn serves.

    ``is_module`` is whether it was started as ``python -m gasgi``, which printed the report until 0.1.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    with reader_may_leave():
        if is_module and not arguments and not _finds_configuration():
            _tell_of_new_spelling("python -m gasgi", REPORT)
            arguments = [REPORT]
        elif OLD_SHOW_SETTINGS in arguments:
            _tell_of_new_spelling(OLD_SHOW_SETTINGS, SHOW_SETTINGS)
            arguments = [SHOW_SETTINGS if word == OLD_SHOW_SETTINGS else word for word in arguments]
        if arguments == [REPORT]:
            return _report()
        if REPORT in arguments:
            print(f"gasgi {REPORT} takes no other arguments", file=sys.stderr)
            return 2
        if SHOW_SETTINGS in arguments:
            return _show_settings([word for word in arguments if word != SHOW_SETTINGS])
        if arguments[:1] == ["top"]:
            from gasgi import top

            top.main(arguments[1:])
            return 0
        from gasgi.gunicorn_app import serve

        serve(arguments)
        return 0


def _finds_configuration() -> bool:
    """Whether gunicorn would find its arguments elsewhere than on the command line."""
    return os.path.exists("gunicorn.conf.py") or "GUNICORN_CMD_ARGS" in os.environ


def _tell_of_new_spelling(old: str, new: str) -> None:
    print(f"{old}: use gasgi {new}; the next release takes no other spelling", file=sys.stderr)


def _report() -> int:
    from gasgi.worker.build_info import report

    print(report())
    try:
        import gasgi._accel  # noqa: F401  # here, so that a module that does not load is part of the report
    except ImportError as exc:
        print(f"\ngasgi does not load: {type(exc).__name__}: {exc}")
        return 1
    return 0


def _show_settings(arguments: list[str]) -> int:
    from gasgi.errors import SettingError
    from gasgi.gunicorn_app import show_settings

    try:
        print(show_settings(arguments))
    except SettingError as exc:
        print(exc)
        return 1
    return 0
