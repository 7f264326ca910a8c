"""`onehertz models add`: a model of somebody's file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import click

from inference_worker.adding.add import Added, add_model
from inference_worker.adding.by_anchors import SSD_PRESETS, YOLO_PRESETS
from inference_worker.adding.folder import manifest_text
from inference_worker.adding.habits import FEEDINGS
from inference_worker.adding.propose import Proposal, propose
from inference_worker.adding.recognise import FORMATS
from inference_worker.adding.wishes import Wishes
from inference_worker.store import Store
from onehertz.assets import fetch_one
from onehertz.cli.models.known_frames import known_frames
from onehertz.cli.models.wording import compared, passed
from onehertz.cli.options import with_settings
from onehertz.settings import Settings
from runtime.errors import UserError


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


class _Anchors(click.ParamType):
    """A preset's name, or a file with the widths and heights of each stride in a line."""

    name = "preset|file"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | tuple[tuple[float, ...], ...]:
        text = str(value)
        if text in YOLO_PRESETS or text in SSD_PRESETS:
            return text
        try:
            lines = Path(text).read_text(encoding="utf-8").split("\n")
            rows = [re.split(r"[\s,]+", line.strip(" ,[]")) for line in lines if line.strip(" ,[]")]
            return tuple(tuple(map(float, row)) for row in rows)
        except (OSError, ValueError) as error:
            presets = ", ".join((*YOLO_PRESETS, *SSD_PRESETS))
            message = f"{text!r} is neither one of {presets} nor a file of numbers: {error}"
            self.fail(message, param, ctx)


@click.command(
    "add", epilog="Example: onehertz models add yolox_s.onnx --name yolox-s --labels coco"
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_settings
@click.option("--name", required=True, help="What the model is to be called.")
@click.option("--format", type=click.Choice(FORMATS), help="Of its outputs, where they don't tell.")
@click.option(
    "--output",
    "outputs",
    multiple=True,
    help="The output to look at, where the graph has others too; may be said again.",
)
@click.option(
    "--labels",
    help="coco, coco90 (with the numbers that COCO left out), or a file with one label per line;"
    " default: the metadata's.",
)
@click.option("--size", type=_Size(), help="Of the input, where the graph takes any.")
@click.option("--anchors", type=_Anchors(), help="Of heads that the graph leaves undecoded.")
@click.option(
    "--first-class", type=click.IntRange(0, 1), help="The number that the graph gives to the first."
)
@click.option(
    "--fed-as",
    type=click.Choice(tuple(FEEDINGS)),
    help="Fed as the models of this repository are: colours, scale and shape.",
)
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
@click.option(
    "--frames",
    type=click.Path(exists=True, path_type=Path),
    help="Folder of pictures, or a video, with objects of its kind; default: a street's.",
)
@click.option(
    "--against",
    metavar="NAME",
    help="Let it in only if it sees what this model sees, say the float form of an INT8 one.",
)
@click.option("--replace", is_flag=True, help="Instead of a model of this name in that folder.")
@click.option("--dry-run", is_flag=True, help="Print the manifest, write nothing.")
def add(
    settings: Settings,
    file: Path,
    root: Path | None,
    frames: Path | None,
    against: str | None,
    replace: bool,
    dry_run: bool,
    **wishes: object,
) -> None:
    """Make a model of FILE, a detector: look at its graph, test it, write its folder.

    FILE is ONNX, TFLite, a frozen graph of TensorFlow (.pb) or OpenVINO's (.xml).

    Says what it rests on, and what it assumes because no graph can tell. Where the outputs fit
    several formats or none it says what it saw, writes nothing and ends with exit code 2.
    """
    store = Store(fetch_one, settings.infer.model_folders)
    expected = None if against is None else store.manifest(against).labels  # before engines
    pictures = known_frames(frames)
    if against is not None and not pictures:
        raise UserError(f"--against {against}: needs pictures to compare on: say --frames")
    said = Wishes(**wishes)  # type: ignore[arg-type] # as click has checked them
    proposal = propose(file, said, pictures)
    if expected is not None and set(expected) != set(proposal.manifest.labels):
        raise UserError(f"--against {against}: has other labels than {file}: can't be compared")
    if dry_run:
        click.echo(manifest_text(proposal.manifest), nl=False)
        _explain(proposal, to_stderr=True)
        return
    _explain(proposal)
    folders = settings.infer.model_folders
    if root is None and not folders:
        raise UserError("infer.model_folders is empty: name one there, or say --to FOLDER")
    added = add_model(
        proposal, root or folders[0], settings.infer,
        replace=replace, pictures=pictures, against=against, asset_path=fetch_one,
    )  # fmt: skip
    _tell(added, root, against)


def _explain(proposal: Proposal, *, to_stderr: bool = False) -> None:
    def paragraph(title: str, lines: Iterable[str]) -> None:
        for number, line in enumerate(lines):
            if number == 0:
                click.echo(title, err=to_stderr)
            click.echo(f"  {line}", err=to_stderr)

    paragraph("seen:", proposal.evidence)
    paragraph("assumed, since no graph tells:", proposal.assumptions)
    paragraph("against this format, on which you insist:", proposal.objections)


def _tell(added: Added, root: Path | None, against: str | None) -> None:
    backend = added.backend
    click.echo(
        f"tested: {backend.name} ({backend.device}, {backend.precision}), {passed(added.verdict)}"
    )
    if added.only_single:
        click.echo(f"  max_batch: 1, since {added.only_single}")
    for engine, why in added.left_out.items():
        click.echo(f"  not on {engine} (`not_on` in the manifest), since {why}")
    if added.verdict.parity is None:
        click.echo(f"  boxes not compared with a reference: {added.verdict.without_reference}")
    else:
        click.echo(f"  {compared(added.verdict.parity)}; seen by {added.reference.of}")
    if added.reference.arithmetic == "int8" and against is None:
        click.echo(
            "  it is INT8, and was compared with itself only: whether it sees what its float form"
            " does is not known; add that too, and this one with --against NAME"
        )
    name = added.folder.name
    click.echo(f"written: {added.folder}")
    setting = f" --set 'infer.model_folders=[{root}]'" if root is not None else ""
    click.echo(f"look at it: onehertz detect PICTURE --model {name}{setting}")
