"""`onehertz models list`: the detectors that there are, and where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import click

from inference_worker.admission.reference import read_reference
from inference_worker.loading import Opener
from inference_worker.manifest import Manifest
from inference_worker.store import Store
from onehertz.assets import fetch_one, path_of, user_cache
from onehertz.cli.options import with_settings
from onehertz.settings import Settings
from runtime.errors import UserError


@click.command("list", epilog="Example: onehertz models list --json")
@with_settings
@click.option("--json", "as_json", is_flag=True, help="One JSON object per model and line.")
@click.pass_context
def list_command(context: click.Context, settings: Settings, as_json: bool) -> None:
    """Show the models, and where they are.

    Exit code 1, after all others are shown, if a manifest can't be read.
    """
    store = Store(fetch_one, settings.infer.model_folders)
    wrong = False
    for name in store.names():
        try:
            manifest = store.manifest(name)
        except UserError as error:
            click.echo(f"onehertz: {error}", err=True)
            wrong = True
            continue
        found = _Found(
            manifest,
            serves=name == settings.infer.model,
            where=store.folder(name),
            reference=_reference(store.folder(name)),
            runs_on=_runs_on(settings, name),
        )
        click.echo(_as_json(found) if as_json else _row(found))
    if wrong:
        context.exit(1)


class _Found(NamedTuple):
    manifest: Manifest
    serves: bool
    where: Path
    reference: str  # the model that its boxes are compared with; empty: none
    runs_on: str  # empty: not known yet


def _reference(folder: Path) -> str:
    try:
        return read_reference(folder).of
    except UserError:  # `models check` says why
        return ""


def _runs_on(settings: Settings, name: str) -> str:
    """How `infer` would run it here, as far as that is known without trying or fetching."""
    wanted = settings.infer.model_copy(update={"model": name})
    try:
        return str(Opener(wanted, path_of, path_of, user_cache()).remembered() or "")
    except UserError:  # no weights, or nothing that reads them
        return ""


def _as_json(found: _Found) -> str:
    manifest = found.manifest
    return json.dumps(
        {
            "name": manifest.name,
            "format": _format(manifest),
            "width": manifest.input.width,
            "height": manifest.input.height,
            "labels": len(manifest.labels),
            "licence": manifest.licence,
            "about": manifest.about,
            "serves": found.serves,
            "where": str(found.where),
            "reference": found.reference or None,
            "runs_on": found.runs_on or None,
        }
    )


def _row(found: _Found) -> str:
    manifest = found.manifest
    size = f"{manifest.input.width} x {manifest.input.height}"
    reference = f"compared with {found.reference}" if found.reference else "no reference"
    return (
        f"{manifest.name:<24}{_format(manifest):<14}{size:<12}{len(manifest.labels):>4} labels"
        f"  {manifest.licence}{'  (infer.model)' if found.serves else ''}\n{'':<4}{found.where}"
        f"\n{'':<4}{reference}; {found.runs_on or 'not tried on this machine'}"
    )


def _format(manifest: Manifest) -> str:
    return str(manifest.output.__struct_config__.tag)
