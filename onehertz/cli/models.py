"""`onehertz models`: the detectors that there are, and new ones from ONNX files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import click

from inference_worker.adding.add import Added, add_model
from inference_worker.adding.folder import manifest_text
from inference_worker.adding.habits import Wishes
from inference_worker.adding.propose import Proposal, propose
from inference_worker.adding.recognise import FORMATS
from inference_worker.admission import Verdict
from inference_worker.checking import check, disagreements
from inference_worker.manifest import Manifest
from inference_worker.store import Store
from onehertz.assets import fetch
from onehertz.cli.options import with_settings
from onehertz.settings import Settings
from runtime.errors import UserError


@click.group()
def models() -> None:
    """Detectors: onehertz's own, and yours."""


class _Numbers(click.ParamType):
    """One number for all channels, or three."""

    name = "number[,number,number]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float, float]:
        try:
            numbers = [float(part) for part in str(value).split(",")]
            first, second, third = numbers * 3 if len(numbers) == 1 else numbers
        except ValueError:
            self.fail(f"{value!r} is neither a number nor three with commas", param, ctx)
        return first, second, third


class _Size(click.ParamType):
    name = "widthxheight"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        found = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", str(value))
        if found is None:
            self.fail(f"{value!r} is no size such as 640x480", param, ctx)
        return int(found[1]), int(found[2])


@models.command(epilog="Example: onehertz models add yolox_s.onnx --name yolox-s --labels coco")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_settings
@click.option("--name", required=True, help="What the model is to be called.")
@click.option("--format", type=click.Choice(FORMATS), help="Of its outputs, where they don't tell.")
@click.option("--labels", help="coco, or a file with one label per line; default: the metadata's.")
@click.option("--size", type=_Size(), help="Of the input, where the graph takes any.")
@click.option("--colour", type=click.Choice(["rgb", "bgr"]), help="Order of the channels.")
@click.option("--mean", type=_Numbers(), help="Taken off pixels of 0 to 255, in that order.")
@click.option("--std", type=_Numbers(), help="Then divided by, in that order.")
@click.option(
    "--letterbox",
    type=click.Choice(["centre", "top-left", "none"]),
    help="Keep the picture's shape; none: stretch it.",
)
@click.option("--padding", type=click.IntRange(0, 255), help="Grey value of the rest.")
@click.option("--nms-iou", type=click.FloatRange(0, 1), help="Overlap of two boxes on one object.")
@click.option(
    "--score-threshold",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Least score of a box that counts.",
)
@click.option("--licence", help="Of the weights, by its SPDX name.")
@click.option("--origin", help="Where the file is from.")
@click.option("--about", help="A line on the model.")
@click.option(
    "--to",
    "root",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of models; default: the first of infer.model_folders.",
)
@click.option("--replace", is_flag=True, help="Instead of a model of this name in that folder.")
@click.option("--dry-run", is_flag=True, help="Print the manifest, write nothing.")
def add(
    settings: Settings,
    file: Path,
    root: Path | None,
    replace: bool,
    dry_run: bool,
    **wishes: object,
) -> None:
    """Make a model of FILE, an ONNX detector: look at its graph, test it, write its folder.

    Says what it rests on, and what it assumes because no graph can tell. Where the outputs fit
    several formats or none it says what it saw, writes nothing and ends with exit code 2.
    """
    proposal = propose(file, Wishes(**wishes))  # type: ignore[arg-type] # as click has checked them
    if dry_run:
        click.echo(manifest_text(proposal.manifest), nl=False)
        _explain(proposal, to_stderr=True)
        return
    _explain(proposal)
    folders = settings.infer.model_folders
    if root is None and not folders:
        raise UserError("infer.model_folders is empty: name one there, or say --to FOLDER")
    added = add_model(file, proposal, root or folders[0], settings.infer, replace=replace)
    _tell(added, root)


@models.command("list", epilog="Example: onehertz models list --json")
@with_settings
@click.option("--json", "as_json", is_flag=True, help="One JSON object per model and line.")
@click.pass_context
def list_command(context: click.Context, settings: Settings, as_json: bool) -> None:
    """Show the models, and where they are.

    Exit code 1, after all others are shown, if a manifest can't be read.
    """
    store = Store(_asset_path, settings.infer.model_folders)
    wrong = False
    for name in store.names():
        try:
            manifest = store.manifest(name)
        except UserError as error:
            click.echo(f"onehertz: {error}", err=True)
            wrong = True
            continue
        serves, where = name == settings.infer.model, store.folder(name)
        click.echo(_as_json(manifest, serves, where) if as_json else _row(manifest, serves, where))
    if wrong:
        context.exit(1)


def _as_json(manifest: Manifest, serves: bool, where: Path) -> str:
    return json.dumps(
        {
            "name": manifest.name,
            "format": _format(manifest),
            "width": manifest.input.width,
            "height": manifest.input.height,
            "labels": len(manifest.labels),
            "licence": manifest.licence,
            "about": manifest.about,
            "serves": serves,
            "where": str(where),
        }
    )


def _row(manifest: Manifest, serves: bool, where: Path) -> str:
    size = f"{manifest.input.width} x {manifest.input.height}"
    return (
        f"{manifest.name:<24}{_format(manifest):<14}{size:<12}{len(manifest.labels):>4} labels"
        f"  {manifest.licence}{'  (infer.model)' if serves else ''}\n{'':<4}{where}"
    )


def _format(manifest: Manifest) -> str:
    return str(manifest.output.__struct_config__.tag)


@models.command("check", epilog="Example: onehertz models check yolox-s")
@click.argument("name")
@with_settings
@click.pass_context
def check_command(context: click.Context, settings: Settings, name: str) -> None:
    """Put model NAME through the admission test, on each engine that is installed.

    Exit code 1 if an engine refuses it, or two see different boxes on the same pictures.
    """
    chosen = settings.infer.model_copy(update={"model": name})
    Store(_asset_path, chosen.model_folders).manifest(name)  # that there is one, before engines
    checks = check(chosen, _asset_path)
    for one in checks:
        click.echo(f"{one.engine}: {one.refusal or _passed(one.verdict)}")
    apart = disagreements(checks)
    if apart:
        click.echo(f"the engines see different boxes on {len(apart)} of the known pictures")
    elif len(passed := [one for one in checks if one.verdict is not None]) > 1:
        click.echo(f"the engines see the same {sum(map(len, passed[0].boxes))} boxes")
    if apart or any(one.refusal for one in checks):
        context.exit(1)


def _passed(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    sizes = verdict.batch_sizes
    batches = f"batches of 1 to {sizes[-1]}" if len(sizes) > 1 else "one picture at a time"
    bits = "" if verdict.repeats_bits else ", last bits depend on the batch"
    return f"fit to serve, {batches}{bits}; {verdict.boxes} boxes compared"


def _asset_path(name: str) -> Path:
    return fetch([name])[name]


def _explain(proposal: Proposal, *, to_stderr: bool = False) -> None:
    def paragraph(title: str, lines: Iterable[str]) -> None:
        for number, line in enumerate(lines):
            if number == 0:
                click.echo(title, err=to_stderr)
            click.echo(f"  {line}", err=to_stderr)

    paragraph("seen:", proposal.evidence)
    paragraph("assumed, since no graph tells:", proposal.assumptions)
    paragraph("against this format, on which you insist:", proposal.objections)


def _tell(added: Added, root: Path | None) -> None:
    backend = added.backend
    click.echo(
        f"tested: {backend.name} ({backend.device}, {backend.precision}), {_passed(added.verdict)}"
    )
    if added.only_single:
        click.echo(f"  max_batch: 1, since {added.only_single}")
    if not added.verdict.boxes:
        click.echo("  nothing was seen on the synthetic pictures: try it on one of your own")
    name = added.folder.name
    click.echo(f"written: {added.folder}")
    setting = f" --set 'infer.model_folders=[{root}]'" if root is not None else ""
    click.echo(f"look at it: onehertz detect PICTURE --model {name}{setting}")
