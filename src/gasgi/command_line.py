"""The command line of ``gasgi``: gunicorn's options in groups, gasgi's own, and the nearest name for a misspelt one.

Must not be imported by ``worker``: registering settings changes what gunicorn's parser knows.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import re
import shutil
from collections.abc import Sequence
from typing import Any, NoReturn

import gunicorn
from gunicorn import config

from gasgi import __version__
from gasgi.setting import Setting
from gasgi.settings import OWN_SETTINGS

__all__ = ["PROGRAM", "USAGE", "GroupedConfig", "register_settings"]

PROGRAM = "gasgi"
USAGE = """%(prog)s [OPTIONS] [APP_MODULE]
       %(prog)s top [ADDRESS]              show the workers of a running server
       %(prog)s --report                   show versions and what runs compiled, for a bug report
       %(prog)s --show-settings [OPTIONS]  show each setting, its value and where it comes from"""
METAVARS = {bool: "BOOL", int: "INT", float: "NUMBER", str: "STRING", tuple: "LIST"}
SECTION = "gasgi"
WIDEST = 100
HELP_COLUMN = 36
COMMANDS = ("--report", "--show-settings", "--version", "--help")
# Options of uvicorn, hypercorn and granian whose names here resemble theirs too little.
ELSEWHERE = {
    "--access-log": "--access-logfile -",
    "--app-dir": "--chdir",
    "--fd": "--bind fd://FD",
    "--host": "--bind HOST:PORT",
    "--http": "--http-protocols",
    "--lifespan": "--asgi-lifespan",
    "--limit-concurrency": "--gasgi-limit-concurrency",
    "--limit-max-requests": "--max-requests",
    "--loop": "--asgi-loop",
    "--port": "--bind HOST:PORT",
    "--proxy-headers": "--forwarded-allow-ips",
    "--ssl-ca-certs": "--ca-certs",
    "--ssl-certfile": "--certfile",
    "--ssl-keyfile": "--keyfile",
    "--timeout-graceful-shutdown": "--graceful-timeout",
    "--timeout-keep-alive": "--keep-alive",
    "--timeout-worker-healthcheck": "--timeout",
    "--uds": "--bind unix:PATH",
    "--ws-max-size": "--websocket-max-message-size",
    "--ws-ping-interval": "--gasgi-websocket-ping-interval-s",
}
REFERENCE = re.compile(r":ref:`([^`<]+)(?:<[^>]*>)?`")


class GroupedConfig(config.Config):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's configuration, with the options of its command line in the sections of its documentation."""

    def parser(self) -> argparse.ArgumentParser:
        """Return the parser that gunicorn reads the command line and ``GUNICORN_CMD_ARGS`` with."""
        parser = _Parser(usage=self.usage, prog=self.prog, formatter_class=_make_formatter)
        parser.add_argument(
            "-v",
            "--version",
            action="version",
            version=f"{PROGRAM} {__version__} on gunicorn {gunicorn.__version__}",
            help="show the versions and exit",
        )
        parser.add_argument("args", nargs="*", help=argparse.SUPPRESS)
        settings = sorted(self.settings.values())
        sections = dict.fromkeys([SECTION, *(setting.section for setting in settings if setting.cli)])
        groups = {section: parser.add_argument_group(section) for section in sections}
        for setting in settings:
            if setting.cli:
                setting.add_option(groups[setting.section])
                if setting.section != SECTION:
                    parser.describe(setting)
        return parser


def register_settings() -> None:
    """Make gasgi's settings known to gunicorn: as flags, in configuration files and in ``--print-config``."""
    known = {setting.name for setting in config.KNOWN_SETTINGS}
    for setting in OWN_SETTINGS.values():
        if setting.name not in known:
            _register(setting)


class _Parser(argparse.ArgumentParser):
    """Names the nearest option for one it does not know."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Return the options; exits with code 2 and a sentence at a word that is none of them."""
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            self._refuse(rest)
        return found

    def _print_message(self, message: str, file: Any = None) -> None:
        # Newer versions of argparse pass over a reader that has left by themselves; Debian 12 has an older one.
        with contextlib.suppress(OSError):
            super()._print_message(message, file)

    def describe(self, setting: Any) -> None:
        """Give the option of a gunicorn setting its whole first paragraph as help, without markup."""
        action = self._option_string_actions[setting.cli[0]]
        text = " ".join(setting.desc.partition("\n\n")[0].split())
        text = REFERENCE.sub(r"\1", text).replace("``", "").rstrip(".")
        default = setting.default
        if default not in (None, "", [], False):
            text += f" [{','.join(map(str, default)) if isinstance(default, list) else default}]"
        action.help = text.replace("%", "%%")

    def _refuse(self, rest: list[str]) -> NoReturn:
        flags = [word.partition("=")[0] for word in rest if word.startswith("-")]
        if not flags:
            self.error(f"unexpected argument {rest[0]}")
        known = [*self._option_string_actions, *COMMANDS]
        nearest = [ELSEWHERE[flags[0]]] if flags[0] in ELSEWHERE else difflib.get_close_matches(flags[0], known, n=1)
        self.error(f"unknown option {flags[0]}" + (f"; did you mean {nearest[0]}?" if nearest else ""))


def _make_formatter(prog: str) -> argparse.HelpFormatter:
    width = min(shutil.get_terminal_size().columns, WIDEST)
    return argparse.HelpFormatter(prog, max_help_position=HELP_COLUMN, width=width)


def _register(setting: Setting) -> None:
    # gunicorn's metaclass adds every subclass of Setting to its list.
    type(config.Setting)(
        setting.name.title().replace("_", ""),
        (config.Setting,),
        {
            "name": setting.name,
            "section": SECTION,
            "cli": [setting.flag],
            "meta": METAVARS[type(setting.default)],
            # None is "not set here", so that the environment is asked; the value's place is not known yet.
            "validator": lambda value: (
                None if value is None else setting.read(value, "command line or configuration file")
            ),
            "default": None,
            "desc": f"{setting.help} ({setting.range_text})",
            "add_option": lambda self, parser: parser.add_argument(
                setting.flag,
                dest=setting.name,
                metavar=self.meta,
                default=None,
                help=f"{setting.help} [{_as_flag(setting.default)}]".replace("%", "%%"),
            ),
        },
    )


def _as_flag(value: object) -> str:
    """Write a default as a user would write it after the flag."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(value) if isinstance(value, tuple) else str(value)
