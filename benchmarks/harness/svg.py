"""Draw bars and lines as SVG text. Knows nothing of benchmarks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape

__all__ = ["COLOURS", "draw_bars", "draw_lines"]

COLOURS = ["#0c6b58", "#7fb8a8", "#bcd9cf", "#c2562d", "#e39a72", "#3d6fb4", "#86a7d6", "#8a6bb1", "#8d8d8d", "#a8a8a8"]
COLOURS += ["#c9a227", "#7d4f50", "#2f8fa3"]
STYLE = (
    "<style>text{font:12px system-ui,'DejaVu Sans',sans-serif;fill:#22302c}.soft{fill:#66736e}.title{font-weight:600;"
    "font-size:14px}.axis{stroke:#ccd5d1}.sheet{fill:#fff}</style>"
)
WIDTH = 860
LABEL = 190
BAR = 16


def draw_bars(
    title: str, groups: Iterable[tuple[str, list[tuple[str, float, str]]]], unit: str, digits: int = 1
) -> str:
    """One group of horizontal bars per (name, [(label, value, colour)]); each group has a scale of its own."""
    parts = []
    y = 50
    for name, bars in groups:
        parts.append(f'<text class="title" x="12" y="{y}">{escape(name)}</text>')
        y += 10
        longest = max(value for _, value, _ in bars)
        for label, value, colour in bars:
            length = max(1.0, (WIDTH - LABEL - 110) * value / longest)
            parts.append(
                f'<text x="{LABEL - 8}" y="{y + BAR - 4}" text-anchor="end">{escape(label)}</text>'
                f'<rect x="{LABEL}" y="{y + 1}" width="{length:.1f}" height="{BAR - 3}" rx="2" fill="{colour}"/>'
                f'<text class="soft" x="{LABEL + length + 6:.1f}" y="{y + BAR - 4}">'
                f"{value:,.{digits}f} {escape(unit)}</text>"
            )
            y += BAR
        y += 28
    return _sheet(title, y, parts)


def draw_lines(title: str, series: list[tuple[str, list[tuple[float, float]], str]], x_title: str, y_title: str) -> str:
    """One line per (name, points, colour) over a logarithmic x axis; y starts at 0. The first line is the thickest."""
    height, left, top, bottom = 430, 60, 60, 370
    right = WIDTH - 190
    points = [point for _, line, _ in series for point in line]
    lowest, highest = (math.log10(limit(x for x, _ in points)) for limit in (min, max))
    step_y = _round_up(max(y for _, y in points) / 5)
    top_y = 5 * step_y
    parts = [
        f'<text class="soft" x="{left}" y="{height - 16}">{escape(x_title)}</text>',
        f'<text class="soft" x="12" y="46">{escape(y_title)}</text>',
    ]
    for step in range(6):
        value, y = step_y * step, bottom - (bottom - top) * step / 5
        parts.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="soft" x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.0f}</text>')

    def place(x: float, y: float) -> tuple[float, float]:
        share = (math.log10(x) - lowest) / ((highest - lowest) or 1)
        return left + (right - left) * share, bottom - (bottom - top) * y / top_y

    parts += [
        f'<text class="soft" x="{place(x, 0)[0]:.1f}" y="{bottom + 18}" text-anchor="middle">{x:,.0f}</text>'
        for x in sorted({x for x, _ in points})
    ]
    label_y = float(top)
    for name, line, colour in sorted(series, key=lambda each: each[1][-1][1], reverse=True):
        placed = [place(x, y) for x, y in line]
        width = 3.5 if name == series[0][0] else 1.8
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="{width}" points="{path}"/>')
        label_y = max(label_y, placed[-1][1])
        parts.append(f'<text x="{right + 10}" y="{label_y + 4:.1f}" style="fill:{colour}">{escape(name)}</text>')
        label_y += 16
    return _sheet(title, max(height, int(label_y) + 20), parts)


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50, …"""
    power = 10.0 ** math.floor(math.log10(value))
    return next(each * power for each in (1, 2, 5, 10) if each * power >= value)


def _sheet(title: str, height: int, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(title)}">{STYLE}<rect class="sheet" width="{WIDTH}" height="{height}"/>'
        f'<text class="title" x="12" y="24">{escape(title)}</text>' + "".join(parts) + "</svg>\n"
    )
