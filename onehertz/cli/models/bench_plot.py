"""Images/s, and $ per million frames, over the batch size as a page: SVG in HTML, in one file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

from inference_worker.choosing.measured import Measured
from inference_worker.choosing.plans import Plan
from onehertz.cli.models.bench_run import Benched
from onehertz.cli.models.chart import Line, Mark, chart, number
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


class Costs(NamedTuple):
    """What frames cost, the advice, and the way that it names as the cheapest."""

    rows: Sequence[Priced]
    advice: str
    best: Priced | None


def write_plot(path: Path, found: Sequence[Benched], costs: Costs | None = None) -> None:
    """Raises UserError where it can't be written."""
    try:
        path.write_text(page(found, costs), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: can't be written: {error.strerror or error}") from error


def page(found: Sequence[Benched], costs: Costs | None = None) -> str:
    """What frames cost, if that is known; then a chart and its figures for each model."""
    title = "What frames cost" if costs else "Images per second"
    body = [*_costs(costs)] if costs else []
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
        f"<title>{title}</title><style>{_STYLE}</style></head><body>"
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


def cost_chart(costs: Costs) -> str:
    """$ per million frames of the best way of each machine, model, engine and arithmetic."""
    lines = [
        Line(
            _named(way),
            colour,
            {one.speed.batch: one.dollars_per_million for one in rows},
            is_dashed=place >= len(_PALETTE),
        )
        for place, (way, (colour, rows)) in enumerate(_ways(costs).items())
    ]
    best = costs.best
    mark = best and Mark(best.speed.batch, best.dollars_per_million, _cheapest(best))
    return chart(lines, "$ per million frames", "$ per million", mark or None)


def _ways(costs: Costs) -> dict[Way, tuple[str, list[Priced]]]:
    """A colour and the rows of each way that is drawn: those that may be used, if there are any."""
    found: dict[Way, list[Priced]] = {}
    for one in [row for row in costs.rows if not row.speed.refusal] or costs.rows:
        found.setdefault(one.speed.way, []).append(one)
    return {
        way: (_PALETTE[place % len(_PALETTE)], rows)
        for place, (way, rows) in enumerate(found.items())
    }


def _cheapest(best: Priced) -> str:
    return f"${number(best.dollars_per_million)}, batches of {best.speed.batch}"


def _costs(costs: Costs) -> Iterator[str]:
    first, *others = costs.advice.splitlines()
    ways = _ways(costs)
    yield f"<h1>What frames cost</h1><p><b>{escape(first)}</b></p>"
    yield f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in others)}</ul>"
    yield "<h2>$ per million frames by batch size</h2><p>"
    yield "<br>".join(
        f"{_swatch(colour)} {escape(_named(way))}" for way, (colour, _) in ways.items()
    )
    yield f"</p>{cost_chart(costs)}"
    yield (
        "<table><tr><th>way</th><th>batch</th><th>images/s</th><th>p95, ms</th>"
        "<th>$ per million</th><th>cameras</th><th>accuracy</th></tr>"
    )
    for one in costs.rows:
        speed = one.speed
        note = f"refused: {speed.refusal}" if speed.refusal else one.accuracy
        colour = ways[speed.way][0] if speed.way in ways else "#fff"
        p95 = "" if speed.latency_p95_ms is None else f"{speed.latency_p95_ms:.1f}"
        yield (
            f"<tr><td>{_swatch(colour)} {escape(_named(speed.way))}</td>"
            f"<td>{speed.batch}</td><td>{speed.images_per_s:.1f}</td><td>{p95}</td>"
            f"<td>{one.dollars_per_million:.3f}</td><td>{one.cameras}</td>"
            f"<td>{escape(note)}</td></tr>"
        )
    yield "</table>"


def _swatch(colour: str) -> str:
    return f'<span style="color:{colour}">&#9632;</span>'


def _named(way: Way) -> str:
    return f"{way.machine}: {way.model}, {way.engine} ({way.arithmetic})"


def _speeds(rows: Sequence[Measured]) -> Iterator[str]:
    yield "<table><tr><th>way</th><th>batch</th><th>images/s</th><th>CPU ms/image</th></tr>"
    for one in rows:
        note = f", refused: {one.refusal}" if one.refusal else ""
        mark = _swatch(_colour(one.plan))
        for size, took_ms in one.batch_ms.items():
            yield (
                f"<tr><td>{mark} {escape(f'{one.plan}{note}')}</td><td>{size}</td>"
                f"<td>{1000 * size / took_ms:.1f}</td>"
                f"<td>{one.batch_cpu_ms[size] / size:.1f}</td></tr>"
            )
    yield "</table>"


def _colour(plan: Plan) -> str:
    return _COLOURS.get((plan.engine, plan.precision), "#666666")
