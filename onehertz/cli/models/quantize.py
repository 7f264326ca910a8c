"""`onehertz models quantize`: an INT8 model of a float one."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from inference_worker.adding.propose import check_name
from inference_worker.quantising.recipes import RECIPES
from inference_worker.quantising.report import Report
from inference_worker.quantising.speed import gain
from onehertz.assets import fetch_one
from onehertz.cli.models.calibration_pictures import calibration_pictures
from onehertz.cli.models.wording import compared
from onehertz.cli.options import with_settings
from onehertz.settings import Settings
from runtime.errors import UserError


@click.command(
    "quantize", epilog="Example: onehertz models quantize yolox-s --calibrate yard-pictures"
)
@click.argument("name")
@with_settings
@click.option(
    "--calibrate",
    "source",
    required=True,
    metavar="FOLDER|VIDEO|topic",
    help="Pictures as the cameras give them, or what the gate has kept (topic); half is held out.",
)
@click.option(
    "--recipe", type=click.Choice(list(RECIPES)), default="cpu", show_default=True,
    help="For which engine: tensorrt wants zero points of 0 and biases in float.",
)  # fmt: skip
@click.option("--name", "new_name", help="Of the new model; default: NAME-int8.")
@click.option(
    "--to",
    "root",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of models; default: the first of infer.model_folders.",
)
@click.option("--minutes", default=10.0, show_default=True, help="For finding what stays float.")
@click.option("--replace", is_flag=True, help="Instead of a model of this name in that folder.")
@click.option("--anyway", is_flag=True, help="Write it too if it does not pay on this machine.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def quantize_command(
    context: click.Context,
    settings: Settings,
    name: str,
    source: str,
    recipe: str,
    new_name: str | None,
    root: Path | None,
    minutes: float,
    replace: bool,
    anyway: bool,
    as_json: bool,
) -> None:
    """Make an INT8 model of model NAME, and measure what it loses and gains.

    Parts of the network that INT8 spoils stay float: they are found by trying. Exit code 1, and
    nothing is written, if the admission test refuses it, or it does not pay on this machine.
    """
    if importlib.util.find_spec("onnx") is None:
        raise UserError("quantising needs the package onnx: pip install 'onehertz[models]'")
    from inference_worker.quantising.quantise import quantise
    from inference_worker.quantising.task import Task

    folders = settings.infer.model_folders
    if root is None and not folders:
        raise UserError("infer.model_folders is empty: name one there, or say --to FOLDER")
    check_name(new_name or f"{name}-int8")
    target = (root or folders[0]) / (new_name or f"{name}-int8")
    if target.exists() and not replace:
        raise UserError(f"{target}: is there already; say --replace, or --name")
    task = Task(
        settings=settings.infer.model_copy(update={"model": name}),
        asset_path=fetch_one,
        recipe=RECIPES["tensorrt" if recipe == "tensorrt" else "cpu"],
        pictures=calibration_pictures(settings, source),
        name=target.name,
        root=target.parent,
        replace=replace,
        anyway=anyway,
        patience_s=60 * minutes,
    )
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("reading")
        report = quantise(task, lambda text: progress.update(bar, description=text))
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(report), default=str))
    else:
        _tell(report)
    if report.written is None:
        context.exit(1)


def _tell(report: Report) -> None:
    click.echo(
        f"{report.nodes} nodes are INT8, {report.float_nodes} stay float; ranges by"
        f" {report.method} on {report.calibrated_on} pictures"
    )
    small, large = report.size_bytes / 1e6, report.float_size_bytes / 1e6
    click.echo(f"size: {small:.1f} MB, float {large:.1f} MB")
    if report.parity is not None:
        click.echo(f"on {report.held_out} other pictures, against the float model:")
        click.echo(f"  {compared(report.parity)}")
    for one in report.speeds:
        form = "int8" if one.form == "int8" else one.precision
        click.echo(f"  {one.engine:<12}{form:<10}batch {one.batch}  {one.cpu_ms:6.1f} ms of CPU")
    for precision in ("float32", "bfloat16"):
        if (gained := gain(report.speeds, precision)) is not None:
            click.echo(f"  {gained:.2f} times as fast as the best {precision} form")
    if report.refusal:
        click.echo(f"not fit to serve: {report.refusal}")
    if report.worth:
        click.echo(f"does not pay on this machine: {report.worth}")
    if report.written is None:
        click.echo("nothing was written" + ("; --anyway writes it" if report.worth else ""))
    else:
        click.echo(f"written: {report.written}")
