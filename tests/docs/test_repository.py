"""[project.urls] of pyproject.toml is the one place that names the repository and the site; all else agrees with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
URLS = dict(re.findall(r'^(\w+) = "(https://[^"]+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE))
FILES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob(".github/**/*.*"),
    ROOT / "mkdocs.yml",
    ROOT / "setup.py",
    *ROOT.glob("scripts/*"),
]


def test_addresses_belong_together():
    assert set(URLS) == {"Documentation", "Source", "Issues", "Changelog"}
    assert URLS["Issues"] == URLS["Source"] + "/issues"
    assert URLS["Changelog"] == URLS["Source"] + "/blob/main/CHANGELOG.md"
    assert URLS["Documentation"].endswith("/")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_addresses_of_the_project_are_those_of_pyproject(path):
    if path.is_dir():
        return
    for address in re.findall(r"https://[^\s)\"'<>]*gasgi[^\s)\"'<>]*", path.read_text()):
        if "pypi.org" not in address:
            assert (address + "/").startswith((URLS["Source"] + "/", URLS["Documentation"])), address


def test_links_of_the_policy_to_files_lead_to_what_exists():
    for target in re.findall(r"\]\((?!https:)([^)#]+)", (ROOT / "SECURITY.md").read_text()):
        assert (ROOT / target).exists(), target
