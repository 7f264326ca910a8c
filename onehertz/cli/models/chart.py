"""A chart over the batch size, as SVG without scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import log2
from typing import NamedTuple

_WIDTH, _HEIGHT = 560, 300
_LEFT, _TOP, _RIGHT, _BOTTOM = 56, 12, 16, 40


class Line(NamedTuple):
    """A value for each batch size."""

    title: str
    colour: str
    values: Mapping[int, float]
    ranges: Mapping[int, tuple[float, float]] = {}  # the least and the most, of some sizes
    is_thick: bool = True
    is_dashed: bool = False


def chart(lines: Sequence[Line], what: str, unit: str) -> str:
    """x: the batch size, a step for each doubling; y: the values, from 0.

    `what` they are, and their `unit`, are told where the pointer rests. At least one line.
    """
    sizes = sorted({size for one in lines for size in one.values})
    highest = max(value for one in lines for value in one.values.values()) * 1.05
    width, height = _LEFT + _WIDTH + _RIGHT, _TOP + _HEIGHT + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}"><title>{escape(what)} over the batch size</title>',
        *_axes(sizes, highest),
    ]
    for one in lines:
        parts += _line(one, sizes, highest, unit)
    return "".join([*parts, "</svg>"])


def _axes(sizes: Sequence[int], highest: float) -> Iterator[str]:
    bottom = _TOP + _HEIGHT
    for size in sizes:
        x = _x(size, sizes)
        yield f'<path d="M{x:.1f} {_TOP}v{_HEIGHT}" stroke="#e4e4e4"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{size}</text>'
    for part in range(5):
        value = highest * part / 4
        y = _y(value, highest)
        yield f'<path d="M{_LEFT} {y:.1f}h{_WIDTH}" stroke="#e4e4e4"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>'
    yield f'<text x="{_LEFT + _WIDTH / 2}" y="{bottom + 32}" text-anchor="middle">batch</text>'


def _line(one: Line, sizes: Sequence[int], highest: float, unit: str) -> Iterator[str]:
    values = dict(sorted(one.values.items()))
    points = " ".join(f"{_x(n, sizes):.1f},{_y(value, highest):.1f}" for n, value in values.items())
    dashes = ' stroke-dasharray="6 4"' if one.is_dashed else ""
    yield (
        f'<polyline points="{points}" fill="none" stroke="{one.colour}" '
        f'stroke-width="{3 if one.is_thick else 1.5}"{dashes}/>'
    )
    for size, value in values.items():
        x = _x(size, sizes)
        low, high = (min(highest, end) for end in one.ranges.get(size, (value, value)))
        yield (
            f'<path d="M{x:.1f} {_y(low, highest):.1f}V{_y(high, highest):.1f}" '
            f'stroke="{one.colour}" stroke-opacity=".4"/>'
            f'<circle cx="{x:.1f}" cy="{_y(value, highest):.1f}" r="3.5" fill="{one.colour}">'
            f"<title>{escape(one.title)}: batch {size}, {number(value)} {unit}</title></circle>"
        )


def number(value: float) -> str:
    """As many digits as a chart has room for."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _x(size: int, sizes: Sequence[int]) -> float:
    most = log2(max(sizes)) or 1.0
    return _LEFT + 12 + (_WIDTH - 24) * log2(size) / most


def _y(value: float, highest: float) -> float:
    return _TOP + _HEIGHT * (1 - value / highest)
