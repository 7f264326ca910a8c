"""`onehertz models check`: a model through the admission test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from inference_worker.admission import NO_REFERENCE, Reference
from inference_worker.admission.checking import Check, check, disagreements, reference_for
from inference_worker.admission.parity import Parity
from inference_worker.admission.reference import REFERENCE, read_reference, write_reference
from inference_worker.settings import InferSettings
from inference_worker.store import Store
from onehertz.assets import fetch_one, path_of
from onehertz.cli.models.disagreement_pictures import write_disagreements
from onehertz.cli.models.known_frames import known_frames
from onehertz.cli.models.wording import compared, passed
from onehertz.cli.options import with_settings
from onehertz.settings import Settings
from runtime.errors import UserError


@click.command("check", epilog="Example: onehertz models check yolox-s-int8 --against yolox-s")
@click.argument("name")
@with_settings
@click.option("--against", metavar="NAME", help="Compare with what this model sees, at float32.")
@click.option(
    "--frames",
    type=click.Path(exists=True, path_type=Path),
    help="Folder of pictures, or a video, to compare on; default: those kept with the model.",
)
@click.option("--renew", is_flag=True, help="Keep what it is compared with, for later starts.")
@click.option(
    "--pictures",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for pictures of the worst disagreements, both sets of boxes.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def check_command(
    context: click.Context,
    settings: Settings,
    name: str,
    against: str | None,
    frames: Path | None,
    renew: bool,
    pictures: Path | None,
    as_json: bool,
) -> None:
    """Put model NAME through the admission test, on each engine that is installed.

    It is compared with the boxes that were kept when it was added (of a quantised model: those of
    its float form), or with those of another model. Exit code 1 if it is refused at float32 on any
    engine; a refusal at a lower precision speaks against that precision only.
    """
    chosen = settings.infer.model_copy(update={"model": name})
    store = Store(fetch_one, chosen.model_folders)
    labels = store.manifest(name).labels  # that there is one, before engines
    if against is not None and set(store.manifest(against).labels) != set(labels):
        raise UserError(f"--against {against}: has other labels than {name}: can't be compared")
    reference = _reference(chosen, store, against, frames, renew=renew)
    if renew and reference.pictures:
        write_reference(store.folder(name), reference)
    checks = check(chosen, fetch_one, reference)
    apart = disagreements(checks)
    fit = bool(checks) and not apart and not any(one.refusal and one.needed for one in checks)
    if as_json:
        click.echo(json.dumps(_as_object(name, reference, checks, fit)))
    else:
        _tell(reference, checks, apart)
    if pictures is not None:
        for path in write_disagreements(pictures, reference, checks):
            click.echo(f"written: {path}", err=as_json)
    if not fit:
        context.exit(1)


def _reference(
    settings: InferSettings, store: Store, against: str | None, frames: Path | None, *, renew: bool
) -> Reference:
    """Raises UserError if the model that it is to be of isn't there."""
    folder = store.folder(settings.model)
    if renew:
        _drop_unreadable(folder)
    kept = NO_REFERENCE if renew else read_reference(folder, path_of)
    if kept.pictures and against is None and frames is None:
        return kept
    if frames is None and kept.pictures:
        pictures = [one.picture for one in kept.pictures]
    else:
        pictures = known_frames(frames)
    if not pictures:
        return kept
    try:
        return reference_for(settings, fetch_one, pictures, against or _parent(folder))
    except UserError as error:
        if against is not None:
            raise
        return replace(NO_REFERENCE, absent=str(error))  # the engines will say it too


def _parent(folder: Path) -> str | None:
    """The model that an earlier reference is of."""
    return read_reference(folder).of or None


def _drop_unreadable(folder: Path) -> None:
    """A reference that is to be made anew and that stops the model from being opened."""
    try:
        read_reference(folder)
    except UserError:
        (folder / REFERENCE).unlink()


def _tell(reference: Reference, checks: Sequence[Check], apart: Sequence[int]) -> None:
    if reference.pictures:
        click.echo(f"compared with {reference.made_by}, on {len(reference.pictures)} known frames")
    else:
        click.echo(f"boxes not compared with a reference: {reference.absent}")
    for one in checks:
        click.echo(f"{one.engine} {one.precision}: {one.refusal or passed(one.verdict)}")
        if one.parity is not None:
            click.echo(f"  {compared(one.parity)}")
    synthetic = [one for one in checks if one.verdict and one.needed and one.parity is None]
    if apart:
        click.echo(f"the engines see different boxes on {len(apart)} of the synthetic pictures")
    elif len(synthetic) > 1:
        click.echo(f"the engines see the same {sum(map(len, synthetic[0].boxes))} boxes")


def _as_object(
    name: str, reference: Reference, checks: Sequence[Check], fit: bool
) -> dict[str, object]:
    return {
        "model": name,
        "fit": fit,
        "reference": {
            "of": reference.of,
            "made_by": reference.made_by,
            "frames": len(reference.pictures),
            "absent": reference.absent,
        },
        "engines": [
            {
                "engine": one.engine,
                "precision": one.precision,
                "fit": not one.refusal,
                "refusal": one.refusal,
                "max_batch": one.verdict.batch_sizes[-1] if one.verdict else None,
                "repeats_bits": one.verdict.repeats_bits if one.verdict else None,
                "images_per_s": round(one.verdict.images_per_s, 1) if one.verdict else None,
                "parity": _parity(one.parity),
            }
            for one in checks
        ],
    }


def _parity(parity: Parity | None) -> dict[str, object] | None:
    if parity is None:
        return None
    return {
        "boxes": parity.expected,
        "matched": parity.matched,
        "lost": parity.lost,
        "extra": parity.extra,
        "moved": parity.moved,
        "worst_iou": round(parity.worst_iou, 3),
        "worst_score_difference": round(parity.worst_score_difference, 4),
    }
