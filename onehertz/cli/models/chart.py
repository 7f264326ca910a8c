"""A chart over the batch size, as SVG without scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import ceil, floor, log2, log10
from typing import NamedTuple

_WIDTH, _HEIGHT = 560, 300
_LEFT, _TOP, _RIGHT, _BOTTOM = 56, 30, 16, 40
_STEPS = 4  # of the axis of values, at least


class Line(NamedTuple):
    """A value for each batch size."""

    title: str
    colour: str
    values: Mapping[int, float]
    ranges: Mapping[int, tuple[float, float]] = {}  # the least and the most, of some sizes
    is_thick: bool = True
    is_dashed: bool = False


class Mark(NamedTuple):
    """A point that is ringed, with words beside it."""

    size: int
    value: float
    text: str


def chart(lines: Sequence[Line], what: str, unit: str, mark: Mark | None = None) -> str:
    """x: the batch size, a step for each doubling; y: the values, from 0.

    `what` they are stands above the axis, their `unit` where the pointer rests. At least one line.
    """
    sizes = sorted({size for one in lines for size in one.values})
    most = max(value for one in lines for value in one.values.values())
    step = round_step(most)
    highest = step * ceil(most / step + 1e-9)
    width, height = _LEFT + _WIDTH + _RIGHT, _TOP + _HEIGHT + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}"><title>{escape(what)} over the batch size</title>',
        *_axes(sizes, highest, step, what),
    ]
    for one in lines:
        parts += _line(one, sizes, highest, unit)
    if mark is not None:
        parts += _ring(mark, sizes, highest)
    return "".join([*parts, "</svg>"])


def round_step(most: float) -> float:
    """1, 2 or 5 times a power of ten, so that some four of them reach `most`, which is above 0."""
    power = 10.0 ** floor(log10(most / _STEPS))
    return max(power * times for times in (1, 2, 5) if power * times <= most / _STEPS)


def _axes(sizes: Sequence[int], highest: float, step: float, what: str) -> Iterator[str]:
    bottom = _TOP + _HEIGHT
    yield f'<text x="4" y="14">{escape(what)}</text>'
    for size in sizes:
        x = _x(size, sizes)
        yield f'<path d="M{x:.1f} {_TOP}v{_HEIGHT}" stroke="#e4e4e4"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{size}</text>'
    for part in range(round(highest / step) + 1):
        value = step * part
        y = _y(value, highest)
        yield f'<path d="M{_LEFT} {y:.1f}h{_WIDTH}" stroke="#e4e4e4"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>'
    yield (
        f'<text x="{_LEFT + _WIDTH / 2}" y="{bottom + 32}" text-anchor="middle">'
        "images in a batch</text>"
    )


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


def _ring(mark: Mark, sizes: Sequence[int], highest: float) -> Iterator[str]:
    """The words stand below it, or above where there is no room; on the side that has some."""
    x, y = _x(mark.size, sizes), _y(mark.value, highest)
    anchor = "end" if x > _LEFT + _WIDTH / 2 else "start"
    baseline = y + 24 if y + 28 < _TOP + _HEIGHT else y - 14
    yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="8" fill="none" stroke="#222" stroke-width="2"/>'
    yield (
        f'<text x="{x:.1f}" y="{baseline:.1f}" text-anchor="{anchor}" font-weight="bold"'
        f' stroke="#fff" stroke-width="4" paint-order="stroke">{escape(mark.text)}</text>'
    )


def number(value: float) -> str:
    """As many digits as a chart has room for."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _x(size: int, sizes: Sequence[int]) -> float:
    most = log2(max(sizes)) or 1.0
    return _LEFT + 12 + (_WIDTH - 24) * log2(size) / most


def _y(value: float, highest: float) -> float:
    return _TOP + _HEIGHT * (1 - value / highest)
