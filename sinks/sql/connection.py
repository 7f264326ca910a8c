"""Connects to PostgreSQL, and tells its errors apart. No text made here holds a password."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import IsolationLevel
from psycopg.conninfo import conninfo_to_dict

from runtime.errors import Unreachable, UserError
from sinks.sql.settings import UNREADABLE_DSN

_SECRETS = (
    "password",
    "sslpassword",
    "oauth_client_secret",
    "scram_client_key",
    "scram_server_key",
)


class DatabaseUnavailable(Unreachable):
    """The database could not be reached or refused us. `retriable()` is true of it."""


def safe_dsn(dsn: str) -> str:
    """Where a DSN leads, without its secrets: `postgresql://user@host:port/dbname`.

    A DSN that can't be read is not shown at all: a password may be what makes it unreadable.
    """
    parts = _parts(dsn)
    if parts is None:
        return "(a DSN that can't be read)"
    user = f"{parts['user']}@" if parts.get("user") else ""
    port = f":{parts['port']}" if parts.get("port") else ""
    host = parts.get("host") or parts.get("hostaddr") or "(default host)"
    return f"postgresql://{user}{host}{port}/{parts.get('dbname', '')}"


def connect(
    dsn: str, *, connect_timeout_s: int = 10, statement_timeout_ms: int = 0
) -> psycopg.Connection:
    """An autocommit connection for `Writer` or `migrate`, at READ COMMITTED (the writer needs it).

    `statement_timeout_ms` = 0 means none. Blocks for at most about `connect_timeout_s` per host.
    Raises DatabaseUnavailable if there is no connection to be had, UserError if the DSN is no DSN.
    """
    if _parts(dsn) is None:
        raise UserError(UNREADABLE_DSN)
    try:
        connection = psycopg.connect(
            dsn,
            autocommit=True,
            connect_timeout=connect_timeout_s,
            application_name="onehertz",
        )
        connection.isolation_level = IsolationLevel.READ_COMMITTED
        if statement_timeout_ms:
            # Not as a start-up option: connection poolers refuse those.
            connection.execute(
                "SELECT set_config('statement_timeout', %s, false)", [str(statement_timeout_ms)]
            )
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(
            f"no connection to the database {safe_dsn(dsn)}: {_without_secrets(str(error), dsn)}. "
            "Is it running, and are host, port, user, password and database name right?"
        ) from None
    return connection


def retriable(error: BaseException) -> bool:
    """Whether the same write may succeed later: the server is away, full, busy or shut down.

    The connection may be dead after it (`connection.closed`): then connect anew. Not retriable are
    rows that the database can't take (`poisonous`) and a database of another layout.
    """
    if isinstance(error, DatabaseUnavailable):
        return True
    return isinstance(error, psycopg.OperationalError) and not _exceeds_a_limit(error)


def poisonous(error: BaseException) -> bool:
    """Whether a row of the batch is what the database can't take: no retry helps."""
    if isinstance(error, psycopg.errors.UniqueViolation):
        return False  # someone writes beside the writer: not the row's fault
    return isinstance(
        error, psycopg.DataError | psycopg.IntegrityError | UnicodeError | OverflowError
    ) or (isinstance(error, psycopg.OperationalError) and _exceeds_a_limit(error))


def _exceeds_a_limit(error: psycopg.Error) -> bool:
    # SQLSTATE class 54, for example an index row too large: psycopg files it as operational.
    return (error.sqlstate or "").startswith("54")


def _parts(dsn: str) -> dict[str, Any] | None:
    """What the DSN says, or None if it can't be read, or reads as what nobody can have meant.

    A password with a bare '/' or '@' makes a DSN that libpq reads: as `me:secret/x@db/video` with
    the host me, the port secret and the database x@db/video. These would then be shown.
    """
    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        return None
    port_is_one = str(parts.get("port") or "5432").replace(",", "").isdigit()
    has_at = any("@" in str(parts.get(name) or "") for name in ("host", "dbname"))
    return parts if port_is_one and not has_at else None


def _without_secrets(text: str, dsn: str) -> str:
    parts = _parts(dsn) or {}
    for secret in filter(None, map(parts.get, _SECRETS)):
        text = text.replace(str(secret), "***")
    return " ".join(text.split()).rstrip(".")
