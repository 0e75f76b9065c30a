"""Where the values of settings come from: read once per worker, checked at boot, and shown with their source.

A gasgi setting is looked for where gunicorn looks, in gunicorn's order: the command line (and ``GUNICORN_CMD_ARGS``,
both only with the ``gasgi`` command), then the configuration file, then ``GASGI_*`` in the environment, which
supplies a default as ``WEB_CONCURRENCY`` does, then the default.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

from gasgi.errors import SettingError
from gasgi.setting import Setting
from gasgi.settings import FILE_EXTENSIONS, OWN_SETTINGS, SETTINGS, Settings

__all__ = [
    "SettingRow",
    "describe_settings",
    "find_config_module",
    "load_settings",
    "render_settings",
    "show_value",
]


class SettingRow(NamedTuple):
    """A setting, its value and where the value came from."""

    setting: Setting
    value: Any
    source: str


def load_settings(cfg: Any, config_module: ModuleType | None, environ: Mapping[str, str]) -> Settings:
    """Read ``cfg`` and gasgi's own settings; raise SettingError naming what is wrong and where it was written."""
    return Settings(**{row.setting.field: row.value for row in describe_settings(cfg, config_module, environ)})


def describe_settings(cfg: Any, config_module: ModuleType | None, environ: Mapping[str, str]) -> list[SettingRow]:
    """Every setting with its value and source; raise SettingError as ``load_settings`` does."""
    _refuse_unknown_names(config_module, environ)
    _refuse_odd_numbers(cfg, config_module, environ)
    rows = []
    for setting in SETTINGS:
        if setting.is_own:
            rows.append(_read_own(setting, cfg, config_module, environ))
        else:
            rows.append(_read_gunicorn(setting, cfg, config_module))
    return _withdraw_files(rows)


def _withdraw_files(rows: list[SettingRow]) -> list[SettingRow]:
    """Take the extensions that send files out of what is announced when ``sendfile`` is off."""
    values = {row.setting.field: row.value for row in rows}
    if values["sendfile"]:
        return rows
    announced = tuple(name for name in values["asgi_extensions"] if name not in FILE_EXTENSIONS)
    return [row._replace(value=announced) if row.setting.field == "asgi_extensions" else row for row in rows]


def _read_own(setting: Setting, cfg: Any, config_module: ModuleType | None, environ: Mapping[str, str]) -> SettingRow:
    written = getattr(config_module, setting.name, None)
    # Only under the gasgi command does gunicorn know the name; it has put file and command line in order already.
    registered = getattr(cfg, setting.name, None)
    if registered is not None and (written is None or registered != setting.read(written, _file_name(config_module))):
        return SettingRow(setting, setting.read(registered, "command line"), "command line")
    if written is not None:
        source = _file_name(config_module)
        return SettingRow(setting, setting.read(written, source), source)
    if setting.variable in environ:
        source = f"environment variable {setting.variable}"
        return SettingRow(setting, setting.read(environ[setting.variable], source), source)
    return SettingRow(setting, setting.default, "default")


def _read_gunicorn(setting: Setting, cfg: Any, config_module: ModuleType | None) -> SettingRow:
    # gunicorn before the version that brought the setting does not have it, and passes it over in the file.
    value = getattr(cfg, setting.name, None)
    if value is None:
        value = getattr(config_module, setting.name, None)
    if value is None:
        return SettingRow(setting, setting.default, "default")
    value = setting.read(value, "gunicorn")
    if _comes_from_file(setting, value, config_module):
        return SettingRow(setting, value, _file_name(config_module))
    is_default = value == setting.default
    return SettingRow(setting, value, "default" if is_default else "gunicorn: command line or environment")


def _comes_from_file(setting: Setting, value: Any, config_module: ModuleType | None) -> bool:
    """Whether it is what the file says and not what the command line or the environment made of it."""
    if not hasattr(config_module, setting.name):
        return False
    try:
        return bool(setting.read(getattr(config_module, setting.name), "gunicorn") == value)
    except SettingError:
        return True  # written in a form that gunicorn turned into another


def _file_name(config_module: ModuleType | None) -> str:
    return getattr(config_module, "__file__", None) or "configuration file"


# Kubernetes and Docker put the address of a service called "gasgi" into every container under these names.
_SERVICE_ADDRESS = re.compile(
    r"GASGI_(?:.*_)?(?:SERVICE_HOST|SERVICE_PORT(?:_.*)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_.*)?)?)"
)


def _refuse_unknown_names(config_module: ModuleType | None, environ: Mapping[str, str]) -> None:
    for name, value in vars(config_module).items() if config_module is not None else ():
        if not name.lower().startswith("gasgi_") or name in OWN_SETTINGS:
            continue
        # A module or a function is something the file uses, not something it sets.
        if not callable(value) and not isinstance(value, ModuleType):
            raise SettingError(f"{name} ({_file_name(config_module)}): {_suggest(name.lower(), OWN_SETTINGS)}")
    known = {setting.variable for setting in OWN_SETTINGS.values()} | {"GASGI_EXTENSIONS"}
    for name in environ:
        if name.startswith("GASGI_") and name not in known and not _SERVICE_ADDRESS.fullmatch(name):
            raise SettingError(f"{name} (environment): {_suggest(name, known)}")


def _refuse_odd_numbers(cfg: Any, config_module: ModuleType | None, environ: Mapping[str, str]) -> None:
    """Look at the numbers that gunicorn reads out of text itself, and reads too much as one."""
    texts = [("WEB_CONCURRENCY", environ.get("WEB_CONCURRENCY"), "environment")]
    for name, setting in getattr(cfg, "settings", {}).items():
        if setting.default is not None and type(setting.default) in (int, float):
            texts.append((name, getattr(config_module, name, None), _file_name(config_module)))
    for name, text, source in texts:
        # 0x, 0o and 0b are gunicorn's, for umask.
        if isinstance(text, str) and not re.fullmatch(r"[+-]?(?:0[xob])?[0-9A-Fa-f.]*", text.strip()):
            raise SettingError(f"{name} = {text!r} ({source}): must be a number in the digits 0 to 9")


def _suggest(name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.0)
    return f"no such setting; the nearest is {nearest[0]}"


def find_config_module(cfg: Any, modules: Mapping[str, ModuleType]) -> ModuleType | None:
    """The configuration file as gunicorn executed it; ``modules`` is ``sys.modules``."""
    location = getattr(cfg, "config", None) or ""
    if location.startswith("python:"):
        return modules.get(location[len("python:") :])
    return modules.get("__config__")


def render_settings(cfg: Any, config_module: ModuleType | None, environ: Mapping[str, str]) -> str:
    """Three columns: name, value, source. ``cfg`` None stands for gunicorn's defaults."""
    rows = [
        (row.setting.name, show_value(row.value), row.source) for row in describe_settings(cfg, config_module, environ)
    ]
    name_width = max(len(name) for name, _, _ in rows)
    value_width = min(40, max(len(value) for _, value, _ in rows))
    return "\n".join(f"{name:{name_width}}  {value:{value_width}}  {source}" for name, value, source in rows)


def show_value(value: object) -> str:
    """Write a value as the list of settings shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ", ".join(": ".join(part) if isinstance(part, tuple) else part for part in value)
    return str(value)
