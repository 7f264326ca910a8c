from __future__ import annotations

from typing import Any, LiteralString

import psycopg
import pytest

from sinks.sql.writer import Writer
from tests.sinks.sql.ticks import at, delivered, inferred, missing, rejected, unchanged

pytestmark = pytest.mark.stack


def fetch(connection: psycopg.Connection, query: LiteralString) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


@pytest.fixture
def street(writer: Writer) -> None:
    """Two people; the same; nothing; the same; missing; rejected; as a rejected one."""
    writer.write(
        delivered(
            [
                inferred(0, "person", "person"),
                unchanged(1, same_as=0),
                inferred(2),
                unchanged(3, same_as=2),
                missing(4),
                rejected(5),
                unchanged(6, same_as=5),
                unchanged(7, same_as=-100),
            ]
        )
    )


@pytest.mark.usefixtures("street")
def test_unchanged_seconds_have_the_boxes_of_the_frame_that_they_equal(
    connection: psycopg.Connection,
) -> None:
    found = fetch(
        connection,
        "SELECT captured_at, known, boxes, label, seen_at FROM detections_at_every_second"
        " ORDER BY captured_at, n LIMIT 6",
    )
    assert found == [
        (at(0), True, 2, "person", at(0)),
        (at(0), True, 2, "person", at(0)),
        (at(1), True, 2, "person", at(0)),
        (at(1), True, 2, "person", at(0)),
        (at(2), True, 0, None, at(2)),
        (at(3), True, 0, None, at(2)),
    ]


def test_what_equals_an_unchanged_tick_is_unknown_and_not_guessed(
    connection: psycopg.Connection, writer: Writer
) -> None:
    """No stage writes such a chain: what a gate refers to was kept."""
    writer.write(
        delivered([inferred(0, "person"), unchanged(1, same_as=0), unchanged(2, same_as=1)])
    )
    found = fetch(
        connection,
        "SELECT captured_at, known, boxes FROM detections_at_every_second ORDER BY captured_at",
    )
    assert found == [(at(0), True, 1), (at(1), True, 1), (at(2), False, None)]


@pytest.mark.usefixtures("street")
def test_what_was_never_inferred_is_unknown_and_not_zero(connection: psycopg.Connection) -> None:
    found = fetch(
        connection,
        "SELECT captured_at, known, boxes, label FROM detections_at_every_second"
        " WHERE captured_at >= '2026-11-20 12:00:04+00' ORDER BY captured_at",
    )
    assert found == [(at(second), False, None, None) for second in (4, 5, 6, 7)]


@pytest.mark.usefixtures("street")
def test_the_query_in_the_views_comment_counts_people_and_leaves_the_unknown_unknown(
    connection: psycopg.Connection,
) -> None:
    comment = fetch(connection, "SELECT obj_description('detections_at_every_second'::regclass)")
    query = str(comment[0][0]).partition("SELECT ")[2].rstrip(".")
    counted = connection.execute(f"SELECT {query} ORDER BY captured_at".encode()).fetchall()
    assert [row[2] for row in counted] == [2, 2, 0, 0, None, None, None, None]


@pytest.mark.usefixtures("street")
def test_latest_detections_shows_the_last_known_tick_and_how_old_it_is(
    connection: psycopg.Connection,
) -> None:
    query: LiteralString = (
        "SELECT camera, captured_at, seen_at, boxes, label, last_tick_at, last_status::text"
        " FROM latest_detections"
    )
    assert fetch(connection, query) == [
        ("north", at(3), at(2), 0, None, at(7), "unchanged"),
    ]
    Writer(connection).write(delivered([inferred(8, "car", "dog"), missing(9)], first_offset=20))
    assert fetch(connection, query + " ORDER BY n") == [
        ("north", at(8), at(8), 2, "car", at(9), "missing"),
        ("north", at(8), at(8), 2, "dog", at(9), "missing"),
    ]


def test_latest_detections_leaves_out_cameras_of_which_nothing_is_known(
    connection: psycopg.Connection, writer: Writer
) -> None:
    writer.write(delivered([missing(0), unchanged(1, same_as=0)]))
    assert fetch(connection, "SELECT * FROM latest_detections") == []


def test_boxes_of_a_challenger_are_in_no_view(
    connection: psycopg.Connection, writer: Writer
) -> None:
    writer.write(delivered([inferred(0, "person", model="champion")]))
    connection.execute("UPDATE detections SET model = 'challenger'")
    assert fetch(connection, "SELECT boxes FROM detections_at_every_second") == [(0,)]
    assert fetch(connection, "SELECT boxes FROM latest_detections") == [(0,)]


def test_the_audit_compares_with_the_inferred_frame_before(
    connection: psycopg.Connection, writer: Writer
) -> None:
    writer.write(
        delivered(
            [
                inferred(0, because="audit"),
                inferred(10, "person"),
                inferred(20, "person", because="audit"),
                inferred(30, because="audit"),
            ]
        )
    )
    found = fetch(
        connection,
        "SELECT captured_at, reference_at, objects, reference_objects, same FROM gate_audit"
        " ORDER BY captured_at",
    )
    assert found == [
        (at(0), None, {}, None, None),
        (at(20), at(10), {"person": 1}, {"person": 1}, True),
        (at(30), at(20), {}, {"person": 1}, False),
    ]


@pytest.mark.usefixtures("street")
def test_objects_of_a_minute_by_label(connection: psycopg.Connection) -> None:
    found = fetch(connection, "SELECT camera, minute, label, n FROM camera_minute_objects")
    assert found == [("north", at(0), "person", 2)]
