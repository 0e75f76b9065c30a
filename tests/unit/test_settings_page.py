"""docs/settings.md: gasgi's table is the code's, and no setting of gunicorn is missing."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from gunicorn.config import Config

from gasgi.gunicorn_rules import REFUSED, WARNED
from gasgi.settings import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "settings.md").read_text()
GUNICORNS_PART = PAGE.split("## gunicorn's settings")[1]


def settings_table():
    spec = importlib.util.spec_from_file_location("settings_table", ROOT / "scripts" / "settings_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_table_of_own_settings_is_the_codes():
    module = settings_table()
    assert module.written() == module.table(), "run python scripts/settings_table.py"


@pytest.mark.parametrize("name", sorted(name for name in Config().settings if not name.startswith("gasgi_")))
def test_every_setting_of_gunicorn_is_on_the_page(name):
    assert f"`{name}`" in GUNICORNS_PART


def rows_of(name: str) -> list[str]:
    return [line for line in GUNICORNS_PART.splitlines() if re.match(rf"\|[^|]*`{name}`", line)]


@pytest.mark.parametrize("name", [setting.name for setting in SETTINGS if not setting.is_own])
def test_every_setting_gasgi_reads_has_a_row_that_says_so(name):
    (row,) = rows_of(name)
    assert row.split("|")[2].strip() == "gasgi"


@pytest.mark.parametrize("rule", REFUSED, ids=lambda rule: rule.name)
def test_every_refused_setting_has_a_row_that_says_so(rule):
    (row,) = rows_of(rule.name)
    assert row.split("|")[2].strip() == "refused"


@pytest.mark.parametrize("rule", WARNED, ids=lambda rule: rule.name)
def test_every_setting_without_effect_has_a_row_that_says_so(rule):
    (row,) = rows_of(rule.name)
    assert row.split("|")[2].strip() == "warned about"
