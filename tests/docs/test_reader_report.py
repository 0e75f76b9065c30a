"""What the performance page takes from the results of the benchmarks."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REPORT = """# Results

gasgi's cost divided by the other's, and the target in brackets. Below 1 gasgi is cheaper.

| workload | granian | uvicorn |
| --- | --- | --- |
| hello | 0.54 (≤ 0.75) met | 0.49 (≤ 0.4) **missed** |

1 of 2 targets met.

## CPU time per answer, µs

| workload | floor | floor-aiofastnet | gasgi | h2corn |
| --- | --- | --- | --- | --- |
| hello | 6.7 | 6.5 | 12.0 | – |
| HTTP/2, 10 streams | – | – | 14.0 | 15.0 |

## The other promises

| promise | measured |  |
| --- | --- | --- |
| memory no more than uvicorn-worker's | 40.4 MiB | **missed** |

## By number of connections

| server | 1 | 10 |
| --- | --- | --- |
| gasgi | 46.6 | 13.1 |
| gasgi-asyncio | 55.3 | 14.7 |
"""


def reader_report():
    spec = importlib.util.spec_from_file_location("reader_report", ROOT / "scripts" / "reader_report.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_reader_gets_results_without_targets_and_without_variants():
    text = reader_report().for_readers(REPORT)
    assert "| hello | 0.54 | 0.49 |" in text
    assert "| workload | floor | gasgi |\n| --- | --- | --- |\n| hello | 6.7 | 12.0 |\n" in text
    assert "\n\n| workload | gasgi | h2corn |\n| --- | --- | --- |\n| HTTP/2, 10 streams | 14.0 | 15.0 |\n" in text
    assert "| gasgi | 46.6 | 13.1 |" in text
    for word in ("target", "met", "missed", "≤", "promise", "floor-aiofastnet", "gasgi-asyncio"):
        assert word not in text


def test_every_committed_report_loses_its_targets():
    for path in (ROOT / "benchmarks" / "results").glob("*.md"):
        text = reader_report().for_readers(path.read_text())
        assert "missed" not in text, path.name
        assert "≤" not in text, path.name


def test_options_cost_what_the_experiments_measured():
    results = json.loads((ROOT / "benchmarks" / "tuning" / "results.json").read_text())
    table = reader_report().option_costs(results)
    assert table.count("[more](tuning.md#") == len(reader_report().OPTIONS)


def test_options_link_to_sections_of_the_guide():
    headings = [line[3:] for line in (ROOT / "docs" / "tuning.md").read_text().splitlines() if line[:3] == "## "]
    slugs = {heading.lower().rstrip("?").replace(" ", "-") for heading in headings}
    assert {option[4] for option in reader_report().OPTIONS} <= slugs
