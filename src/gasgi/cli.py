"""The ``gasgi`` command: gunicorn with gasgi's worker and gasgi's settings as flags; everything else is gunicorn's own.

Besides ``worker`` the only module that imports gunicorn. Must not be imported by it: registering settings changes what
gunicorn's parser knows.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

import gunicorn
from gunicorn import config
from gunicorn.app.base import Application
from gunicorn.app.wsgiapp import WSGIApplication

from gasgi import __version__, top
from gasgi.console import reader_may_leave
from gasgi.setting import Setting, whole_number
from gasgi.setting_sources import find_config_module, render_settings
from gasgi.settings import OWN_SETTINGS

__all__ = ["main", "read_configuration", "register_settings", "show_settings"]

USAGE = "%(prog)s [OPTIONS] [APP_MODULE]"
WORKER_CLASS = "gasgi.Worker"
METAVARS = {bool: "BOOL", int: "INT", float: "NUMBER", str: "STRING", tuple: "LIST"}


def main() -> None:
    """Run the command; does not return while gunicorn serves."""
    with reader_may_leave():
        if sys.argv[1:] in (["-v"], ["--version"]):
            print(f"gasgi {__version__} on gunicorn {gunicorn.__version__}")
            return
        if sys.argv[1:2] == ["top"]:
            top.main(sys.argv[2:])
            return
        register_settings()
        GasgiApplication(USAGE, prog="gasgi").run()


def register_settings() -> None:
    """Make gasgi's settings known to gunicorn: as flags, in configuration files and in ``--print-config``."""
    known = {setting.name for setting in config.KNOWN_SETTINGS}
    for setting in OWN_SETTINGS.values():
        if setting.name not in known:
            _register(setting)


def read_configuration(arguments: list[str]) -> tuple[Any, ModuleType | None]:
    """Return gunicorn's configuration for these arguments and the configuration file as executed.

    Exits with gunicorn's message when it is impossible. Changes the working directory as gunicorn does.
    """
    register_settings()
    before, sys.argv = sys.argv, ["gasgi", *arguments]
    try:
        cfg = _Configuration(USAGE, prog="gasgi").cfg
    finally:
        sys.argv = before
    return cfg, find_config_module(cfg, sys.modules)


def show_settings(arguments: list[str]) -> str:
    """Return every setting, its value and where it came from, as ``gasgi`` with these arguments would have it."""
    cfg, config_module = read_configuration(arguments)
    return render_settings(cfg, config_module, {**os.environ, **cfg.env})


class _DefaultWorker:
    """Mixed into gunicorn's applications: the worker class is gasgi's unless the user names another."""

    cfg: Any

    def load_default_config(self) -> None:
        super().load_default_config()  # type: ignore[misc]  # gunicorn's applications have it
        for setting in self.cfg.settings.values():
            if setting.type is int:
                setting.type = whole_number  # int() takes 1_0 for ten
        worker_class = self.cfg.settings["worker_class"]
        worker_class.default = WORKER_CLASS
        worker_class.set(WORKER_CLASS)


class GasgiApplication(_DefaultWorker, WSGIApplication):  # type: ignore[misc]  # gunicorn has no types
    """What ``gunicorn`` runs, with gasgi's worker."""

    def run(self) -> None:
        """Run gunicorn; ``--check-config`` asks the worker class too, which gunicorn by itself does not."""
        if self.cfg.check_config:
            check = getattr(self.cfg.worker_class, "check_config", None)
            if check is not None:
                os.environ.update(self.cfg.env)  # as the arbiter does before it asks
                try:
                    check(self.cfg, self.cfg.logger_class(self.cfg))
                except RuntimeError as exc:
                    sys.exit(f"\nError: {exc}\n")
        super().run()


class _Configuration(_DefaultWorker, Application):  # type: ignore[misc]  # gunicorn has no types
    """Reads the configuration and stops there; needs no application."""

    def init(self, parser: object, opts: object, args: object) -> None:
        """Ignore what the command line says of the application."""

    def load(self) -> None:
        raise NotImplementedError


def _register(setting: Setting) -> None:
    # gunicorn's metaclass adds every subclass of Setting to its list.
    type(config.Setting)(
        setting.name.title().replace("_", ""),
        (config.Setting,),
        {
            "name": setting.name,
            "section": "gasgi",
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
    """Write a default as a user would write it behind the flag."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(value) if isinstance(value, tuple) else str(value)
