"""Bars of a small chart, in whole units of a drawing, so that no language writes a comma into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEIGHT = 40
STEP = 8
WIDTH = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: where it stands and how high it is; ``other`` is the part of it drawn in another pattern."""

    x: int
    y: int
    height: int
    other_y: int
    other: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars side by side, with the size of the drawing and the largest value."""

    bars: list[Bar]
    width: int
    most: int
    height: int = HEIGHT
    bar: int = WIDTH


def chart_of(values: Sequence[int], others: Sequence[int] = ()) -> Chart:
    """Return a chart of values; ``others`` are parts of them, e.g. how much of each went wrong."""
    most = max(values, default=0)
    parts = list(others) or [0] * len(values)
    bars = [
        Bar(at * STEP, HEIGHT - high, high, HEIGHT - part, part)
        for at, (value, other) in enumerate(zip(values, parts, strict=True))
        for high in (_high(value, most),)
        for part in (_high(min(other, value), most),)
    ]
    return Chart(bars, max(len(values) * STEP, 1), most)


def _high(value: int, most: int) -> int:
    if value <= 0 or most <= 0:
        return 0
    return max(2, value * HEIGHT // most)
