"""Images/s, and $ per million frames, over the batch size as a page: SVG in HTML, in one file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Final

from inference_worker.choosing.measured import Measured
from inference_worker.choosing.plans import Plan
from onehertz.cli.models.bench_run import Benched
from onehertz.cli.models.chart import Line, chart, number
from onehertz.cost.pricing import Priced
from onehertz.cost.speeds import Way
from runtime.errors import UserError

# Okabe and Ito's palette, safe for colour-blind eyes; by engine and precision.
_COLOURS: Final = {
    ("openvino", "float32"): "#0072b2",
    ("openvino", "bfloat16"): "#d55e00",
    ("openvino", "float16"): "#cc79a7",
    ("onnxruntime", "float32"): "#009e73",
    ("tensorrt", "float32"): "#56b4e9",
    ("tensorrt", "float16"): "#e69f00",
}
_PALETTE: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#666666")
_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
  color: #222; background: #fff }
svg { max-width: 100%; height: auto }
svg text { font: 12px system-ui, sans-serif; fill: #333 }
table { border-collapse: collapse } td, th { padding: .15rem .8rem .15rem 0; text-align: right }
td:first-child, th:first-child { text-align: left }
"""


def write_plot(
    path: Path, found: Sequence[Benched], prices: Sequence[Priced] = (), advice: str = ""
) -> None:
    """Raises UserError where it can't be written."""
    try:
        path.write_text(page(found, prices, advice), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: can't be written: {error.strerror or error}") from error


def page(found: Sequence[Benched], prices: Sequence[Priced] = (), advice: str = "") -> str:
    """What frames cost, if there are prices; then a chart and its figures for each model."""
    body = [*_costs(prices, advice)] if prices else []
    if found:
        body.append(
            "<h1>Images per second by batch size</h1><p>Thick: all threads. Dashed: a batch as one;"
            " else images side by side, each alone. Bars: least and most of single batches.</p>"
        )
    for one in found:
        shown = [row for row in one.rows if row.batch_ms]
        body.append(f"<h2>{escape(one.model)}</h2><p>{escape(one.choice)}</p>")
        if shown:
            body += [speed_chart(shown), *_speeds(shown)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Images per second</title><style>{_STYLE}</style></head><body>"
        + "\n".join(body)
        + "</body></html>\n"
    )


def speed_chart(rows: Sequence[Measured]) -> str:
    """Images/s of all ways of a model."""
    most_threads = max(one.plan.threads for one in rows)
    lines = [
        Line(
            str(one.plan),
            _colour(one.plan),
            {size: 1000 * size / ms for size, ms in one.batch_ms.items()},
            {
                size: (1000 * size / most, 1000 * size / least)
                for size, (least, most) in one.batch_range_ms.items()
            },
            is_thick=one.plan.threads == most_threads,
            is_dashed=not one.plan.streams,
        )
        for one in rows
    ]
    return chart(lines, "images per second", "images/s")


def cost_chart(prices: Sequence[Priced]) -> str:
    """$ per million frames of the best way of each machine, model, engine and arithmetic."""
    ways: dict[Way, dict[int, float]] = {}
    for one in prices:
        ways.setdefault(one.speed.way, {})[one.speed.batch] = one.dollars_per_million
    lines = [
        Line(_named(way), _PALETTE[place % len(_PALETTE)], values)
        for place, (way, values) in enumerate(ways.items())
    ]
    return chart(lines, "$ per million frames", "$ per million")


def _costs(prices: Sequence[Priced], advice: str) -> Iterator[str]:
    usable = [one for one in prices if not one.speed.refusal] or list(prices)
    yield f"<h1>$ per million frames by batch size</h1><p>{escape(advice)}</p>"
    yield cost_chart(usable)
    yield (
        "<table><tr><th>way</th><th>batch</th><th>images/s</th><th>$ per million</th>"
        "<th>cameras</th><th>accuracy</th></tr>"
    )
    colours = {way: place for place, way in enumerate(dict.fromkeys(p.speed.way for p in usable))}
    for one in prices:
        speed = one.speed
        note = f"refused: {speed.refusal}" if speed.refusal else one.accuracy
        colour = _PALETTE[colours[speed.way] % len(_PALETTE)] if speed.way in colours else "#fff"
        yield (
            f'<tr><td><span style="color:{colour}">&#9632;</span> {escape(_named(speed.way))}</td>'
            f"<td>{speed.batch}</td><td>{speed.images_per_s:.1f}</td>"
            f"<td>{number(one.dollars_per_million)}</td><td>{one.cameras}</td>"
            f"<td>{escape(note)}</td></tr>"
        )
    yield "</table>"


def _named(way: Way) -> str:
    return f"{way.machine}: {way.model}, {way.engine} ({way.arithmetic})"


def _speeds(rows: Sequence[Measured]) -> Iterator[str]:
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
