"""Small inline SVG plots: lines with intervals, scatters, dot-and-whisker rows. No library, no script; text stays text.

All share one frame of WIDTH x HEIGHT units, about one CSS pixel each on a phone, so that labels are legible at 390 px.
Colours are the page's CSS variables (`--m0` ...), so light, dark and print follow; every series also has a marker of
its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

WIDTH, HEIGHT = 380, 252
LEFT, RIGHT, TOP, BOTTOM = 42, 14, 14, 42


@dataclass(frozen=True)
class Point:
    x: float
    y: float
    note: str = ""
    """Shown on hover and read aloud."""
    low: float | None = None
    high: float | None = None
    strong: bool = False
    area: float = 1.0
    """Relative to the ordinary marker; 0: none, and nothing is said of the point."""


@dataclass(frozen=True)
class Series:
    name: str
    points: Sequence[Point]
    colour: int
    """Index of the page's series colours, and of the marker."""
    faint: bool = False
    line: bool = True


@dataclass(frozen=True)
class Axis:
    label: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value lies, 0 to 1, clipped."""
        low, high, value = (math.log10(max(v, 1e-12)) if self.log else v for v in (self.low, self.high, value))
        return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.5


def unit_axis(label: str) -> Axis:
    """Scores: 0 to 1."""
    return Axis(label, 0.0, 1.0, [(v / 4, f"{v / 4:g}") for v in range(5)])


def linear_axis(label: str, values: Sequence[float], text: Callable[[float], str] = lambda v: f"{v:g}") -> Axis:
    """From 0 to a round number over the largest value."""
    top = max([*values, 1e-9])
    step = next(s for k in range(-9, 13) for s in (10.0**k, 2 * 10.0**k, 5 * 10.0**k) if top / s <= 4)
    num = max(1, math.ceil(top / step - 1e-9))
    return Axis(label, 0.0, num * step, [(i * step, text(i * step)) for i in range(num + 1)])


def log_axis(label: str, values: Sequence[float], text: Callable[[float], str]) -> Axis:
    """A little wider than the values; ticks at the values themselves when they are few, else at powers of ten."""
    positive = sorted({v for v in values if v > 0}) or [1.0]
    low, high = positive[0] / 1.6, positive[-1] * 1.6
    ticks = (
        positive
        if len(positive) <= 4
        else [10.0**k for k in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
    )
    return Axis(label, low, high, _apart(ticks, low, high, text), log=True)


def _apart(ticks: Sequence[float], low: float, high: float, text: Callable[[float], str]) -> list[tuple[float, str]]:
    """Ticks whose labels do not touch."""
    kept: list[tuple[float, str]] = []
    for tick in ticks:
        if not kept or math.log(tick / kept[-1][0]) / math.log(high / low) > 0.13:
            kept.append((tick, text(tick)))
    return kept


def draw_plot(series: Sequence[Series], x: Axis, y: Axis, title: str) -> Markup:
    """The plot as `<svg>`; `title` is its accessible name."""
    parts = [*_frame(x, y), *(part for one in series for part in _series(one, x, y))]
    label = escape(f"{title}. {_spoken(series)}")
    return Markup(
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )


def _spoken(series: Sequence[Series]) -> str:
    said = ((one.name, [p.note or f"{p.y:.2f}" for p in one.points if p.area]) for one in series if not one.faint)
    return "; ".join(f"{name}: {', '.join(notes)}" for name, notes in said)[:900]


def _x(axis: Axis, value: float) -> float:
    return LEFT + axis.share(value) * (WIDTH - LEFT - RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.share(value) * (HEIGHT - TOP - BOTTOM)


def _frame(x: Axis, y: Axis) -> list[str]:
    base, parts = HEIGHT - BOTTOM, []
    for value, text in y.ticks:
        at = _y(y, value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{LEFT - 7}" y="{at + 4:.1f}" text-anchor="end">{escape(text)}</text>')
    for value, text in x.ticks:
        at = _x(x, value)
        parts.append(f'<line class="tick" x1="{at:.1f}" x2="{at:.1f}" y1="{base}" y2="{base + 4}"/>')
        parts.append(f'<text x="{at:.1f}" y="{base + 17}" text-anchor="middle">{escape(text)}</text>')
    parts.append(f'<line class="tick" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>')
    parts.append(
        f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 7}"'
        f' text-anchor="middle">{escape(x.label)}</text>'
    )
    return parts


def _series(series: Series, x: Axis, y: Axis) -> list[str]:
    faint = " faint" if series.faint else ""
    parts = []
    if series.line and len(series.points) > 1:
        path = " ".join(f"{_x(x, p.x):.1f},{_y(y, p.y):.1f}" for p in series.points)
        parts.append(f'<polyline class="line c{series.colour}{faint}" points="{path}"/>')
    for point in series.points:
        if point.low is not None and point.high is not None and math.isfinite(point.low):
            at = _x(x, point.x)
            parts.append(
                f'<line class="whisker c{series.colour}{faint}" x1="{at:.1f}" x2="{at:.1f}" '
                f'y1="{_y(y, point.low):.1f}" y2="{_y(y, point.high):.1f}"/>'
            )
        if point.area:
            parts.append(marker(series.colour, _x(x, point.x), _y(y, point.y), point, faint))
    return parts


def marker(colour: int, at_x: float, at_y: float, point: Point, faint: str = "") -> str:
    """Circle, square, triangle, diamond in turn, so that colour is never the only difference."""
    size = (5.2 if point.strong else 3.6) * math.sqrt(point.area)
    style = f'class="dot c{colour}{faint}{" strong" if point.strong else ""}"'
    corners: dict[int, list[tuple[float, float]]] = {
        1: [(-1, -1), (1, -1), (1, 1), (-1, 1)],
        2: [(0, -1.25), (1.15, 0.9), (-1.15, 0.9)],
        3: [(0, -1.35), (1.35, 0), (0, 1.35), (-1.35, 0)],
    }
    title = f"<title>{escape(point.note)}</title>" if point.note else ""
    if colour % 4 == 0:
        return f'<circle {style} cx="{at_x:.1f}" cy="{at_y:.1f}" r="{size:.1f}">{title}</circle>'
    path = " ".join(f"{at_x + size * dx * 0.92:.1f},{at_y + size * dy * 0.92:.1f}" for dx, dy in corners[colour % 4])
    return f'<polygon {style} points="{path}">{title}</polygon>'


def draw_key(colour: int) -> Markup:
    """The marker of a series, for legends in HTML."""
    return Markup(
        f'<svg class="key" viewBox="0 0 14 14" aria-hidden="true">{marker(colour, 7, 7, Point(0, 0, area=1.6))}</svg>'
    )


def draw_bar(value: float, low: float | None, high: float | None, colour: int) -> Markup:
    """A score from 0 to 1 as a dot on a line, with its interval; stands beside the number in a table."""
    spot = [2 + 96 * min(1.0, max(0.0, v)) if v is not None and math.isfinite(v) else None for v in (value, low, high)]
    known = spot[1] is not None and spot[2] is not None
    whisker = f'<line class="whisker c{colour}" x1="{spot[1]:.1f}" x2="{spot[2]:.1f}" y1="7" y2="7"/>' if known else ""
    dot = marker(colour, spot[0] or 2.0, 7, Point(0, 0))
    return Markup(
        '<svg class="bar" viewBox="0 0 100 14" aria-hidden="true"><line class="grid" x1="2" x2="98" y1="7"'
        f' y2="7"/>{whisker}{dot}</svg>'
    )
