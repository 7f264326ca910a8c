"""Rows that were removed, doubled or changed behind the line's back."""

from __future__ import annotations

import pytest

from tests.onehertz.verify.filled import FilledLine, counts, told
from tests.onehertz.verify.story import NORTH, PLAN, SOUTH, at, frame

pytestmark = pytest.mark.stack


def north(second: int) -> str:
    """SQL that names the tick of the camera north at that second."""
    return f"camera = '{NORTH}' AND captured_at = '{at(second).isoformat()}'"


def test_a_clean_line_is_ok(clean: FilledLine) -> None:
    report = clean.verify()
    assert report.findings.first(20) == []
    assert report.as_json() == {
        "ticks": 2 * len(PLAN),
        "rows": 2 * len(PLAN),
        "lost": 0,
        "twice": 0,
        "out_of_order": 0,
        "unexplained": 0,
        "ok": True,
    }
    assert report.read["frames-raw"].messages == 2 * len(PLAN)
    assert report.read["frames-raw-dlq"].messages == 2


def test_a_removed_row_is_lost(clean: FilledLine) -> None:
    assert clean.delete("frames", north(2)) == 1
    report = clean.verify()
    assert counts(report) == (1, 0, 0, 1)  # the minute says one more than the rows do
    assert told(report, "lost", frame(NORTH, 2), "not in the table frames", "SELECT")
    assert told(report, "unexplained", "camera_minutes", "unchanged 4 / 5")
    assert (report.ticks, report.rows, report.ok) == (20, 19, False)


def test_a_doubled_row_is_twice(clean: FilledLine) -> None:
    clean.execute("ALTER TABLE frames DROP CONSTRAINT frames_pkey")
    assert clean.double("frames", north(5)) == 1
    report = clean.verify()
    assert counts(report) == (0, 1, 0, 1)
    assert told(report, "twice", frame(NORTH, 5), "more than one row")


@pytest.mark.parametrize(
    "change",
    [
        "status = 'missing'",
        "model = 'another'",
        "because = 'audit'",
        "score = 0.5",
        "run = 'another'",
        "seq = 17",
        "width = 1",
        "gated_offset = 6",
        "raw_offset = NULL",
        "detections_offset = 3",
    ],
)
def test_a_changed_row_is_unexplained(clean: FilledLine, change: str) -> None:
    assert clean.update("frames", change, north(4)) == 1
    report = clean.verify()
    assert counts(report)[:3] == (0, 0, 0)
    assert counts(report)[3] >= 1
    column = "offset 3" if "detections" in change else change.split(" = ")[0]
    assert told(report, "unexplained", frame(NORTH, 4), column)


@pytest.mark.parametrize(
    ("second", "change"),
    [(1, "same_as = same_as - interval '1 s'"), (3, "reason = 'refused'"), (5, "detail = NULL")],
)
def test_a_changed_row_without_boxes_is_unexplained(
    clean: FilledLine, second: int, change: str
) -> None:
    assert clean.update("frames", change, north(second)) == 1
    report = clean.verify()
    assert counts(report) == (0, 0, 0, 1)
    assert told(report, frame(NORTH, second), change.split(" = ")[0])


def test_a_row_moved_to_another_tick_is_lost_there_and_unexplained_here(clean: FilledLine) -> None:
    change = "captured_at = captured_at + interval '1 ms'"
    assert clean.update("frames", change, north(3)) == 1
    report = clean.verify()
    assert counts(report)[:3] == (1, 0, 0)
    assert told(report, "unexplained", f"{NORTH}@", "no tick on frames-raw")
    assert told(report, "lost", frame(NORTH, 3))


def test_a_row_of_a_partition_that_no_topic_has_is_unexplained(clean: FilledLine) -> None:
    assert clean.update("frames", "partition = 7", north(3)) == 1
    assert told(clean.verify(), "unexplained", frame(NORTH, 3), "partition 7")


def test_a_changed_box_is_unexplained(clean: FilledLine) -> None:
    assert clean.update("detections", "x1 = 0.1001", north(0) + " AND n = 0") == 1
    report = clean.verify()
    assert counts(report) == (0, 0, 0, 1)
    assert told(report, frame(NORTH, 0), "boxes 2 / 2, other values")


def test_a_relabelled_box_is_unexplained(clean: FilledLine) -> None:
    clean.update("detections", "label = 'dog'", north(0) + " AND n = 0")
    report = clean.verify()
    assert counts(report) == (0, 0, 0, 2)
    assert told(report, "camera_minutes", "'dog'")


def test_a_removed_box_is_unexplained(clean: FilledLine) -> None:
    assert clean.delete("detections", north(0) + " AND n = 1") == 1
    report = clean.verify()
    assert counts(report) == (0, 0, 0, 2)
    assert told(report, frame(NORTH, 0), "boxes 2 / 1")


def test_a_doubled_box_is_twice(clean: FilledLine) -> None:
    clean.execute("ALTER TABLE detections DROP CONSTRAINT detections_pkey")
    assert clean.double("detections", north(4)) == 1
    report = clean.verify()
    assert counts(report) == (0, 1, 0, 1)
    assert told(report, "twice", frame(NORTH, 4), "boxes are there twice")


def test_what_a_model_found_as_a_challenger_is_explained(clean: FilledLine) -> None:
    """It has served, as the line's topics say, and looked at other ticks on trial."""
    clean.execute(
        "INSERT INTO detections SELECT camera, captured_at + interval '5 s', model, n, label,"
        " score, x1, y1, x2, y2 FROM detections WHERE camera = 'north' AND n = 1"
    )
    clean.execute(
        "INSERT INTO challenger_frames (camera, captured_at, model, challenger, boxes)"
        " SELECT camera, captured_at + interval '5 s', model, 'next', 1 FROM detections"
        " WHERE camera = 'north' AND n = 1"
    )
    assert clean.verify().findings.first(20) == []


def test_boxes_at_a_tick_that_was_not_inferred_are_unexplained(clean: FilledLine) -> None:
    clean.execute(
        "INSERT INTO detections SELECT camera, captured_at + interval '5 s', model, n, label,"
        " score, x1, y1, x2, y2 FROM detections WHERE camera = 'north' AND n = 1"
    )
    report = clean.verify()
    assert counts(report) == (0, 0, 0, 1)
    assert told(report, frame(NORTH, 5), "1 boxes of ssd", "no row of that model")


def test_boxes_of_a_model_that_does_not_serve_are_let_be(clean: FilledLine) -> None:
    clean.execute(
        "INSERT INTO detections SELECT camera, captured_at, 'challenger', n, label, score,"
        " x1, y1, x2, y2 FROM detections"
    )
    assert clean.verify().ok


@pytest.mark.parametrize(
    "change",
    [
        "inferred = inferred + 1",
        "missing = 0",
        "objects = objects || '{\"dog\": 1}'",
        "longest_gap_ms = longest_gap_ms - 1",
        "worst_latency_ms = NULL",
    ],
)
def test_a_changed_minute_is_unexplained(clean: FilledLine, change: str) -> None:
    assert clean.update("camera_minutes", change, "camera = 'south'") == 1
    report = clean.verify()
    assert counts(report) == (0, 0, 0, 1)
    assert told(report, "camera_minutes", SOUTH, change.split(" = ")[0])


@pytest.mark.parametrize("statement", ["DELETE FROM", "INSERT INTO"])
def test_a_minute_too_few_or_too_many_is_unexplained(clean: FilledLine, statement: str) -> None:
    if statement == "DELETE FROM":
        clean.delete("camera_minutes", "camera = 'south'")
    else:
        clean.execute("INSERT INTO camera_minutes VALUES ('x', now(), 1, 0, 0, 0, '{}', 0, NULL)")
    assert counts(clean.verify()) == (0, 0, 0, 1)


def test_a_removed_alert_event_is_lost(clean: FilledLine) -> None:
    assert clean.delete("alert_events", "camera = 'south' AND change = 'cleared'") == 1
    report = clean.verify()
    assert counts(report) == (1, 0, 0, 1)
    assert told(report, "lost", "people/south/1", "cleared", "alerts[1]@1")
    assert told(report, "unexplained", "alerts: people/south/1", "cleared")


def test_a_removed_alert_is_unexplained(clean: FilledLine) -> None:
    assert clean.delete("alerts", "camera = 'south'") == 1
    report = clean.verify()
    assert counts(report) == (0, 0, 0, 1)
    assert told(report, "people/south/1", "there is no such row")


@pytest.mark.parametrize(
    "change",
    ["severity = 'info'", "text = ''", "boxes = '[]'", "ended_at = now()", "alerts_offset = 9"],
)
def test_a_changed_alert_event_is_unexplained(clean: FilledLine, change: str) -> None:
    where = "camera = 'south' AND change = 'cleared'"
    assert clean.update("alert_events", change, where) == 1
    report = clean.verify()
    assert counts(report)[:3] == (0, 0, 0)
    named = "place" if "offset" in change else change.split(" = ")[0]
    assert told(report, "unexplained", "people/south/1 cleared", named)


def test_an_alert_event_that_no_message_brought_is_unexplained(clean: FilledLine) -> None:
    clean.update("alert_events", "at = at + interval '1 s'", "change = 'raised'")
    report = clean.verify()
    assert counts(report)[0] == 2
    assert told(report, "unexplained", "no message on alerts")
