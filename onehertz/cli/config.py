"""`onehertz config`: the settings, before anything starts."""

from __future__ import annotations

import click

from onehertz.cli.options import with_settings
from onehertz.settings import Settings


@click.group()
def config() -> None:
    """Check the settings."""


@config.command(epilog="Example: onehertz config check --config onehertz.yaml")
@with_settings
def check(settings: Settings) -> None:
    """Check the whole file, with environment and --set. Exit code 2 and every problem, if not."""
    cameras, rules = len(settings.cameras), len(settings.rules)
    click.echo(f"OK: {cameras} cameras, {rules} rules, Kafka at {settings.kafka.bootstrap_servers}")
