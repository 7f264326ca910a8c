from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import LiteralString

import psycopg
import pytest

from runtime.errors import UserError
from sinks.sql.connection import connect
from sinks.sql.migrate import migrate, require_migrated

pytestmark = pytest.mark.stack


def fetch(dsn: str, query: LiteralString) -> list[tuple[object, ...]]:
    with connect(dsn) as connection:
        return connection.execute(query).fetchall()


def execute(dsn: str, statement: LiteralString) -> None:
    with connect(dsn) as connection:
        connection.execute(statement)


def test_files_are_applied_in_order_and_only_once(empty_database: str) -> None:
    applied = migrate(empty_database)
    assert applied == [
        "0001_frames_and_detections.sql",
        "0002_split_by_time.sql",
        "0003_alerts.sql",
        "0004_challengers.sql",
        "views.sql",
    ]
    assert migrate(empty_database) == []
    assert len(fetch(empty_database, "SELECT name FROM schema_migrations")) == len(applied)


def test_two_at_once_take_turns(empty_database: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(migrate, [empty_database] * 4))
    assert sorted(map(len, applied)) == [0, 0, 0, 5]


def test_a_migration_altered_after_it_was_applied_is_named(database: str) -> None:
    execute(database, "UPDATE schema_migrations SET sha256 = 'other' WHERE name LIKE '0002%'")
    with pytest.raises(UserError, match=r"0002_split_by_time\.sql was altered"):
        migrate(database)


def test_a_database_of_a_newer_version_is_left_alone(database: str) -> None:
    execute(database, "INSERT INTO schema_migrations VALUES ('0999_future.sql', 'x')")
    with pytest.raises(UserError, match=r"0999_future\.sql.*newer"):
        migrate(database)


def test_views_are_made_anew_when_their_file_changes(database: str) -> None:
    execute(database, "UPDATE schema_migrations SET sha256 = 'old' WHERE name = 'views.sql'")
    assert migrate(database) == ["views.sql"]
    assert migrate(database) == []


def test_a_failing_migration_leaves_nothing_of_itself(empty_database: str) -> None:
    execute(empty_database, "CREATE TABLE alerts ()")
    with pytest.raises(psycopg.Error):
        migrate(empty_database)
    names = fetch(empty_database, "SELECT name FROM schema_migrations ORDER BY name")
    assert names == [("0001_frames_and_detections.sql",), ("0002_split_by_time.sql",)]
    assert fetch(empty_database, "SELECT to_regclass('alert_events')") == [(None,)]
    execute(empty_database, "DROP TABLE alerts")
    assert migrate(empty_database) == ["0003_alerts.sql", "0004_challengers.sql", "views.sql"]


def test_a_role_says_when_the_database_is_not_migrated(empty_database: str) -> None:
    with connect(empty_database) as connection:
        with pytest.raises(UserError, match="run `onehertz db migrate`"):
            require_migrated(connection)
        migrate(empty_database)
        require_migrated(connection)


def test_every_table_view_and_column_of_a_table_has_a_comment(database: str) -> None:
    # Views: only what their tables don't explain already.
    bare = fetch(
        database,
        """
        SELECT c.relname, a.attname
        FROM pg_class AS c
        LEFT JOIN pg_attribute AS a
            ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind <> 'v'
        WHERE c.relnamespace = 'public'::regnamespace
            AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
            AND (obj_description(c.oid) IS NULL
                OR a.attnum IS NOT NULL AND col_description(c.oid, a.attnum) IS NULL)
        """,
    )
    assert bare == []


def test_analysts_can_read_everything_and_write_nothing(database: str) -> None:
    rights = fetch(
        database,
        """
        SELECT
            has_table_privilege('onehertz_read', oid, 'SELECT'),
            has_table_privilege('onehertz_read', oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
        FROM pg_class
        WHERE relnamespace = 'public'::regnamespace
            AND relkind IN ('r', 'p', 'v') AND NOT relispartition
        """,
    )
    assert rights == [(True, False)] * 15
    assert fetch(database, "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'onehertz_read'") == [
        (False,)
    ]
