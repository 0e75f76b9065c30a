"""``python -m gasgi``: what a bug report needs. ``--settings``: every setting, its value and where it came from.

``--settings`` takes gunicorn's arguments (``-c gunicorn.conf.py``) and reads the configuration as gunicorn would.
"""

from __future__ import annotations

import argparse
import sys

from gasgi.console import reader_may_leave
from gasgi.errors import SettingError
from gasgi.worker.build_info import report

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Print what was asked for; return 1 when a setting is impossible or a module does not load, and say which."""
    parser = argparse.ArgumentParser(prog="python -m gasgi", description="Tell which gasgi this is.")
    parser.add_argument("--settings", action="store_true", help="every setting: name, value, where it came from")
    options, rest = parser.parse_known_args(arguments)
    if options.settings:
        from gasgi.cli import show_settings  # here, because it needs gunicorn

        try:
            print(show_settings(rest))
        except SettingError as exc:
            print(exc)
            return 1
        return 0
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    print(report())
    try:
        import gasgi._accel  # noqa: F401  # here, so that a module that does not load is part of the report
    except ImportError as exc:
        print(f"\ngasgi does not load: {type(exc).__name__}: {exc}")
        return 1
    return 0


if __name__ == "__main__":
    with reader_may_leave():
        sys.exit(main())
