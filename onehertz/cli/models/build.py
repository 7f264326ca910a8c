"""`onehertz models build`: TensorRT's engines of a model, before a worker needs them."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from inference_worker.backends.compiled import prune
from inference_worker.backends.cuda import loading_tensorrt
from inference_worker.backends.tensorrt.engine_cache import engines_in
from inference_worker.backends.tensorrt.engine_key import Sidecar
from inference_worker.choosing.plans import Plan
from inference_worker.loading import Opener
from inference_worker.settings import InferSettings
from onehertz.assets import fetch_one, path_of, user_cache
from onehertz.cli.options import with_settings
from onehertz.settings import Settings
from runtime.errors import UserError

_PRECISIONS = ("float32", "float16")


class Shown(NamedTuple):
    """An engine that there is now, or why there is none."""

    model: str
    precision: str
    about: Sidecar | None = None
    path: Path | None = None
    note: str = ""


@click.command("build", epilog="Example: onehertz models build yolox-s --precision float16")
@click.argument("name", required=False)
@with_settings
@click.option(
    "--precision", "precisions", multiple=True, type=click.Choice(_PRECISIONS),
    help="Repeatable; default: infer.precision, where that is auto both. What is INT8 is so in the"
    " model (`models quantize --recipe tensorrt`).",
)  # fmt: skip
@click.option(
    "--max-batch",
    type=click.IntRange(1, 256),
    help="Images in a batch at most; default: infer.max_batch. A worker's infer.max_batch has to be"
    " the same, or it builds its own.",
)
@click.option("--list", "only_list", is_flag=True, help="Show the engines that there are.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per engine and line.")
@click.pass_context
def build_command(
    context: click.Context,
    settings: Settings,
    name: str | None,
    precisions: tuple[str, ...],
    max_batch: int | None,
    only_list: bool,
    as_json: bool,
) -> None:
    """Build the engines of model NAME (default: infer.model) for the GPU of this machine.

    A worker builds what it lacks by itself, at its first start. Here it is done beforehand: for a
    fleet with the same GPU, or workers that may not write their cache. Takes minutes for each;
    what is there already takes none. Engines that nobody has used for 30 days are deleted. Exit
    code 1 if one of them can't be built.
    """
    if only_list:
        _tell([Shown(about.name, about.key.precision, about, path)
               for path, about in engines_in(user_cache())], as_json)  # fmt: skip
        return
    infer = settings.infer.model_copy(
        update={
            "model": name or settings.infer.model,
            "backend": "tensorrt",
            "device": "cuda",
            "max_batch": max_batch or settings.infer.max_batch,
        }
    )
    with _ended_by_sigterm():
        shown = [
            _build(opener, plan)
            for one in precisions or (infer.precision,)
            for opener in [_opener(infer.model_copy(update={"precision": one}))]
            for plan in opener.plans
        ]
    _tell(shown, as_json)
    prune(user_cache(), time.time())
    if any(one.note for one in shown):
        context.exit(1)


def _opener(settings: InferSettings) -> Opener:
    return Opener(settings, fetch_one, path_of, user_cache())


def _build(opener: Opener, plan: Plan) -> Shown:
    """Raises UserError where there is no GPU to build for."""
    # Imported here: TensorRT need not be installed.
    with loading_tensorrt():
        from inference_worker.backends.tensorrt.device import Device
        from inference_worker.backends.tensorrt.engines import Engines

    model, options = opener.model_for(plan)
    name = model.manifest.name
    device = Device()
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    try:
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task(f"{name} {plan.precision}", total=1.0)

            def told(text: str, fraction: float) -> None:
                description = f"{name} {plan.precision}: {text}"
                progress.update(bar, description=description, completed=fraction)

            stored = Engines(model.weights, options, device, told).find()
    except UserError as error:
        return Shown(name, plan.precision, note=str(error))
    finally:
        device.close()
    return Shown(name, plan.precision, stored.about, stored.path)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Inside, a SIGTERM ends the build as Ctrl-C does: nothing is left half written."""

    def leave(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(shown: list[Shown], as_json: bool) -> None:
    if as_json:
        for one in shown:
            click.echo(json.dumps(_object(one)))
        return
    if not shown:
        click.echo("there are no engines; `onehertz models build NAME` builds some")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("model", "precision", "batches", "MB", "built in", "for", "where"):
        table.add_column(column, overflow="fold")
    for one in shown:
        found = _object(one)
        if one.about is None:
            table.add_row(one.model, one.precision, "", "", "", "", one.note)
            continue
        table.add_row(
            one.model, one.precision, f"1 to {one.about.max_batch}",
            f"{found['megabytes']:.1f}", f"{one.about.build_s:.0f} s",
            f"{one.about.key.gpu}, TensorRT {one.about.key.tensorrt}", str(one.path),
        )  # fmt: skip
    Console(width=140).print(table)


def _object(one: Shown) -> dict[str, object]:
    if one.about is None:
        return {"model": one.model, "precision": one.precision, "error": one.note}
    size = one.path.stat().st_size if one.path is not None else 0
    return {
        "model": one.model,
        "precision": one.precision,
        "max_batch": one.about.max_batch,
        "profiles": [str(profile) for profile in one.about.profiles],
        "megabytes": round(size / 1e6, 2),
        "seconds": one.about.build_s,
        "built_at": one.about.built_at,
        "gpu": one.about.key.gpu,
        "compute_capability": one.about.key.compute_capability,
        "tensorrt": one.about.key.tensorrt,
        "where": str(one.path),
    }
