"""A connection and a writer on a database that is emptied for each test.

One database for all of them: making it takes ten times as long as most tests. Tests with several
connections ask for `database`, which is theirs alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from sinks.sql.connection import connect
from sinks.sql.migrate import migrate
from sinks.sql.writer import Writer
from tests.fixtures.database import HasDsn, new_database
from tests.sinks.sql.pieces import drop_pieces


@pytest.fixture(scope="session")
def shared_database(servers: HasDsn) -> Iterator[str]:
    with new_database(servers.dsn) as dsn:
        migrate(dsn)
        yield dsn


@pytest.fixture
def connection(shared_database: str) -> Iterator[psycopg.Connection]:
    with connect(shared_database) as connection:
        drop_pieces(connection)
        for table in (
            "cameras",
            "models",
            "camera_minutes",
            "alerts",
            "alert_events",
            "challenger_frames",
        ):
            connection.execute(f"DELETE FROM {table}".encode())  # noqa: S608
        yield connection


@pytest.fixture
def writer(connection: psycopg.Connection) -> Writer:
    return Writer(connection)
