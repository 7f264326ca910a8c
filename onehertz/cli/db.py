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
from sinks.sql.readers import make_reader
from sinks.sql.settings import SqlSettings


class _SqlPart(BaseModel):
    """Of the whole settings only what concerns the database: migrating needs no cameras."""

    sql: SqlSettings = SqlSettings()


@click.group("db")
def db() -> None:
    """Set up the database."""


_dsn_option = click.option(
    "--dsn", help="The database; default: the settings' section sql, where a password is safer."
)
_config_option = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar=CONFIG,
    help=f"Settings file; default: ./{DEFAULT_CONFIG} if it is there.",
)


def _dsn_of(config: Path | None) -> str:
    path = config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    return load(_SqlPart, path, environment=os.environ, overrides={}).sql.conninfo()


@db.command(
    "migrate", epilog="Example: onehertz db migrate --dsn postgresql://me@localhost/onehertz"
)
@_dsn_option
@_config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def migrate_command(dsn: str | None, config: Path | None, as_json: bool) -> None:
    """Bring the database to this version's layout. What is there already is not done again.

    A password is better given by the settings (sql.password_file) than by --dsn, which other
    users of the machine can see.
    """
    dsn = dsn or _dsn_of(config)
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


@db.command("reader", epilog="Example: onehertz db reader grafana --password-file grafana.secret")
@click.argument("name")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="File that holds the login's password.",
)
@_dsn_option
@_config_option
def reader_command(name: str, password_file: Path, dsn: str | None, config: Path | None) -> None:
    """Make a login NAME that may read all tables and views and nothing else.

    Once more gives it the file's password anew. Migrate first.
    """
    password = password_file.read_text(encoding="utf-8").strip()
    if not password:
        raise UserError(f"--password-file: {password_file} is empty")
    dsn = dsn or _dsn_of(config)
    try:
        is_new = make_reader(dsn, name, password)
    except psycopg.Error as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"no reader {name!r} on {safe_dsn(dsn)}: {reason}") from None
    click.echo(
        f"made the reader {name}" if is_new else f"{name} was a reader, and has the password"
    )
