"""Small charts as inline SVG: no script, no font, no dependency; colours are the page's CSS classes.

Coordinates are pixels of a fixed view box, which the page scales. Every text is escaped.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 340, 190
LEFT, RIGHT, TOP, BOTTOM = 42, 12, 26, 24

Point = tuple[float, float]
Bound = tuple[int, float, float, float]
"""Step index, low, value, high."""


@dataclass(frozen=True)
class Series:
    """One line over the steps; `spread` draws a band of +- spread around it. None or a non-finite value is a gap."""

    values: Sequence[float | None]
    spread: Sequence[float | None] | None = None

    def bounds(self) -> list[Bound]:
        """One for each step that has a value."""
        values = [_finite(value) for value in self.values]
        spreads = [_finite(spread) or 0.0 for spread in self.spread or [None] * len(values)]
        triples = zip(itertools.count(), values, spreads, strict=False)
        return [(index, value - spread, value, value + spread) for index, value, spread in triples if value is not None]


@dataclass(frozen=True)
class _Plane:
    """Maps (step index, value) to the view box."""

    count: int
    low: float
    high: float

    def x(self, index: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (index / (self.count - 1) if self.count > 1 else 0.5)

    def y(self, value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (self.high - value) / (self.high - self.low)


def ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round numbers, 1, 2 or 5 times a power of ten apart, the first at most `low` and the last at least `high`."""
    if high - low <= 1e-6 * abs(high):
        half = abs(high) / 2 or 0.5
        low, high = low - half, high + half
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def number(value: float, digits: int = 3) -> str:
    """Round to the given significant digits, but keep whole numbers whole; no exponent for readable sizes."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if not 1e-3 <= abs(value) < 1e6:
        return f"{value:.1e}"
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"


def line_chart(label: str, series: Series, boundaries: Sequence[tuple[int, str]] = ()) -> Markup:
    """A line over the step number, from 1. `boundaries`: (index of a stage's first step, its name).

    Empty when the series has no value.
    """
    bounds = series.bounds()
    if not bounds:
        return Markup("")
    marks = ticks(min(low for _, low, _, _ in bounds), max(high for _, _, _, high in bounds))
    plane = _Plane(len(series.values), marks[0], marks[-1])
    decimals = max(0, -math.floor(math.log10(marks[1] - marks[0]) + 1e-9))
    body = [_grid_line(plane.y(mark), f"{mark:.{decimals}f}") for mark in marks]
    body += [_text(plane.x(i), HEIGHT - 6, "middle", str(i + 1)) for i in _numbered_steps(plane.count)]
    body += [part for index, name in boundaries for part in _boundary(plane, index, name)]
    for run in _without_gaps(bounds):
        body += _line(plane, run, band=series.spread is not None)
    return _svg(label, WIDTH, HEIGHT, body)


def whisker(label: str, mean: float, low: float, high: float) -> Markup:
    """A mean with its interval, on an axis whose middle is zero and whose length fits the interval."""
    reach = max(abs(low), abs(high), abs(mean)) * 1.1 or 1.0
    left, middle, right = (60 + 56 * value / reach for value in (low, mean, high))
    body = [
        '<path class="grid zero" d="M60 1V19"/>',
        f'<path class="line" d="M{left:.1f} 10H{right:.1f}"/>',
        f'<circle class="dot" cx="{middle:.1f}" cy="10" r="4"/>',
    ]
    return _svg(label, 120, 20, body)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _svg(label: str, width: int, height: int, body: Sequence[str]) -> Markup:
    head = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'
    return Markup(head + "".join(body) + "</svg>")


def _text(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _grid_line(y: float, text: str) -> str:
    return f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>' + _text(LEFT - 6, y + 4, "end", text)


def _numbered_steps(count: int) -> list[int]:
    """Indices whose step number is shown: about five, the first among them."""
    every = max(1, round(ticks(0, count, 5)[1]))
    return [0, *(index for index in range(every - 1, count, every) if index >= every / 2)]


def _boundary(plane: _Plane, index: int, name: str) -> list[str]:
    x = plane.x(index - 0.5) if index else LEFT
    return [f'<path class="boundary" d="M{x:.1f} {TOP - 4}V{HEIGHT - BOTTOM}"/>', _text(x, TOP - 10, "start", name)]


def _without_gaps(bounds: Sequence[Bound]) -> list[list[Bound]]:
    """Stretches of consecutive steps."""
    runs: list[list[Bound]] = []
    for bound in bounds:
        if runs and runs[-1][-1][0] == bound[0] - 1:
            runs[-1].append(bound)
        else:
            runs.append([bound])
    return runs


def _line(plane: _Plane, run: Sequence[Bound], band: bool) -> list[str]:
    middle = [(plane.x(i), plane.y(value)) for i, _, value, _ in run]
    parts = [f'<path class="line" d="{_path(middle)}"/>']
    if len(run) == 1:
        parts.append(f'<circle class="dot" cx="{middle[0][0]:.1f}" cy="{middle[0][1]:.1f}" r="2.5"/>')
    if band:
        upper = [(plane.x(i), plane.y(high)) for i, _, _, high in run]
        lower = [(plane.x(i), plane.y(low)) for i, low, _, _ in reversed(run)]
        parts.insert(0, f'<path class="band" d="{_path(upper + lower)}Z"/>')
    return parts


def _path(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
