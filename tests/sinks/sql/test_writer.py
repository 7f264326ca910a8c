"""What a batch does to the tables; the general case is in test_writer_property.py."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, LiteralString

import psycopg
import pytest

from sinks.sql.connection import connect
from sinks.sql.ranking import Delivery
from sinks.sql.writer import Writer
from tests.sinks.sql.pieces import begins, drop_pieces
from tests.sinks.sql.reference import actual, expected
from tests.sinks.sql.ticks import (
    T0,
    at,
    delivered,
    inferred,
    missing,
    rejected,
    taking,
    unchanged,
)

pytestmark = pytest.mark.stack


def fetch(connection: psycopg.Connection, query: LiteralString) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def test_an_empty_batch_does_nothing(writer: Writer) -> None:
    assert writer.write([]) == (0, 0, 0)


def test_a_batch_is_written_whole_and_its_repeat_changes_nothing(
    connection: psycopg.Connection, writer: Writer
) -> None:
    batch = delivered(
        [inferred(0, "person", "car"), unchanged(1, same_as=0), rejected(2), missing(3)]
    )
    assert writer.write(batch) == (4, 0, 0)
    before = fetch(connection, "SELECT * FROM frames ORDER BY captured_at")
    assert writer.write(batch) == (0, 0, 4)
    # Written_at and all: a repeat does not even touch the row.
    assert fetch(connection, "SELECT * FROM frames ORDER BY captured_at") == before
    assert actual(connection) == expected(batch)


def test_boxes_are_replaced_whole(connection: psycopg.Connection, writer: Writer) -> None:
    second = Delivery(inferred(0, "person", "person", "car", model="old"), 0, 8)
    first = Delivery(inferred(0, "dog", model="new"), 0, 7)
    assert writer.write([second]) == (1, 0, 0)
    assert writer.write([first]) == (0, 1, 0)
    assert fetch(connection, "SELECT label, model FROM detections") == [("dog", "new")]
    assert fetch(connection, "SELECT inferred, objects FROM camera_minutes") == [(1, {"dog": 1})]


def test_boxes_of_another_model_at_the_same_tick_stay(
    connection: psycopg.Connection, writer: Writer
) -> None:
    writer.write([Delivery(inferred(0, "person", model="champion"), 0, 8)])
    connection.execute(
        "INSERT INTO detections SELECT camera, captured_at, 'challenger', n, label, score,"
        " x1, y1, x2, y2 FROM detections"
    )
    writer.write([Delivery(inferred(0, "car", model="champion"), 0, 7)])
    found = fetch(connection, "SELECT model, label FROM detections ORDER BY model")
    assert found == [("challenger", "person"), ("champion", "car")]


def test_worst_latency_falls_when_the_row_that_had_it_is_replaced(
    connection: psycopg.Connection, writer: Writer
) -> None:
    writer.write(
        [
            Delivery(unchanged(0, same_as=-1, stages=taking(0, 900)), 0, 0),
            Delivery(missing(1, stages=taking(0, 70)), 0, 1),
        ]
    )
    writer.write([Delivery(inferred(0, stages=taking(0, 40)), 0, 2)])
    assert fetch(connection, "SELECT worst_latency_ms FROM camera_minutes") == [(70,)]


def test_the_longest_gap_shrinks_when_a_late_tick_fills_it(
    connection: psycopg.Connection, writer: Writer
) -> None:
    writer.write(delivered([inferred(s) for s in (0, 10, 50, 59)]))
    assert fetch(connection, "SELECT longest_gap_ms FROM camera_minutes") == [(40_000,)]
    writer.write(delivered([inferred(30)], first_offset=9))
    assert fetch(connection, "SELECT longest_gap_ms FROM camera_minutes") == [(20_000,)]


def test_a_minute_of_which_nothing_was_seen_is_one_gap(
    connection: psycopg.Connection, writer: Writer
) -> None:
    writer.write(delivered([missing(0), rejected(30)]))
    assert fetch(connection, "SELECT longest_gap_ms FROM camera_minutes") == [(60_000,)]


def test_month_old_capture_times_get_a_partition_of_their_own(
    connection: psycopg.Connection, writer: Writer
) -> None:
    moments = [T0 - timedelta(days=days) for days in (3650, 31, 7, 0)]
    batch = delivered([missing(captured_at=moment) for moment in moments])
    assert writer.write(batch) == (4, 0, 0)
    assert actual(connection) == expected(batch)
    weeks = begins(connection)
    assert len(set(weeks)) == 4
    for week, moment in zip(weeks, moments, strict=True):
        assert week <= moment < week + timedelta(days=7)


def test_both_sides_of_a_partitions_edge_find_their_place(
    connection: psycopg.Connection, writer: Writer
) -> None:
    writer.write(delivered([missing(captured_at=T0)]))
    (edge,) = begins(connection)
    before = edge - timedelta(microseconds=1)
    writer.write(delivered([missing(captured_at=moment) for moment in (before, edge)]))
    assert begins(connection) == [edge - timedelta(days=7), edge, edge]


def test_the_sessions_time_zone_moves_no_edge(database: str) -> None:
    with connect(database) as connection:
        Writer(connection).write(delivered([missing()]))
        (edge,) = begins(connection)
    with connect(database) as connection:
        connection.execute("SET TimeZone = 'America/Anchorage'")
        Writer(connection).write(delivered([missing(captured_at=edge), missing(59.5)]))
        assert begins(connection) == [edge] * 3


def test_a_partition_dropped_by_retention_is_made_again(
    connection: psycopg.Connection, writer: Writer
) -> None:
    writer.write(delivered([inferred(0, "person")]))
    drop_pieces(connection)
    connection.execute("DELETE FROM camera_minutes")
    assert writer.write(delivered([inferred(1, "person")])) == (1, 0, 0)
    assert fetch(connection, "SELECT captured_at FROM frames") == [(at(1),)]


def test_cameras_and_models_are_registered(connection: psycopg.Connection, writer: Writer) -> None:
    writer.write(delivered([inferred(5, model="ssd"), missing(3), missing(2, camera="south")]))
    writer.write(delivered([inferred(1, model="yolox"), missing(9)], first_offset=10))
    assert fetch(connection, "SELECT * FROM cameras ORDER BY camera") == [
        ("north", at(1), at(9)),
        ("south", at(2), at(2)),
    ]
    assert fetch(connection, "SELECT model FROM models ORDER BY model") == [("ssd",), ("yolox",)]


def test_a_nul_character_costs_no_row(connection: psycopg.Connection, writer: Writer) -> None:
    writer.write(delivered([inferred(0, "a\0b", model="m\0", run="r\0")]))
    assert fetch(connection, "SELECT model, run FROM frames") == [("m\ufffd", "r\ufffd")]
    assert fetch(connection, "SELECT label FROM detections") == [("a\ufffdb",)]
    assert fetch(connection, "SELECT objects FROM camera_minutes") == [({"a\ufffdb": 1},)]


def test_a_failed_batch_leaves_nothing_and_the_writer_goes_on(
    connection: psycopg.Connection, writer: Writer
) -> None:
    with pytest.raises(OverflowError):
        writer.write(delivered([inferred(0, "person"), missing(1, seq=2**63)]))
    assert actual(connection) == expected([])
    assert writer.write(delivered([inferred(0, "person")])) == (1, 0, 0)


def test_a_transaction_of_someone_else_is_refused(
    connection: psycopg.Connection, writer: Writer
) -> None:
    with connection.transaction(), pytest.raises(RuntimeError, match="someone else"):
        writer.write(delivered([missing()]))


def test_stage_times_are_kept_as_milliseconds(
    connection: psycopg.Connection, writer: Writer
) -> None:
    writer.write(delivered([inferred(0, stages=taking(5, 47))]))
    found = fetch(connection, "SELECT entered_at, latency_ms, stage_ms FROM frames")
    assert found == [(at(0.005), 42, {"gate": 42})]
