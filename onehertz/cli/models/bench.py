"""`onehertz models bench`: how fast models are on this machine, in each way to run them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from inference_worker.choosing.measured import Measured, best
from inference_worker.choosing.measuring import SIZES, measure
from inference_worker.choosing.plans import Plan
from inference_worker.choosing.telling import choice_line
from inference_worker.loading import Opener
from inference_worker.settings import InferSettings
from onehertz.assets import fetch_one, path_of, user_cache
from onehertz.cli.models.bench_plot import write_plot
from onehertz.cli.options import check_plot, with_settings
from onehertz.settings import Settings

_MOST_ROUNDS = 50


class Benched(NamedTuple):
    """A model, and what was measured of it."""

    model: str
    rows: list[Measured]
    choice: str  # that `auto` would take of them, with its reasons


@click.command("bench", epilog="Example: onehertz models bench yolox-s --plot speed.html")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@with_settings
@click.option(
    "--seconds",
    type=click.FloatRange(1, 600),
    default=20.0,
    show_default=True,
    help="For each model, beside what opening its engines takes.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per way, batch and line.")
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with charts."
)
@click.option("--keep", is_flag=True, help="Let `infer` choose by this from now on.")
def bench_command(
    settings: Settings,
    names: tuple[str, ...],
    seconds: float,
    as_json: bool,
    plot: Path | None,
    keep: bool,
) -> None:
    """Measure images/s of models by engine, precision, threads and batch; infer.model by default.

    All ways take turns, batch by batch, until the time is over. Figures are medians; the spread is
    that of single batches. Decoding and preprocessing are not in them.
    """
    check_plot(plot)
    found = [
        _bench(settings.infer.model_copy(update={"model": name}), seconds, keep)
        for name in names or (settings.infer.model,)
    ]
    if plot is not None:
        write_plot(plot, [(one.model, one.rows, one.choice) for one in found])
    for one in found:
        if as_json:
            for line in _json_lines(one):
                click.echo(line)
        else:
            Console(width=110).print(_table(one))
            click.echo(one.choice)


def _bench(settings: InferSettings, seconds: float, keep: bool) -> Benched:
    cache = user_cache()
    opener = Opener(settings, fetch_one, path_of, cache)
    single = Opener(settings.model_copy(update={"threads": 1}), fetch_one, path_of, cache)
    plans = list(dict.fromkeys([*opener.plans, *single.plans]))
    rows = _measured(opener, plans, seconds)
    if keep:
        opener.measured_store(cache).keep(rows)
    own = [one for one in rows if one.plan in opener.plans]
    chosen = best(own, settings.max_batch)
    if chosen is None:
        return Benched(settings.model, rows, f"{settings.model} can't be run: {own[0].refusal}")
    return Benched(
        settings.model, rows, choice_line(settings.model, chosen, own, settings.max_batch)
    )


def _measured(opener: Opener, plans: Sequence[Plan], seconds: float) -> list[Measured]:
    columns = TextColumn("{task.description}"), BarColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"{opener.settings.model}: {len(plans)} ways", total=seconds)
        began_s = 0.0

        def told() -> None:
            nonlocal began_s
            began_s = began_s or time.monotonic()
            progress.update(task, completed=min(seconds, time.monotonic() - began_s))

        sizes = [size for size in SIZES if size <= opener.settings.max_batch]
        return measure(
            plans, opener.open, opener.judge,
            budget_s=seconds, rounds=_MOST_ROUNDS, sizes=sizes, told=told,
        )  # fmt: skip


def _table(found: Benched) -> Table:
    table = Table(title=found.model, title_justify="left", box=None, pad_edge=False)
    for name in ("engine", "precision"):
        table.add_column(name)
    for name in ("threads", "side by side", "batch", "images/s", "spread", "CPU ms/image"):
        table.add_column(name, justify="right")
    table.add_column("")
    for one in found.rows:
        plan, note = one.plan, one.refusal and f"refused: {one.refusal}"
        if not one.batch_ms:
            table.add_row(plan.engine, plan.precision, "", "", "", "", "", "", note)
        for size, took_ms in one.batch_ms.items():
            low, high = sorted(1000 * size / ms for ms in one.batch_range_ms[size])
            table.add_row(
                plan.engine, plan.precision, str(plan.threads), str(plan.streams or "no"),
                str(size), f"{1000 * size / took_ms:.1f}", f"{low:.1f} to {high:.1f}",
                f"{one.batch_cpu_ms[size] / size:.1f}", note,
            )  # fmt: skip
            note = ""
    return table


def _json_lines(found: Benched) -> Iterator[str]:
    for one in found.rows:
        plan = {field: getattr(one.plan, field) for field in Plan.__struct_fields__}
        about = {"model": found.model, **plan, "refusal": one.refusal}
        if not one.batch_ms:
            yield json.dumps(about)
        for size, took_ms in one.batch_ms.items():
            low, high = sorted(1000 * size / ms for ms in one.batch_range_ms[size])
            figures = {
                "batch": size,
                "images_per_s": round(1000 * size / took_ms, 2),
                "images_per_s_min": round(low, 2),
                "images_per_s_max": round(high, 2),
                "cpu_ms_per_image": round(one.batch_cpu_ms[size] / size, 3),
            }
            yield json.dumps(about | figures)
    yield json.dumps({"model": found.model, "choice": found.choice})
