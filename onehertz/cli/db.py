"""`onehertz db`: the database's layout."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
import psycopg
from pydantic import BaseModel

from onehertz.cli.options import DEFAULT_CONFIG
from runtime.environment import CONFIG
from runtime.errors import UserError
from runtime.settings import load
from sinks.sql.connection import safe_dsn
from sinks.sql.migrate import migrate
from sinks.sql.settings import SqlSettings


class _SqlPart(BaseModel):
    """Of the whole settings only what concerns the database: migrating needs no cameras."""

    sql: SqlSettings = SqlSettings()


@click.group("db")
def db() -> None:
    """Set up the database."""


@db.command(
    "migrate", epilog="Example: onehertz db migrate --dsn postgresql://me@localhost/onehertz"
)
@click.option("--dsn", help="Database to migrate; default: the settings' section sql.")
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar=CONFIG,
    help=f"Settings file; default: ./{DEFAULT_CONFIG} if it is there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def migrate_command(dsn: str | None, config: Path | None, as_json: bool) -> None:
    """Bring the database to this version's layout. What is there already is not done again.

    A password is better given by the settings (sql.password_file) than by --dsn, which other
    users of the machine can see.
    """
    if dsn is None:
        path = config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
        dsn = load(_SqlPart, path, environment=os.environ, overrides={}).sql.conninfo()
    try:
        applied = migrate(dsn)
    except psycopg.Error as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"the database {safe_dsn(dsn)} could not be migrated: {reason}") from None
    if as_json:
        click.echo(json.dumps({"applied": applied}))
        return
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("the database is up to date")
