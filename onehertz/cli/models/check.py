"""`onehertz models check`: a model through the admission test."""

from __future__ import annotations

import click

from inference_worker.checking import check, disagreements
from inference_worker.store import Store
from onehertz.assets import fetch_one
from onehertz.cli.models.wording import passed
from onehertz.cli.options import with_settings
from onehertz.settings import Settings


@click.command("check", epilog="Example: onehertz models check yolox-s")
@click.argument("name")
@with_settings
@click.pass_context
def check_command(context: click.Context, settings: Settings, name: str) -> None:
    """Put model NAME through the admission test, on each engine that is installed.

    Exit code 1 if an engine refuses it, or two see different boxes on the same pictures.
    """
    chosen = settings.infer.model_copy(update={"model": name})
    Store(fetch_one, chosen.model_folders).manifest(name)  # that there is one, before engines
    checks = check(chosen, fetch_one)
    for one in checks:
        click.echo(f"{one.engine}: {one.refusal or passed(one.verdict)}")
    apart = disagreements(checks)
    if apart:
        click.echo(f"the engines see different boxes on {len(apart)} of the known pictures")
    elif len(fit := [one for one in checks if one.verdict is not None]) > 1:
        click.echo(f"the engines see the same {sum(map(len, fit[0].boxes))} boxes")
    if apart or any(one.refusal for one in checks):
        context.exit(1)
