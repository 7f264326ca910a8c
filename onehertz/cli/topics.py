"""`onehertz topics`: the line's topics on the broker."""

from __future__ import annotations

import json

import click

from onehertz.cli.options import with_settings
from onehertz.settings import Settings
from runtime.topics import check_topics, create_topics


@click.group()
def topics() -> None:
    """Make and check the line's topics."""


@topics.command(epilog="Example: onehertz topics create --set line.partitions=16")
@with_settings
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def create(settings: Settings, as_json: bool) -> None:
    """Create what is missing; check what is there. Safe to repeat."""
    created = create_topics(settings.kafka, settings.line)
    if as_json:
        click.echo(json.dumps({"created": created}))
        return
    for name in created:
        click.echo(f"created {name}")
    click.echo(f"all {len(settings.line.topics())} topics are as they must be")


@topics.command(epilog="Example: onehertz topics check")
@with_settings
def check(settings: Settings) -> None:
    """Say whether the topics are as they must be. Exit code 2 and what to do, if not."""
    check_topics(settings.kafka, settings.line, list(settings.line.topics()))
    click.echo(f"all {len(settings.line.topics())} topics are as they must be")


@topics.command("list", epilog="Example: onehertz topics list --json")
@with_settings
@click.option("--json", "as_json", is_flag=True, help="One JSON object per topic and line.")
def list_command(settings: Settings, as_json: bool) -> None:
    """Show the catalogue: what each topic carries, who writes it, who reads it."""
    for spec in settings.line.topics().values():
        name = settings.line.topic(spec.name)
        if as_json:
            row = {"name": name, "about": spec.about, "messages": spec.messages}
            row |= {"producer": spec.producer, "consumers": spec.consumers}
            click.echo(json.dumps(row))
        else:
            readers = ", ".join(spec.consumers)
            click.echo(f"{name:<20} {spec.about} ({spec.producer} -> {readers})")
