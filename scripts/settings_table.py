"""Write the table of gasgi's own settings into docs/settings.md from the fields of Settings.

python scripts/settings_table.py: rewrites the part between the two markers. A test fails when it was forgotten.
"""

from __future__ import annotations

from pathlib import Path

from gasgi.setting import Setting
from gasgi.settings import SETTINGS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
BEGIN = "<!-- begin: scripts/settings_table.py -->\n"
END = "<!-- end: scripts/settings_table.py -->\n"


def table() -> str:
    """Return the table: configuration file name, default, range, meaning."""
    rows = ["| setting | default | may be | meaning |", "|---|---|---|---|"]
    rows += [row(setting) for setting in SETTINGS if setting.is_own]
    return "\n".join(rows) + "\n"


def row(setting: Setting) -> str:
    return f"| `{setting.name}` | `{show(setting.default)}` | {setting.range_text} | {setting.help} |"


def show(value: object) -> str:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def written() -> str:
    """Return the part of the page between the markers."""
    return PAGE.read_text().split(BEGIN)[1].split(END)[0]


def main() -> None:
    text = PAGE.read_text()
    PAGE.write_text(text.replace(BEGIN + written() + END, BEGIN + table() + END))


if __name__ == "__main__":
    main()
