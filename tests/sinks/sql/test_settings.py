from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import ValidationError

from runtime.errors import UserError
from sinks.sql.settings import SqlSettings


def test_every_setting_is_described() -> None:
    assert [n for n, f in SqlSettings.model_fields.items() if not f.description] == []


def test_the_parts_make_a_dsn() -> None:
    settings = SqlSettings.model_validate(
        {"host": "db", "dbname": "video", "user": "me", "password": "it's @ /secret"}
    )
    assert conninfo_to_dict(settings.conninfo()) == {
        "host": "db",
        "port": "5432",
        "dbname": "video",
        "user": "me",
        "password": "it's @ /secret",
    }


def test_the_password_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hidden\n")
    settings = SqlSettings.model_validate(
        {"dsn": "postgresql://me@db/video", "password_file": str(file)}
    )
    assert conninfo_to_dict(settings.conninfo())["password"] == "hidden"


def test_a_password_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = SqlSettings(password_file=tmp_path / "nowhere")
    with pytest.raises(UserError, match="nowhere"):
        settings.conninfo()


def test_a_broken_dsn_is_told_without_its_password() -> None:
    settings = SqlSettings.model_validate({"dsn": "postgresql://me:hidden%zz@db/video"})
    with pytest.raises(UserError, match="can't be read") as told:
        settings.conninfo()
    assert "hidden" not in str(told.value)


@pytest.mark.parametrize(
    "values",
    [
        {"dsn": "postgresql://db/video", "host": "db"},
        {"password": "a", "password_file": "b"},
        {"batch_rows": 0},
        {"batch_row": 5},
    ],
)
def test_contradictions_and_nonsense_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SqlSettings.model_validate(values)


def test_secrets_are_not_in_the_text_of_the_settings() -> None:
    settings = SqlSettings.model_validate(
        {"dsn": "postgresql://me:hidden@db/video", "password": "hidden"}
    )
    assert "hidden" not in f"{settings} {settings!r} {settings.model_dump_json()}"
