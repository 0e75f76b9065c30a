"""Every row of docs/asgi.md names a test that there is, and every row's test has its row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(
    r"^\| ([A-H]\d+) \|.*?\| `(test_\w+)…?` \|", (ROOT / "docs" / "asgi.md").read_text("utf-8"), re.MULTILINE
)


def names(folder: str) -> list[str]:
    modules = (ROOT / "tests" / folder).rglob("test_*.py")
    return [
        name for path in modules for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text("utf-8"), re.M)
    ]


@pytest.mark.parametrize(("row", "test"), ROWS, ids=[row for row, _ in ROWS])
def test_a_row_has_its_test(row: str, test: str) -> None:
    if test == f"test_{row.lower()}_":
        assert any(name.startswith(test) for name in names("asgi"))
    else:
        assert test in names("connection")


def test_a_test_has_its_row() -> None:
    tested = {match[1].upper() for name in names("asgi") if (match := re.match(r"test_([a-h]\d+)_", name))}
    assert tested <= {row for row, _ in ROWS}
    assert len(ROWS) == len({row for row, _ in ROWS})
