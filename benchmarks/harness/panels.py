"""Draw the panels of a dashboard as SVG text: lines over time, side by side. Knows nothing of Prometheus."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape

from harness.svg import COLOURS, STYLE

__all__ = ["Panel", "draw_panels"]

WIDTH, HEIGHT = 430, 236
PLOT_LEFT, PLOT_TOP, PLOT_RIGHT, PLOT_BOTTOM = 56, 34, 416, 160
LEGEND_TOP, LEGEND_COLUMN = 192, 120
MOST_LEGENDS = 6
COLUMNS = 2
STEPS = 4


@dataclass
class Panel:
    """``lines``: name to points (seconds since the beginning, value). ``unit`` writes a value at the axis."""

    title: str
    unit: Callable[[float], str]
    lines: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


def draw_panels(title: str, panels: list[Panel], seconds: float, gap_s: float) -> str:
    """Two panels a row; all have the same time axis, from 0 to ``seconds``, and each a scale of its own.

    A line ends where the next of its points comes more than ``gap_s`` later.
    """
    rows = math.ceil(len(panels) / COLUMNS)
    width, height = COLUMNS * WIDTH, 36 + rows * HEIGHT
    parts = []
    for number, panel in enumerate(panels):
        row, column = divmod(number, COLUMNS)
        parts.append(
            f'<g transform="translate({column * WIDTH},{36 + row * HEIGHT})">{_draw(panel, seconds, gap_s)}</g>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(title)}">{STYLE}<rect class="sheet" width="{width}" height="{height}"/>'
        f'<text class="title" x="12" y="24">{escape(title)}</text>' + "\n".join(parts) + "</svg>\n"
    )


def _draw(panel: Panel, seconds: float, gap_s: float) -> str:
    most = max((value for line in panel.lines.values() for _, value in line), default=0.0)
    top = _round_up(most)
    parts = [f'<text class="title" x="12" y="20">{escape(panel.title)}</text>']
    for step in range(STEPS + 1):
        y = PLOT_BOTTOM - (PLOT_BOTTOM - PLOT_TOP) * step / STEPS
        parts.append(f'<line class="axis" x1="{PLOT_LEFT}" x2="{PLOT_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        text = escape(panel.unit(top * step / STEPS))
        parts.append(f'<text class="soft" x="{PLOT_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    minutes = int(seconds // 60)
    for minute in range(minutes + 1):
        x = PLOT_LEFT + (PLOT_RIGHT - PLOT_LEFT) * minute * 60 / seconds
        parts.append(f'<text class="soft" x="{x:.1f}" y="{PLOT_BOTTOM + 16}" text-anchor="middle">{minute}:00</text>')
    for number, (name, line) in enumerate(panel.lines.items()):
        colour = COLOURS[(number * 3) % len(COLOURS)]
        for piece in _without_gaps(line, gap_s):
            points = " ".join(
                f"{PLOT_LEFT + (PLOT_RIGHT - PLOT_LEFT) * at / seconds:.1f},"
                f"{PLOT_BOTTOM - (PLOT_BOTTOM - PLOT_TOP) * value / top:.1f}"
                for at, value in piece
            )
            parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" points="{points}"/>')
        if number < MOST_LEGENDS:
            row, column = divmod(number, 3)
            x, y = PLOT_LEFT + column * LEGEND_COLUMN, LEGEND_TOP + row * 16
            parts.append(f'<rect x="{x}" y="{y}" width="10" height="3" fill="{colour}"/>')
            parts.append(f'<text class="soft" x="{x + 16}" y="{y + 6}">{escape(name)}</text>')
    return "".join(parts)


def _without_gaps(line: list[tuple[float, float]], gap_s: float) -> list[list[tuple[float, float]]]:
    pieces: list[list[tuple[float, float]]] = []
    for point in line:
        if not pieces or point[0] - pieces[-1][-1][0] > gap_s:
            pieces.append([])
        pieces[-1].append(point)
    return pieces


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 8, 10, 20, 40, …, which four steps divide well."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(each * power for each in (1, 2, 4, 8, 10) if each * power >= value)
