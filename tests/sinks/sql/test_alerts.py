from __future__ import annotations

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from schemas.errors import InvalidMessage
from schemas.messages import AlertRecord, Cleared, Raised, Updated, frame_id, to_us
from sinks.sql.connection import connect
from sinks.sql.writer import AlertDelivery, Writer
from tests.sinks.sql.ticks import at, box

pytestmark = pytest.mark.stack


def change(second: float, alert: str = "alert", **rest: Any) -> dict[str, Any]:
    fields = {
        "id": alert,
        "camera": "north",
        "rule": "door",
        "at": at(second),
        "began_at": at(0),
        "frame": frame_id("north", to_us(at(second))),
    }
    return fields | rest


def life(alert: str = "alert") -> list[AlertDelivery]:
    evidence = frame_id("north", to_us(at(3)))
    records: list[AlertRecord] = [
        Raised(**change(5, alert, text="someone", evidence=evidence, partition=2, raw_offset=77)),
        Updated(**change(7, alert, text="two", severity="critical", boxes=(box(), box("dog")))),
        Cleared(**change(9, alert, text="gone", ended_at=at(8), late=True)),
    ]
    return [AlertDelivery(record, 1, 10 + n) for n, record in enumerate(records)]


def tables(connection: psycopg.Connection) -> list[list[tuple[Any, ...]]]:
    return [
        connection.execute("SELECT * FROM alerts ORDER BY alert").fetchall(),
        connection.execute(
            "SELECT alert, at, change::text, text, boxes, alerts_offset FROM alert_events"
            " ORDER BY alert, at, change"
        ).fetchall(),
    ]


def test_an_alert_is_what_its_changes_add_up_to(
    connection: psycopg.Connection, writer: Writer
) -> None:
    assert writer.write_alerts(life()) == (3, 0, 0)
    alerts, events = tables(connection)
    assert alerts == [
        (
            *("alert", "north", "door", "warning", "cleared"),
            *(at(0), at(5), at(9), at(8)),
            *(at(3), 2, 77),
            *("gone", True, 3),
        )
    ]
    assert [(event[2], len(event[4])) for event in events] == [
        ("raised", 0),
        ("updated", 2),
        ("cleared", 0),
    ]


def test_order_batches_and_repeats_do_not_matter(
    connection: psycopg.Connection, writer: Writer
) -> None:
    writer.write_alerts(life())
    wanted = tables(connection)
    for order in itertools.permutations(life()):
        connection.execute("TRUNCATE alerts, alert_events")
        outcomes = [writer.write_alerts([delivery]) for delivery in order]
        assert outcomes == [(1, 0, 0)] * 3
        assert writer.write_alerts([*order, order[0]]) == (0, 0, 4)
        assert tables(connection) == wanted


def test_an_alert_that_goes_on_has_no_end(connection: psycopg.Connection, writer: Writer) -> None:
    writer.write_alerts(life()[:2])
    found = connection.execute("SELECT state::text, severity, ended_at, late FROM alerts")
    assert found.fetchall() == [("updated", "critical", None, False)]


def test_of_two_deliveries_of_a_change_the_first_is_kept(
    connection: psycopg.Connection, writer: Writer
) -> None:
    first = AlertDelivery(Raised(**change(5, text="first")), 1, 3)
    second = AlertDelivery(Raised(**change(5, text="second")), 1, 4)
    assert writer.write_alerts([second]) == (1, 0, 0)
    assert writer.write_alerts([second, first]) == (0, 1, 1)
    assert writer.write_alerts([second]) == (0, 0, 1)
    assert connection.execute("SELECT text FROM alerts").fetchall() == [("first",)]
    assert connection.execute("SELECT text FROM alert_events").fetchall() == [("first",)]


def test_evidence_of_another_camera_is_refused(writer: Writer) -> None:
    record = Raised(**change(5, evidence=frame_id("south", to_us(at(3)))))
    with pytest.raises(InvalidMessage, match="evidence"):
        writer.write_alerts([AlertDelivery(record, 0, 0)])


def test_an_alerts_camera_is_registered_without_a_tick(
    connection: psycopg.Connection, writer: Writer
) -> None:
    writer.write_alerts(life())
    assert connection.execute("SELECT * FROM cameras").fetchall() == [("north", None, None)]


def test_writers_of_the_same_alerts_end_in_the_same_tables(database: str) -> None:
    deliveries = [d for alert in "abcdefgh" for d in life(alert)]

    def write(seed: int) -> None:
        with connect(database) as connection:
            writer = Writer(connection)
            shuffled = random.Random(seed).sample(deliveries, len(deliveries))
            for start in range(0, len(shuffled), 5):
                writer.write_alerts(shuffled[start : start + 5])

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))
    with connect(database) as connection:
        found = connection.execute(
            "SELECT alert, state::text, changes, text FROM alerts ORDER BY 1"
        )
        assert found.fetchall() == [(alert, "cleared", 3, "gone") for alert in "abcdefgh"]
