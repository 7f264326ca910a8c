from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from onehertz.cli.db import db
from runtime.errors import UserError
from sinks.sql.settings import SqlSettings

pytestmark = pytest.mark.stack


def test_migrate_lists_what_it_applied_and_then_nothing(empty_database: str) -> None:
    first = CliRunner().invoke(db, ["migrate", "--dsn", empty_database])
    assert first.exit_code == 0
    assert "applied 0001_frames_and_detections.sql\n" in first.output
    again = CliRunner().invoke(db, ["migrate", "--dsn", empty_database])
    assert again.output == "the database is up to date\n"


def test_migrate_prints_one_json_object(empty_database: str) -> None:
    result = CliRunner().invoke(db, ["migrate", "--dsn", empty_database, "--json"])
    assert json.loads(result.output)["applied"][-1] == "views.sql"


def test_migrate_finds_the_database_in_the_settings(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEHERTZ_SQL__DSN", empty_database)
    assert "dsn" in SqlSettings.model_fields  # what the variable's name is made of
    result = CliRunner().invoke(db, ["migrate"])
    assert "applied 0001" in result.output


def test_a_refusal_is_told_without_the_dsn(database: str) -> None:
    dsn = f"{database} options='-c default_transaction_read_only=on'"
    result = CliRunner().invoke(db, ["migrate", "--dsn", dsn])
    # A read-only database that is up to date needs nothing written.
    assert isinstance(result.exception, UserError)
    assert "could not be migrated" in str(result.exception)
    assert "password" not in str(result.exception)
