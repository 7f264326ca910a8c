"""Images/s over the batch size as a page: SVG in HTML, in one file, without scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import log2
from pathlib import Path
from typing import Final

from inference_worker.choosing.measured import Measured
from inference_worker.choosing.plans import Plan
from runtime.errors import UserError

_WIDTH, _HEIGHT = 560, 300
_LEFT, _TOP, _RIGHT, _BOTTOM = 56, 12, 16, 40
# Okabe and Ito's palette, safe for colour-blind eyes; by engine and precision.
_COLOURS: Final = {
    ("openvino", "float32"): "#0072b2",
    ("openvino", "bfloat16"): "#d55e00",
    ("openvino", "float16"): "#cc79a7",
    ("onnxruntime", "float32"): "#009e73",
}
_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
  color: #222; background: #fff }
svg { max-width: 100%; height: auto }
svg text { font: 12px system-ui, sans-serif; fill: #333 }
table { border-collapse: collapse } td, th { padding: .15rem .8rem .15rem 0; text-align: right }
td:first-child, th:first-child { text-align: left }
"""

Benched = tuple[str, Sequence[Measured], str]  # model, rows, choice


def write_plot(path: Path, found: Sequence[Benched]) -> None:
    """Raises UserError where it can't be written."""
    try:
        path.write_text(page(found), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: can't be written: {error.strerror or error}") from error


def page(found: Sequence[Benched]) -> str:
    """A chart and its figures for each model."""
    body: list[str] = []
    for model, rows, choice in found:
        shown = [one for one in rows if one.batch_ms]
        body.append(f"<h2>{escape(model)}</h2><p>{escape(choice)}</p>")
        if shown:
            body += [chart(shown), *_table(shown)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Images per second</title><style>{_STYLE}</style></head><body>"
        "<h1>Images per second by batch size</h1><p>Thick: all threads. Dashed: a batch as one; "
        "else images side by side, each alone. Bars: least and most of single batches.</p>"
        + "\n".join(body)
        + "</body></html>\n"
    )


def chart(rows: Sequence[Measured]) -> str:
    """As SVG. x: the batch size, a step for each doubling; y: images/s, from 0."""
    sizes = sorted({size for one in rows for size in one.batch_ms})
    highest = max(1000 * size / ms for one in rows for size, ms in one.batch_ms.items()) * 1.05
    most_threads = max(one.plan.threads for one in rows)
    width, height = _LEFT + _WIDTH + _RIGHT, _TOP + _HEIGHT + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}"><title>images per second over the batch size</title>',
        *_axes(sizes, highest),
    ]
    for one in rows:
        parts += _line(one, sizes, highest, thick=one.plan.threads == most_threads)
    return "".join([*parts, "</svg>"])


def _axes(sizes: Sequence[int], highest: float) -> Iterator[str]:
    bottom = _TOP + _HEIGHT
    for size in sizes:
        x = _x(size, sizes)
        yield f'<path d="M{x:.1f} {_TOP}v{_HEIGHT}" stroke="#e4e4e4"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{size}</text>'
    for part in range(5):
        rate = highest * part / 4
        y = _y(rate, highest)
        yield f'<path d="M{_LEFT} {y:.1f}h{_WIDTH}" stroke="#e4e4e4"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{rate:.0f}</text>'
    yield f'<text x="{_LEFT + _WIDTH / 2}" y="{bottom + 32}" text-anchor="middle">batch</text>'


def _line(one: Measured, sizes: Sequence[int], highest: float, *, thick: bool) -> Iterator[str]:
    colour = _colour(one.plan)
    rates = {size: 1000 * size / ms for size, ms in one.batch_ms.items()}
    points = " ".join(f"{_x(n, sizes):.1f},{_y(rate, highest):.1f}" for n, rate in rates.items())
    dashes = "" if one.plan.streams else ' stroke-dasharray="6 4"'
    yield (
        f'<polyline points="{points}" fill="none" stroke="{colour}" '
        f'stroke-width="{3 if thick else 1.5}"{dashes}/>'
    )
    for size, rate in rates.items():
        x = _x(size, sizes)
        low, high = (min(highest, 1000 * size / ms) for ms in one.batch_range_ms[size])
        yield (
            f'<path d="M{x:.1f} {_y(low, highest):.1f}V{_y(high, highest):.1f}" '
            f'stroke="{colour}" stroke-opacity=".4"/>'
            f'<circle cx="{x:.1f}" cy="{_y(rate, highest):.1f}" r="3.5" fill="{colour}">'
            f"<title>{escape(str(one.plan))}: batch {size}, {rate:.1f} images/s</title></circle>"
        )


def _table(rows: Sequence[Measured]) -> Iterator[str]:
    yield "<table><tr><th>way</th><th>batch</th><th>images/s</th><th>CPU ms/image</th></tr>"
    for one in rows:
        note = f", refused: {one.refusal}" if one.refusal else ""
        mark = f'<span style="color:{_colour(one.plan)}">&#9632;</span>'
        for size, took_ms in one.batch_ms.items():
            yield (
                f"<tr><td>{mark} {escape(f'{one.plan}{note}')}</td><td>{size}</td>"
                f"<td>{1000 * size / took_ms:.1f}</td>"
                f"<td>{one.batch_cpu_ms[size] / size:.1f}</td></tr>"
            )
    yield "</table>"


def _colour(plan: Plan) -> str:
    return _COLOURS.get((plan.engine, plan.precision), "#666666")


def _x(size: int, sizes: Sequence[int]) -> float:
    most = log2(max(sizes)) or 1.0
    return _LEFT + 12 + (_WIDTH - 24) * log2(size) / most


def _y(rate: float, highest: float) -> float:
    return _TOP + _HEIGHT * (1 - rate / highest)
