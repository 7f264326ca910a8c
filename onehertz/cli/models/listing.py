"""`onehertz models list`: the detectors that there are, and where."""

from __future__ import annotations

import json
from pathlib import Path

import click

from inference_worker.manifest import Manifest
from inference_worker.store import Store
from onehertz.assets import fetch_one
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
