"""Brings a database to the layout that this version needs."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import NamedTuple

import psycopg

from runtime.errors import UserError
from sinks.sql import queries
from sinks.sql.connection import connect

_SQL = queries.load("migrate.sql")
_VIEWS = "views.sql"


class _Step(NamedTuple):
    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrate(dsn: str) -> list[str]:
    """Applies what is missing and returns the names of the files applied, in order.

    Each file is applied in a transaction of its own; numbered migrations once and for ever, the
    views whenever their file has changed. Two at once take turns. Raises UserError if an applied
    migration was altered, or if the database is newer than this version; DatabaseUnavailable;
    psycopg.Error (for example of rights), with all files before it applied.
    """
    with connect(dsn) as connection:
        connection.execute(_SQL["lock"])
        connection.execute(_SQL["make_history"])
        steps = _missing(connection)
        for step in steps:
            with connection.transaction():
                connection.execute(step.text.encode())
                connection.execute(_SQL["record"], {"name": step.name, "sha256": step.sha256})
        if steps:
            connection.execute(queries.text_of("grants.sql").encode())
        return [step.name for step in steps]


def require_migrated(connection: psycopg.Connection) -> None:
    """Raises UserError, saying what to do, unless the database has this version's layout."""
    row = connection.execute(_SQL["has_history"]).fetchone()
    steps = _missing(connection) if row and row[0] else _migrations()
    if steps:
        names = ", ".join(step.name for step in steps)
        raise UserError(
            f"the database {connection.info.dbname!r} lacks {names}: run `onehertz db migrate`"
        )


def _migrations() -> list[_Step]:
    folder = files("sinks.sql").joinpath("migrations")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [_Step(name, queries.text_of(f"migrations/{name}")) for name in names]


def _missing(connection: psycopg.Connection) -> list[_Step]:
    applied: dict[str, str] = dict(connection.execute(_SQL["history"]).fetchall())
    steps = _migrations()
    unknown = applied.keys() - {step.name for step in steps} - {_VIEWS}
    if unknown:
        raise UserError(
            f"the database has {', '.join(sorted(unknown))}, which this version of onehertz does "
            "not know: use the version that made it, or a newer one"
        )
    for step in steps:
        if applied.get(step.name, step.sha256) != step.sha256:
            raise UserError(
                f"the migration {step.name} was altered after it had been applied to this "
                "database: restore the file, and put the change in a new migration"
            )
    views = _Step(_VIEWS, queries.text_of(_VIEWS))
    missing = [step for step in steps if step.name not in applied]
    return missing + ([views] if applied.get(_VIEWS) != views.sha256 else [])
