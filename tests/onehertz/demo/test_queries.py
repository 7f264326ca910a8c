"""The demo's SQL, on a real database."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import psycopg
import pytest
from rich.console import Console

from onehertz.demo.report import _QUERIES, _SQL, print_queries
from sinks.sql.connection import connect
from sinks.sql.writer import Writer
from tests.sinks.sql.ticks import at, delivered, inferred, missing, taking, unchanged

pytestmark = pytest.mark.stack


def shown(connection: psycopg.Connection) -> list[str]:
    console = Console(width=80, file=io.StringIO(), color_system=None)
    print_queries(console, connection)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_an_empty_database_has_empty_answers(database: str) -> None:
    with connect(database) as connection:
        parameters = {"newest": 10, "camera": "north", "captured_at": datetime.now(UTC)}
        for name, query in _SQL.items():
            found = connection.execute(query, parameters).fetchall()
            assert found in ([], [(None,)]), name
        assert shown(connection).count("(no rows)") == len(_QUERIES)


def test_the_answers_are_right_and_fit_80_columns(database: str) -> None:
    with connect(database) as connection:
        Writer(connection).write(
            delivered(
                [
                    inferred(0, *["person"] * 5, stages=taking(0, 9)),
                    unchanged(1, same_as=0),
                    inferred(2, because="audit"),
                    missing(3),
                ]
            )
        )
        lines = shown(connection)
        assert max(map(len, lines)) <= 80
        assert ["north", "5", "or", "more", "2"] in [line.split() for line in lines]
        assert ["north", "nobody", "1"] in [line.split() for line in lines]
        assert ["north", "unknown", "1"] in [line.split() for line in lines]
        # ticks, inferred, dropped %, audited, agreed: the audit saw that the five had gone
        assert ["north", "4", "2", "25.0", "1", "0"] in [line.split() for line in lines]
        ((first_at,),) = connection.execute(_SQL["first_detection"]).fetchall()
        assert first_at is not None
        ((camera, captured_at, *_),) = connection.execute(_SQL["best_frames"]).fetchall() or [
            ("north", at(0))  # without a raw offset there is no picture to show
        ]
        assert (camera, captured_at) == ("north", at(0))
