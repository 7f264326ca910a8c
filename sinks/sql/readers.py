"""Logins that may read the tables and views and nothing else: for Grafana, notebooks, analysts."""

from __future__ import annotations

from runtime.errors import UserError
from sinks.sql import queries
from sinks.sql.connection import connect

_SQL = queries.load("readers.sql")


def make_reader(dsn: str, name: str, password: str) -> bool:
    """Make a login `name` of the role onehertz_read, or give the one there is this password.

    Whether it is new. Its sessions are read-only and its statements end after a minute. The server
    is given the password's hash alone. Raises UserError where there is no role onehertz_read yet,
    or where `name` is somebody else; DatabaseUnavailable; psycopg.Error (for example of rights).
    """
    with connect(dsn) as connection, connection.transaction():
        found = connection.execute(_SQL["state"], {"name": name}).fetchone()
        has_group, has_role, is_reader = found or (False, False, False)
        if not has_group:
            raise UserError("the database has no role onehertz_read: run `onehertz db migrate`")
        if has_role and not is_reader:
            raise UserError(f"the role {name!r} is there already, and is no reader: choose another")
        secret = connection.pgconn.encrypt_password(
            password.encode(), name.encode(), b"scram-sha-256"
        )
        values = {"name": name, "is_new": not has_role, "secret": secret.decode()}
        for (statement,) in connection.execute(_SQL["statements"], values).fetchall():
            connection.execute(str(statement).encode())
        return not has_role
