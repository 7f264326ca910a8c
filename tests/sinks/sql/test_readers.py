"""A reader reads, and nothing else."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql
from psycopg.conninfo import make_conninfo

from onehertz.cli.main import cli
from runtime.errors import UserError
from sinks.sql.readers import make_reader

pytestmark = pytest.mark.stack

PASSWORD = "it's a 'secret' \\ with %s"


@pytest.fixture
def name(database: str) -> Iterator[str]:
    """Roles belong to the whole server: this one is gone afterwards."""
    name = f'reader "{uuid.uuid4().hex[:8]}"'
    yield name
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


def as_reader(database: str, name: str, password: str = PASSWORD) -> psycopg.Connection:
    return psycopg.connect(make_conninfo(database, user=name, password=password), autocommit=True)


def test_it_reads_every_table_and_view(database: str, name: str) -> None:
    assert make_reader(database, name, PASSWORD)
    with as_reader(database, name) as connection:
        for relation in (
            "frames", "detections_at_every_second", "gate_audit", "alerts", "challenger_frames",
            "challenger_comparison", "challenger_summary",
        ):  # fmt: skip
            query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(relation))
            assert connection.execute(query).fetchone() == (0,)


def test_it_can_write_nothing(database: str, name: str) -> None:
    make_reader(database, name, PASSWORD)
    with as_reader(database, name) as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("DELETE FROM frames")
        connection.execute("SET default_transaction_read_only TO off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM frames")


def test_once_more_changes_its_password(database: str, name: str) -> None:
    make_reader(database, name, "before")
    assert not make_reader(database, name, PASSWORD)
    with as_reader(database, name) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_somebody_else_is_not_made_a_reader(database: str, name: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
    with pytest.raises(UserError, match="is no reader"):
        make_reader(database, name, PASSWORD)


def test_the_command_takes_the_password_from_a_file_and_does_not_show_it(
    database: str, name: str, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n")
    words = ["db", "reader", name, "--password-file", str(secret), "--dsn", database]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert PASSWORD not in done.output
    with as_reader(database, name) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_an_empty_password_file_is_told(database: str, name: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch()
    words = ["db", "reader", name, "--password-file", str(secret), "--dsn", database]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code != 0
    assert "is empty" in str(done.exception)
