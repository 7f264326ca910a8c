"""What challengers found lies beside the serving line's rows, and touches none of them."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.messages import Box
from sinks.sql.writer import Writer
from tests.sinks.sql.pieces import drop_pieces
from tests.sinks.sql.ticks import at, delivered, inferred, missing, rejected, unchanged

pytestmark = pytest.mark.stack

SERVING = delivered(
    [inferred(0, "person"), unchanged(1, same_as=0), inferred(2, "car"), inferred(3), missing(4)]
)
TRIAL = delivered(
    [
        inferred(0, "person", "car", model="new"),
        inferred(2, model="new"),
        inferred(3, model="new"),
    ]
)
# Everything that the serving line's rows say, but when they were written.
SERVED: tuple[LiteralString, ...] = (
    "SELECT camera, captured_at, status, model, detections_offset FROM frames ORDER BY 1, 2",
    "SELECT camera, minute, inferred, unchanged, rejected, missing, objects, longest_gap_ms"
    " FROM camera_minutes ORDER BY 1, 2",
    "SELECT camera, first_captured_at, last_captured_at FROM cameras ORDER BY 1",
    "SELECT camera, captured_at, model, n, label, x1 FROM detections JOIN frames"
    " USING (camera, captured_at, model) ORDER BY 1, 2, 3, 4",
    "SELECT camera, captured_at, known, boxes, label FROM detections_at_every_second"
    " ORDER BY 1, 2, n",
)


def fetch(connection: psycopg.Connection, query: LiteralString) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def served(connection: psycopg.Connection) -> list[list[tuple[Any, ...]]]:
    return [fetch(connection, query) for query in SERVED]


def empty(connection: psycopg.Connection) -> None:
    drop_pieces(connection)
    for table in ("cameras", "models", "camera_minutes", "challenger_frames"):
        connection.execute(f"DELETE FROM {table}".encode())  # noqa: S608


def test_the_serving_rows_are_the_same_with_and_without(
    connection: psycopg.Connection, writer: Writer
) -> None:
    writer.write(SERVING)
    alone = served(connection)
    assert writer.write_challenger("next", TRIAL) == (3, 0, 0)
    assert served(connection) == alone
    assert fetch(connection, "SELECT DISTINCT model FROM detections ORDER BY 1") == [
        ("new",), ("ssd",),
    ]  # fmt: skip


def test_a_frame_without_boxes_was_looked_at_all_the_same(
    connection: psycopg.Connection, writer: Writer
) -> None:
    writer.write_challenger("next", TRIAL)
    found = fetch(
        connection,
        "SELECT captured_at, model, challenger, boxes FROM challenger_frames ORDER BY 1",
    )
    assert found == [
        (at(0), "new", "next", 2),
        (at(2), "new", "next", 0),
        (at(3), "new", "next", 0),
    ]


def test_repeats_and_records_that_are_no_frames_change_nothing(
    connection: psycopg.Connection, writer: Writer
) -> None:
    others = delivered([unchanged(1, same_as=0), missing(4), rejected(5)], first_offset=3)
    assert writer.write_challenger("next", [*TRIAL, *others]) == (3, 0, 3)
    again = delivered([inferred(0, model="new"), inferred(2, "dog", model="new")], first_offset=9)
    assert writer.write_challenger("next", again) == (0, 0, 2)
    assert writer.write_challenger("next", others) == (0, 0, 3)
    assert fetch(connection, "SELECT count(*) FROM detections") == [(2,)]


def test_a_challenger_that_serves_since_makes_room_for_its_own_rows(
    connection: psycopg.Connection, writer: Writer
) -> None:
    writer.write_challenger("next", TRIAL)
    writer.write(delivered([inferred(0, "dog", model="new"), inferred(3, "cat", model="ssd")]))
    assert fetch(connection, "SELECT model, label FROM detections ORDER BY 1") == [
        ("new", "dog"), ("ssd", "cat"),
    ]  # fmt: skip
    looked = fetch(connection, "SELECT captured_at FROM challenger_frames ORDER BY 1")
    assert looked == [(at(2),), (at(3),)]
    # It comes late, as a challenger, to a tick that it has served.
    assert writer.write_challenger("next", TRIAL) == (0, 0, 3)


OPERATIONS = st.permutations(
    [("serve", one) for one in SERVING]
    + [("try", one) for one in TRIAL]
    + [("try", one) for one in delivered([inferred(2, "car", model="ssd")])]
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=OPERATIONS)
def test_in_whatever_order_they_come_the_serving_rows_are_as_without(
    connection: psycopg.Connection, writer: Writer, order: list[tuple[str, Any]]
) -> None:
    empty(connection)
    writer.write(SERVING)
    alone = served(connection)
    empty(connection)
    writer = Writer(connection)
    for kind, delivery in order:
        write = writer.write if kind == "serve" else _tries(writer)
        write([delivery])
    assert served(connection) == alone


def _tries(writer: Writer):
    return lambda batch: writer.write_challenger("next", batch)


def shifted(label: str, by: float) -> Box:
    return Box(label=label, score=0.9, x1=0.125 + by, y1=0.25, x2=0.375 + by, y2=0.5)


def test_the_comparison_counts_boxes_of_both_and_those_that_agree(
    connection: psycopg.Connection, writer: Writer
) -> None:
    # Boxes of .25 width: shifted by .0625, IoU .6; by .125, IoU 1/3.
    writer.write(delivered([inferred(0, "person", "car"), inferred(2), inferred(9, "dog")]))
    boxes = (shifted("person", 0.0625), shifted("car", 0.125), shifted("cat", 0))
    trial = [inferred(0, model="new", boxes=boxes), inferred(2, model="new")]
    writer.write_challenger("next", delivered(trial))
    found = fetch(
        connection,
        "SELECT captured_at, label, boxes, serving_boxes, boxes_agreed, serving_boxes_agreed"
        " FROM challenger_comparison ORDER BY 1, 2",
    )
    assert found == [
        (at(0), "car", 1, 1, 0, 0),
        (at(0), "cat", 1, 0, 0, 0),
        (at(0), "person", 1, 1, 1, 1),
        (at(2), None, 0, 0, 0, 0),
    ]
    summary = fetch(
        connection,
        "SELECT challenger, model, serving_model, camera, frames, frames_seen,"
        " serving_frames_seen, boxes, boxes_agreed FROM challenger_summary WHERE label = 'person'",
    )
    assert summary == [("next", "new", "ssd", "north", 2, 1, 1, 1, 1)]


def test_a_week_that_only_a_challenger_has_seen_has_its_partition(
    connection: psycopg.Connection, writer: Writer
) -> None:
    writer.write_challenger("next", delivered([inferred(21 * 86_400, "person", model="new")]))
    assert fetch(connection, "SELECT captured_at FROM detections") == [(at(21 * 86_400),)]
