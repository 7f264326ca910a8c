"""`onehertz models bench`: how fast models are in each way to run them, and what that costs."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import click
from rich.console import Console

from inference_worker.backends.cuda import cuda_problem, gpu_name
from inference_worker.metering.nvml import Gpu
from onehertz.cli.models.bench_lines import json_lines, speeds
from onehertz.cli.models.bench_plot import Costs, write_plot
from onehertz.cli.models.bench_run import Benched, Wish, bench
from onehertz.cli.models.bench_tables import cost_table, speed_table
from onehertz.cli.options import check_plot, with_settings
from onehertz.cost.accuracy import Accuracies, read_accuracies
from onehertz.cost.advice import advice, usable
from onehertz.cost.arithmetic import Use
from onehertz.cost.prices import Prices, machine_named, read_prices
from onehertz.cost.pricing import Priced, doubts, priced, refusals
from onehertz.cost.speeds import Speed, read_speeds
from onehertz.settings import Settings
from runtime.errors import UserError

_WIDTH = 150  # of the tables, whatever the terminal is: cut figures are no figures


class Costing(NamedTuple):
    """How frames are priced; without prices they are not."""

    prices: Prices | None
    use: Use
    accuracies: Accuracies
    p95_ms: float


@click.command("bench", epilog="Example: onehertz models bench yolox-s --plot speed.html")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@with_settings
@click.option(
    "--seconds",
    type=click.FloatRange(1, 600),
    default=20.0,
    show_default=True,
    help="Seconds for each model, beside what opening its engines takes.",
)
@click.option(
    "--gpu",
    "on_gpu",
    is_flag=True,
    help="On the GPU alone, with its use, watts and joules; up to infer.max_batch images.",
)
@click.option(
    "--prices",
    "price_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="YAML with $ an hour by machine, as docs/prices.example.yaml: adds $ per million frames,"
    " and what is cheapest.",
)
@click.option(
    "--machine",
    metavar="NAME",
    help="This machine's name, in results and in the price file; default: its only machine, or the"
    " host's name.",
)
@click.option(
    "--merge",
    is_flag=True,
    help="Measure nothing: NAMES are results of --json, saved on several machines.",
)
@click.option(
    "--accuracy",
    "accuracy_files",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Saved `evaluate model --json` or `models check --json`, shown beside what each way saves."
    " Repeatable.",
)
@click.option(
    "--utilisation",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.7,
    show_default=True,
    help="Share of the time that the engine works; the rest is for peaks.",
)
@click.option(
    "--dropped",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Share of the cameras' frames that the gate drops, as `evaluate gate` says it.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON object per way, batch and line; --merge reads it.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page (.html) with charts.",
)
@click.option("--keep", is_flag=True, help="Let `infer` choose by this from now on.")
def bench_command(
    settings: Settings,
    names: tuple[str, ...],
    seconds: float,
    on_gpu: bool,
    price_file: Path | None,
    machine: str | None,
    merge: bool,
    accuracy_files: tuple[Path, ...],
    utilisation: float,
    dropped: float,
    as_json: bool,
    plot: Path | None,
    keep: bool,
) -> None:
    """Measure images/s of models by engine, precision, threads and batch; infer.model by default.

    All ways take turns, batch by batch, until the time is over. Figures are medians; the spread is
    that of single batches. Decoding is not in them; preprocessing only where the GPU does it.
    """
    check_plot(plot)
    prices = None if price_file is None else read_prices(price_file)
    use = Use(utilisation, dropped)
    costing = Costing(prices, use, read_accuracies(accuracy_files), settings.infer.p95_ms)
    if merge:
        if on_gpu or keep or machine:
            raise UserError("--merge measures nothing: leave out --gpu, --keep and --machine")
        found: list[Benched] = []
        measured = _merged(names, prices)
    else:
        here = machine_named(machine, prices, platform.node() or "this machine")
        found, measured = _measured(settings, names, Wish(seconds, keep), here, on_gpu=on_gpu)
    rows = [] if prices is None else priced(measured, prices, use, costing.accuracies)
    if plot is not None:
        write_plot(plot, found, _costs(rows, costing))
    if as_json:
        for line in json_lines(found, measured, rows):
            click.echo(line)
    else:
        _show(found, measured, rows, costing)


def _merged(files: Sequence[str], prices: Prices | None) -> list[Speed]:
    if prices is None or not files:
        raise UserError("--merge takes files of --json and --prices FILE")
    return [speed for name in files for speed in read_speeds(Path(name))]


def _measured(
    settings: Settings, names: Sequence[str], wish: Wish, machine: str, *, on_gpu: bool
) -> tuple[list[Benched], list[Speed]]:
    infer = settings.infer
    if on_gpu:
        infer = infer.model_copy(update={"device": "cuda"})
    with _metered_gpu() if on_gpu else nullcontext() as gpu:
        asked = wish._replace(on_gpu=on_gpu, gpu=gpu, frame_side_px=settings.gate.largest_side_px)
        found = [
            bench(infer.model_copy(update={"model": name}), asked)
            for name in names or (infer.model,)
        ]
        name = gpu.name if gpu else gpu_name() or None
    return found, [speed for one in found for speed in speeds(one, machine, name)]


@contextmanager
def _metered_gpu() -> Iterator[Gpu | None]:
    """This machine's; None where it can't be metered, as on a Jetson. UserError: there is none."""
    if why := cuda_problem():
        raise UserError(f"--gpu: no CUDA device can be used: {why}")
    try:
        gpu = Gpu()
    except UserError as error:
        click.echo(f"note: without use, watts and joules: {error}", err=True)
        yield None
        return
    with closing(gpu):
        yield gpu


def _show(
    found: Sequence[Benched], measured: Sequence[Speed], rows: Sequence[Priced], costing: Costing
) -> None:
    console = Console(width=_WIDTH)
    for one in found:
        console.print(speed_table(one, [speed for speed in measured if speed.model == one.model]))
        click.echo(one.choice)
    if rows:
        console.print(cost_table(rows))
        for line in [*refusals(rows), *doubts(rows)]:
            click.echo(f"note: {line}")
        click.echo(advice(rows, costing.use, costing.p95_ms))


def _costs(rows: Sequence[Priced], costing: Costing) -> Costs | None:
    if not rows:
        return None
    best = next(iter(usable(rows, costing.p95_ms)), None)
    return Costs(rows, advice(rows, costing.use, costing.p95_ms), best)
