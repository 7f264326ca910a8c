"""`onehertz assets`: the default detector and the demo's clips, by catalogue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

import click
from rich.console import Console

from onehertz.assets.catalogue import Asset, load_catalogue
from onehertz.assets.fetching import fetch
from onehertz.assets.progress import RichProgress
from onehertz.assets.store import Store, put


@click.group()
def assets() -> None:
    """Weights and clips of others: fetched, checked by sha256, kept once per user."""


@assets.command("fetch", epilog="Example: onehertz assets fetch vtest tree")
@click.argument("names", nargs=-1)
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Put them into this folder too, under their own names.",
)
def fetch_command(names: tuple[str, ...], folder: Path | None) -> None:
    """Fetch NAMES, or all that the demo needs; what is there already is not fetched again.

    Exit code 2 if an asset can't be had: the message says what to put where by hand.
    """
    catalogue = load_catalogue()
    names = names or catalogue.default_names
    with RichProgress(Console(stderr=True)) as progress:
        paths = fetch(names, catalogue=catalogue, progress=progress)
    if folder is not None:
        paths = {name: put(path, folder) for name, path in paths.items()}
    for name, path in paths.items():
        click.echo(f"{name}\t{path}")


@assets.command("list", epilog="Example: onehertz assets list --json")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per asset and line.")
def list_command(as_json: bool) -> None:
    """Show what the catalogue has, its licence, and whether it is here."""
    rows = [_row(asset) for asset in load_catalogue().assets]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    for row in rows:
        where = row["where"] if row["present"] else "not fetched"
        # Plain aligned lines, which a narrow terminal can't cut: paths are there to be copied.
        click.echo(f"{row['name']:<30}{row['size_bytes'] / 1e6:>6.1f} MB  {where}")
        click.echo(f"{'':<4}{row['about']}; licence: {row['licence']}")


class _Row(TypedDict):
    name: str
    kind: str
    about: str
    licence: str
    attribution: str
    size_bytes: int
    sha256: str
    default: bool
    present: bool
    where: str


def _row(asset: Asset) -> _Row:
    store = Store()
    return {
        "name": asset.name,
        "kind": asset.kind,
        "about": asset.about,
        "licence": asset.licence,
        "attribution": asset.attribution,
        "size_bytes": asset.size_bytes,
        "sha256": asset.sha256,
        "default": asset.default,
        "present": store.holds(asset),
        "where": str(store.path(asset)),
    }
