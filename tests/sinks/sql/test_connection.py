from __future__ import annotations

import socket

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from runtime.errors import UserError
from sinks.sql.connection import DatabaseUnavailable, connect, poisonous, retriable, safe_dsn
from sinks.sql.writer import Writer
from tests.fixtures.servers import Servers
from tests.sinks.sql.reference import actual, expected
from tests.sinks.sql.ticks import delivered, inferred, missing


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://me:hidden@db:5433/video", "postgresql://me@db:5433/video"),
        ("host=db dbname=video user=me password='hidden'", "postgresql://me@db/video"),
        ("postgresql:///video?host=/run/pg&password=hidden", "postgresql:///run/pg/video"),
        ("postgresql://me:hidden%zz@db/video", "(a DSN that can't be read)"),
        # Not encoded: libpq reads these, and takes parts of the password for something else.
        ("postgresql://me:hidden/x@db/video", "(a DSN that can't be read)"),
        ("postgresql://me:1234/hidden@db/video", "(a DSN that can't be read)"),
        ("postgresql://me:x@hidden@db/video", "(a DSN that can't be read)"),
        ("postgresql://me@corp:hidden@db/video", "(a DSN that can't be read)"),
        ("", "postgresql://(default host)/"),
    ],
)
def test_a_dsn_is_shown_without_its_password(dsn: str, shown: str) -> None:
    assert safe_dsn(dsn) == shown


@pytest.mark.parametrize("password", ["hidden%zz", "hidden/x", "1234/hidden", "x@hidden"])
def test_what_is_no_dsn_is_told_without_being_shown(password: str) -> None:
    with pytest.raises(UserError, match="can't be read") as told:
        connect(f"postgresql://me:{password}@db/video")
    assert "hidden" not in str(told.value)


def test_a_server_that_is_not_there_is_told_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        port = taken.getsockname()[1]
        with pytest.raises(DatabaseUnavailable, match="Is it running") as told:
            connect(f"postgresql://me:hidden@127.0.0.1:{port}/video")
    assert f"postgresql://me@127.0.0.1:{port}/video" in str(told.value)
    assert "hidden" not in str(told.value)
    assert "\n" not in str(told.value)
    assert retriable(told.value)


@pytest.mark.stack
def test_a_database_that_does_not_exist_is_named(empty_database: str) -> None:
    with pytest.raises(DatabaseUnavailable, match="nosuch"):
        connect(make_conninfo(empty_database, dbname="nosuch"))


@pytest.mark.stack
def test_a_write_through_a_connection_that_was_cut_can_be_retried(database: str) -> None:
    batch = delivered([inferred(0, "person"), missing(1)])
    with connect(database) as first, connect(database) as other:
        writer = Writer(first)
        writer.write(batch[:1])
        other.execute("SELECT pg_terminate_backend(%s)", [first.info.backend_pid])
        with pytest.raises(psycopg.OperationalError) as cut:
            writer.write(batch)
        with pytest.raises(psycopg.OperationalError) as still_cut:
            writer.write(batch)
        assert retriable(cut.value)
        assert retriable(still_cut.value)
        assert first.closed
        Writer(other).write(batch)
        assert actual(other) == expected(batch)


@pytest.mark.stack
def test_a_server_that_is_killed_has_all_rows_when_it_is_back(
    servers: Servers, database: str
) -> None:
    batch = delivered([inferred(0, "person"), missing(1)])
    connection = connect(database)
    writer = Writer(connection)
    writer.write(batch[:1])
    servers.kill_postgres()
    try:
        with pytest.raises(psycopg.OperationalError) as gone:
            writer.write(batch)
        with pytest.raises(DatabaseUnavailable) as not_there:
            connect(database)
    finally:
        servers.start_postgres()
    assert retriable(gone.value)
    assert retriable(not_there.value)
    with connect(database) as again:
        assert Writer(again).write(batch) == (1, 0, 1)
        assert actual(again) == expected(batch)


@pytest.mark.stack
def test_a_database_without_tables_is_neither_retriable_nor_poison(empty_database: str) -> None:
    with connect(empty_database) as connection, pytest.raises(psycopg.Error) as error:
        Writer(connection).write(delivered([missing()]))
    assert not retriable(error.value)
    assert not poisonous(error.value)


@pytest.mark.stack
def test_a_value_that_does_not_fit_is_poison_and_not_retriable(database: str) -> None:
    with connect(database) as connection, pytest.raises(psycopg.Error) as error:
        connection.execute("SELECT 2147483647 + 1")
    assert poisonous(error.value)
    assert not retriable(error.value)
