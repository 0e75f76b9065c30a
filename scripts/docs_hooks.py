"""Hooks of the documentation (mkdocs.yml): pages that come from files elsewhere in the tree, and a last check."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts")]

from reader_report import for_readers, option_costs  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
# In a line of its own on a page: the newest report of the benchmarks goes there.
MARK = "<!-- the newest benchmark report -->"
COSTS_MARK = "<!-- what options cost -->"
# What a page links to outside of docs/ is shown by the repository, which pyproject.toml names.
REPOSITORY = re.search(r'^Source = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
OUTWARD = re.compile(r"\]\(\.\./([^)\s]+)\)")
LINK = re.compile(r"(!?)\[([^\]]+)\]\((?!https?:|#)([^)\s]+)\)")
LONG_CODE = re.compile(r"(?<=[ >])<code>(\w[\w,/ .()\[\]-]{24,})</code>")
FETCHED = re.compile(
    r"<(?:script|img|iframe)[^>]+src=[\"']?(?:https?:)?//|<link(?=[^>]+rel=[\"']?stylesheet)[^>]+href=[\"']?(?:https?:)?//"
)


def newest_report() -> Path | None:
    """Return the page of the newest results that were committed with one."""
    dated = {json.loads(path.read_text())["date"]: path.with_suffix(".md") for path in RESULTS.glob("*.json")}
    reports = {date: path for date, path in dated.items() if path.exists()}
    return reports[max(reports)] if reports else None


def on_files(files: Files, config: Any) -> Files:
    """Add the pictures of the newest report."""
    report = newest_report()
    if report is not None:
        for picture in RESULTS.glob(f"{report.stem}-*.svg"):
            files.append(File.generated(config, f"benchmarks/{picture.name}", abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Put the report in, and take the text of files from outside docs/ as they are written for their own place."""
    if MARK in markdown:
        markdown = markdown.replace(MARK, _report())
    if COSTS_MARK in markdown:
        costs = option_costs(json.loads((ROOT / "benchmarks" / "tuning" / "results.json").read_text()))
        markdown = markdown.replace(COSTS_MARK, costs)
    source = page.file.src_uri
    if source in OUTSIDE:
        text = (ROOT / OUTSIDE[source]).read_text()
        return LINK.sub(_relink, text)
    return OUTWARD.sub(rf"]({REPOSITORY}/blob/main/\1)", markdown)


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """Let long names in tables be cut after an underscore or a comma, and nowhere else."""

    def cut(match: re.Match[str]) -> str:
        return '<code class="long">' + re.sub("([_,])", r"\1<wbr>", match[1]) + "</code>"

    return LONG_CODE.sub(cut, html)


def on_post_build(config: Any) -> None:
    """Refuse a site that fetches something from elsewhere when it is viewed."""
    for path in Path(config["site_dir"]).rglob("*.html"):
        found = FETCHED.search(path.read_text())
        if found:
            raise PluginError(f"{path.name} fetches from elsewhere: {found.group(0)}")


OUTSIDE = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}


def _report() -> str:
    report = newest_report()
    if report is None:
        return "No results have been committed yet: `make bench` writes them."
    # One level down, since the page has a title of its own.
    text = re.sub(r"^(#+) ", r"#\1 ", for_readers(report.read_text()), flags=re.MULTILINE)
    return re.sub(rf"\]\(({re.escape(report.stem)}-[^)]+\.svg)\)", r"](benchmarks/\1)", text)


def _relink(match: re.Match[str]) -> str:
    """A link to a page stays one; a link to another file of the tree goes to the repository."""
    bang, text, target = match.groups()
    if target.startswith("docs/"):
        return f"{bang}[{text}]({target.removeprefix('docs/')})"
    return f"{bang}[{text}]({REPOSITORY}/blob/main/{target})"
