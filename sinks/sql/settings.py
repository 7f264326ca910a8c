"""Settings of the SQL sink."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from runtime.errors import UserError
from runtime.settings import Section, reveal

UNREADABLE_DSN = (
    "the database's DSN can't be read. It should look like "
    "postgresql://user:password@host:5432/dbname, with special characters %-encoded, "
    "or like 'host=… dbname=… user=…'"
)


class SqlSettings(Section):
    """Where the database is, and how rows are batched on their way to it."""

    dsn: SecretStr | None = Field(
        default=None,
        description="PostgreSQL DSN (postgresql://user:password@host:5432/dbname); "
        "excludes host, port, dbname, user. May hold the password; never printed.",
    )
    host: str | None = Field(default=None, description="Host name, address or socket folder.")
    port: int = Field(default=5432, ge=1, le=65_535, description="TCP port.")
    dbname: str = Field(default="onehertz", min_length=1, description="Database name.")
    user: str | None = Field(default=None, description="Database user.")
    password: SecretStr | None = Field(
        default=None,
        description="Password; from the environment rather than the file. Never printed.",
    )
    password_file: Path | None = Field(
        default=None, description="File that holds the password (Docker or Kubernetes secret)."
    )
    batch_rows: int = Field(
        default=500, ge=1, le=50_000, description="Ticks per transaction at most."
    )
    batch_wait_ms: int = Field(
        default=1_000,
        ge=0,
        le=60_000,
        description="Longest wait for a batch to fill, in milliseconds.",
    )
    retry_wait_ms: int = Field(
        default=1_000,
        ge=10,
        le=600_000,
        description="Wait before trying a database that is not there again, in milliseconds.",
    )
    connect_timeout_s: int = Field(
        default=10, ge=2, le=600, description="Longest wait to connect, in s."
    )
    statement_timeout_ms: int = Field(
        default=60_000,
        ge=0,
        description="Longest run of one statement, in milliseconds; 0 = no limit.",
    )

    @model_validator(mode="after")
    def _one_way_to_connect(self) -> Self:
        if self.dsn and (self.model_fields_set & {"host", "port", "dbname", "user"}):
            raise ValueError("give either dsn or host, port, dbname and user, not both")
        if self.password and self.password_file:
            raise ValueError("give either password or password_file, not both")
        return self

    def conninfo(self) -> str:
        """The whole DSN, password included: for `connect()` only, never for a text.

        Reads `password_file` anew each time, so that a changed password needs no restart.
        Raises UserError if that file can't be read.
        """
        # Here: every role reads these settings, and most are installed without psycopg.
        from psycopg import ProgrammingError
        from psycopg.conninfo import make_conninfo

        base = self.dsn.get_secret_value() if self.dsn else ""
        parts: dict[str, str | int] = {}
        if not self.dsn:
            parts = {"port": self.port, "dbname": self.dbname}
            parts |= {"host": self.host} if self.host else {}
            parts |= {"user": self.user} if self.user else {}
        password = reveal(self.password, self.password_file, "password")
        if password is not None:
            parts["password"] = password
        try:
            return make_conninfo(base, **parts)
        except ProgrammingError:  # its text may hold the password
            raise UserError(UNREADABLE_DSN) from None
