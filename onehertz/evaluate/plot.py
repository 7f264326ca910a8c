"""Drop rate against accuracy as a page: SVG in HTML, in one file, without scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil
from pathlib import Path
from typing import Final

from onehertz.evaluate import curves
from onehertz.evaluate.baselines import NAMES, ORACLE_F1
from onehertz.evaluate.curves import Curves, Tally
from onehertz.evaluate.run import Result
from runtime.errors import UserError

# Plot area and page, in SVG units (pixels at its natural size).
_WIDTH, _HEIGHT = 560, 300
_LEFT, _TOP, _RIGHT, _BOTTOM = 48, 12, 16, 40
_TICKS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)

# Okabe and Ito's palette, safe for colour-blind eyes; a mark of its own besides.
_LINES: Final = {
    curves.GATE: ("#d55e00", 3),
    curves.ORACLE: ("#666666", 2),
    **{
        name: (colour, 1.5)
        for name, colour in zip(NAMES, ("#0072b2", "#009e73", "#cc79a7", "#b8860b"), strict=True)
    },
}

_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
  color: #222; background: #fff }
figure { display: inline-block; margin: 0 1rem 1.5rem 0; max-width: 100% }
figcaption { font-weight: 600; overflow-wrap: anywhere }
svg { max-width: 100%; height: auto }
svg text { font: 12px system-ui, sans-serif; fill: #333 }
table { border-collapse: collapse } td, th { padding: .15rem .8rem .15rem 0; text-align: right }
td:first-child, th:first-child { text-align: left }
"""


def write_plot(path: Path, results: Sequence[Result]) -> None:
    """Raises UserError where it can't be written."""
    try:
        path.write_text(page(results), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: can't be written: {error.strerror or error}") from error


def page(results: Sequence[Result]) -> str:
    """A chart for each source, and one for all, by judge and warm-up."""
    body = []
    for key in dict.fromkeys(one.key for one in results):
        judge, feedback, warm_up = key
        chosen = [one for one in results if one.key == key and one.curves]
        warmed = "" if warm_up == "none" else f", warmed up on the {warm_up} part"
        taught = "" if feedback is None else f", feedback from {feedback}"
        body.append(f"<h2>{escape(f'Judged by {judge}{taught}{warmed}')}</h2>")
        if len(chosen) > 1:
            body += _figure("all sources, tick by tick", curves.together(o.curves for o in chosen))
        for one in chosen:
            body += _figure(Path(one.source).name, one.curves)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<title>Drop rate against accuracy</title>"
        f"<style>{_STYLE}</style></head><body><h1>Drop rate against accuracy</h1>"
        "<p>To the right: more dropped. Up: what is reported of dropped ticks agrees better with "
        "what the judge sees on them. Ring: the gate as it is set. The oracle knows what the judge "
        "is about to see.</p>" + "\n".join(body) + "</body></html>\n"
    )


def _figure(title: str, found: Curves) -> Iterator[str]:
    yield f"<figure><figcaption>{escape(title)}</figcaption>"
    yield chart(found)
    yield "</figure>"
    yield from _table(found)


def _table(found: Curves) -> Iterator[str]:
    yield "<details><summary>figures</summary><table>"
    yield "<tr><th>rule</th><th>threshold</th><th>dropped</th><th>F1</th></tr>"
    for name in _LINES:
        for threshold, one in _line(found, name):
            yield (
                f"<tr><td>{escape(name)}</td><td>{threshold:g}</td><td>{100 * one.drop:.1f} %</td>"
                f"<td>{one.f1:.4f}</td></tr>"
            )
    yield "</table></details>"


def chart(found: Curves) -> str:
    """As SVG. x: the share that is dropped; y: mean F1, down to the gate's least.

    What is worse than that lies below the chart and is left out; the table has it.
    """
    scale = _Scale(min((one.f1 for _, one in _line(found, curves.GATE)), default=0.0))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{scale.width}" '
        f'height="{scale.height}" viewBox="0 0 {scale.width} {scale.height}">',
        "<title>mean F1 over the share of ticks that are dropped</title>",
        *_axes(scale),
    ]
    for name in _LINES:
        parts += _curve(scale, name, _line(found, name))
    for (name, threshold), one in found.items():
        if name == curves.OWN and one.f1 >= scale.lowest:
            parts.append(
                f'<circle cx="{scale.x(one.drop):.1f}" cy="{scale.y(one.f1):.1f}" r="7" '
                f'fill="none" stroke="{_LINES[curves.GATE][0]}" stroke-width="2">'
                f"{_hint('gate as set', threshold, one)}</circle>"
            )
    return "".join([*parts, *_legend(scale), "</svg>"])


class _Scale:
    """From shares to places on the chart."""

    def __init__(self, least_f1: float) -> None:
        least_f1 = max(0.0, min(least_f1, 0.9))
        self.step = next(step for step in (0.02, 0.05, 0.1, 0.2) if (1 - least_f1) / step <= 6)
        self.levels = [1 - self.step * n for n in range(ceil((1 - least_f1) / self.step) + 1)]
        self.lowest = max(0.0, self.levels[-1])
        self.width, self.height = _LEFT + _WIDTH + _RIGHT, _TOP + _HEIGHT + _BOTTOM + 24

    def x(self, drop: float) -> float:
        return _LEFT + _WIDTH * drop

    def y(self, f1: float) -> float:
        return _TOP + _HEIGHT * (1 - (f1 - self.lowest) / (1 - self.lowest))


def _line(found: Curves, rule: str) -> list[tuple[float, Tally]]:
    """Thresholds and tallies, from the least drop to the most."""
    chosen = [(threshold, one) for (name, threshold), one in found.items() if name == rule]
    return sorted(chosen, key=lambda pair: (pair[1].drop, -pair[1].f1))


def _axes(scale: _Scale) -> Iterator[str]:
    bottom = _TOP + _HEIGHT
    for share in _TICKS:
        x = scale.x(share)
        yield f'<path d="M{x:.1f} {_TOP}v{_HEIGHT}" stroke="#e4e4e4"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{100 * share:g} %</text>'
    for level in scale.levels:
        y = scale.y(level)
        yield f'<path d="M{_LEFT} {y:.1f}h{_WIDTH}" stroke="#e4e4e4"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{level:.2f}</text>'
    y = scale.y(ORACLE_F1)
    yield f'<path d="M{_LEFT} {y:.1f}h{_WIDTH}" stroke="#999" stroke-dasharray="3 3"/>'
    yield f'<text x="{_LEFT + _WIDTH / 2}" y="{bottom + 32}" text-anchor="middle">dropped</text>'


def _curve(scale: _Scale, name: str, line: Sequence[tuple[float, Tally]]) -> Iterator[str]:
    line = [pair for pair in line if pair[1].f1 >= scale.lowest]
    if not line:
        return
    colour, width = _LINES[name]
    dashes = ' stroke-dasharray="6 4"' if name == curves.ORACLE else ""
    points = " ".join(f"{scale.x(one.drop):.1f},{scale.y(one.f1):.1f}" for _, one in line)
    yield (
        f'<polyline points="{points}" fill="none" stroke="{colour}" '
        f'stroke-width="{width}"{dashes}/>'
    )
    for threshold, one in line:
        yield (
            f'<circle cx="{scale.x(one.drop):.1f}" cy="{scale.y(one.f1):.1f}" r="3.5" '
            f'fill="{colour}">{_hint(name, threshold, one)}</circle>'
        )


def _hint(name: str, threshold: float, one: Tally) -> str:
    text = f"{name}, threshold {threshold:g}: {100 * one.drop:.1f} % dropped, F1 {one.f1:.4f}"
    return f"<title>{escape(text)}</title>"


def _legend(scale: _Scale) -> Iterator[str]:
    step = _WIDTH / len(_LINES)
    y = scale.height - 8
    for place, (name, (colour, _)) in enumerate(_LINES.items()):
        x = _LEFT + place * step
        yield f'<rect x="{x:.1f}" y="{y - 10}" width="12" height="12" fill="{colour}"/>'
        yield f'<text x="{x + 17:.1f}" y="{y}">{escape(name)}</text>'
