"""gunicorn with gasgi's worker and gasgi's settings as flags; everything else is gunicorn's own.

Must not be imported by ``worker``: registering settings changes what gunicorn's parser knows.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

from gunicorn.app.base import Application
from gunicorn.app.wsgiapp import WSGIApplication

from gasgi.command_line import PROGRAM, USAGE, GroupedConfig, register_settings
from gasgi.setting import whole_number
from gasgi.setting_sources import find_config_module, render_settings

__all__ = ["read_configuration", "serve", "show_settings"]

WORKER_CLASS = "gasgi.Worker"


def serve(arguments: list[str]) -> None:
    """Run gunicorn with these arguments; does not return while it serves."""
    register_settings()
    sys.argv[1:] = arguments  # where gunicorn reads them, and reads them again at a reload
    GasgiApplication(USAGE, prog=PROGRAM).run()


def read_configuration(arguments: list[str]) -> tuple[Any, ModuleType | None]:
    """Return gunicorn's configuration for these arguments and the configuration file as executed.

    Exits with gunicorn's message when it is impossible. Changes the working directory as gunicorn does.
    """
    register_settings()
    before, sys.argv = sys.argv, [PROGRAM, *arguments]
    try:
        cfg = _Configuration(USAGE, prog=PROGRAM).cfg
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
    usage: str
    prog: str

    def load_default_config(self) -> None:
        """Make the configuration that everything else is read into."""
        self.cfg = GroupedConfig(self.usage, prog=self.prog)
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
