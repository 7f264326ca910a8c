"""Rows that were removed, doubled or changed behind the line's back."""

from __future__ import annotations

import pytest

from onehertz.verify import Report
from tests.onehertz.verify.conftest import FilledLine
from tests.onehertz.verify.story import NORTH, PLAN, SOUTH, at, frame

pytestmark = pytest.mark.stack

TICK = "camera = 'north' AND captured_at = %(at)s"


def counts(report: Report) -> tuple[int, int, int, int]:
    found = report.findings.counts
    return found["lost"], found["twice"], found["out_of_order"], found["unexplained"]


def told(report: Report, *words: str) -> bool:
    """Whether one finding has all these words."""
    return any(
        all(word in f"{one.kind} {one.what} {one.look}" for word in words)
        for one in report.findings.first(100)
    )


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
    assert clean.execute(f"DELETE FROM frames WHERE {TICK}", {"at": at(2)}) == 1
    report = clean.verify()
    assert counts(report) == (1, 0, 0, 1)  # the minute says one more than the rows do
    assert told(report, "lost", frame(NORTH, 2), "not in the table frames", "SELECT")
    assert told(report, "unexplained", "camera_minutes", "unchanged 5 / 6")
    assert (report.ticks, report.rows, report.ok) == (20, 19, False)


def test_a_doubled_row_is_twice(clean: FilledLine) -> None:
    clean.execute("ALTER TABLE frames DROP CONSTRAINT frames_pkey")
    copied = "INSERT INTO frames SELECT * FROM frames WHERE " + TICK
    assert clean.execute(copied, {"at": at(5)}) == 1
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
    values = {"at": at(4)}
    assert clean.execute(f"UPDATE frames SET {change} WHERE {TICK}", values) == 1
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
    assert clean.execute(f"UPDATE frames SET {change} WHERE {TICK}", {"at": at(second)}) == 1
    report = clean.verify()
    assert counts(report) == (0, 0, 0, 1)
    assert told(report, frame(NORTH, second), change.split(" = ")[0])


def test_a_row_moved_to_another_tick_is_lost_there_and_unexplained_here(clean: FilledLine) -> None:
    change = "UPDATE frames SET captured_at = captured_at + interval '1 ms' WHERE " + TICK
    assert clean.execute(change, {"at": at(3)}) == 1
    report = clean.verify()
    assert counts(report)[:3] == (1, 0, 0)
    assert told(report, "unexplained", f"{NORTH}@", "no tick on frames-raw")
    assert told(report, "lost", frame(NORTH, 3))


def test_a_row_of_a_partition_that_no_topic_has_is_unexplained(clean: FilledLine) -> None:
    assert clean.execute(f"UPDATE frames SET partition = 7 WHERE {TICK}", {"at": at(3)}) == 1
    assert told(clean.verify(), "unexplained", frame(NORTH, 3), "partition 7")


def test_a_changed_box_is_unexplained(clean: FilledLine) -> None:
    changed = f"UPDATE detections SET x1 = 0.1001 WHERE {TICK} AND n = 0"
    assert clean.execute(changed, {"at": at(0)}) == 1
    report = clean.verify()
    assert counts(report) == (0, 0, 0, 1)
    assert told(report, frame(NORTH, 0), "boxes 2 / 2, other values")


def test_a_relabelled_box_is_unexplained(clean: FilledLine) -> None:
    clean.execute(f"UPDATE detections SET label = 'dog' WHERE {TICK} AND n = 0", {"at": at(0)})
    report = clean.verify()
    assert counts(report) == (0, 0, 0, 2)
    assert told(report, "camera_minutes", "'dog'")


def test_a_removed_box_is_unexplained(clean: FilledLine) -> None:
    assert clean.execute(f"DELETE FROM detections WHERE {TICK} AND n = 1", {"at": at(0)}) == 1
    report = clean.verify()
    assert counts(report) == (0, 0, 0, 2)
    assert told(report, frame(NORTH, 0), "boxes 2 / 1")


def test_a_doubled_box_is_twice(clean: FilledLine) -> None:
    clean.execute("ALTER TABLE detections DROP CONSTRAINT detections_pkey")
    clean.execute(f"INSERT INTO detections SELECT * FROM detections WHERE {TICK}", {"at": at(4)})
    report = clean.verify()
    assert counts(report) == (0, 1, 0, 1)
    assert told(report, "twice", frame(NORTH, 4), "boxes are there twice")


def test_boxes_at_a_tick_that_was_not_inferred_are_unexplained(clean: FilledLine) -> None:
    moved = "INSERT INTO detections SELECT camera, %(to)s, model, n, label, score, x1, y1, x2, y2"
    moved += f" FROM detections WHERE {TICK}"
    assert clean.execute(moved, {"at": at(4), "to": at(5)}) == 1
    report = clean.verify()
    assert counts(report) == (0, 0, 0, 1)
    assert told(report, frame(NORTH, 5), "no row of that model")


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
    assert clean.execute(f"UPDATE camera_minutes SET {change} WHERE camera = 'south'") == 1
    report = clean.verify()
    assert counts(report) == (0, 0, 0, 1)
    assert told(report, "camera_minutes", SOUTH, change.split(" = ")[0])


@pytest.mark.parametrize("statement", ["DELETE FROM", "INSERT INTO"])
def test_a_minute_too_few_or_too_many_is_unexplained(clean: FilledLine, statement: str) -> None:
    if statement == "DELETE FROM":
        clean.execute("DELETE FROM camera_minutes WHERE camera = 'south'")
    else:
        clean.execute("INSERT INTO camera_minutes VALUES ('x', now(), 1, 0, 0, 0, '{}', 0, NULL)")
    assert counts(clean.verify()) == (0, 0, 0, 1)


def test_a_removed_alert_event_is_lost(clean: FilledLine) -> None:
    removed = "DELETE FROM alert_events WHERE camera = 'south' AND change = 'cleared'"
    assert clean.execute(removed) == 1
    report = clean.verify()
    assert counts(report) == (1, 0, 0, 1)
    assert told(report, "lost", "people/south/1", "cleared", "alerts[1]@1")
    assert told(report, "unexplained", "alerts: people/south/1", "cleared")


def test_a_removed_alert_is_unexplained(clean: FilledLine) -> None:
    assert clean.execute("DELETE FROM alerts WHERE camera = 'south'") == 1
    report = clean.verify()
    assert counts(report) == (0, 0, 0, 1)
    assert told(report, "people/south/1", "there is no such row")


@pytest.mark.parametrize(
    "change",
    ["severity = 'info'", "text = ''", "boxes = '[]'", "ended_at = now()", "alerts_offset = 9"],
)
def test_a_changed_alert_event_is_unexplained(clean: FilledLine, change: str) -> None:
    where = "camera = 'south' AND change = 'cleared'"
    assert clean.execute(f"UPDATE alert_events SET {change} WHERE {where}") == 1
    report = clean.verify()
    assert counts(report)[:3] == (0, 0, 0)
    named = "place" if "offset" in change else change.split(" = ")[0]
    assert told(report, "unexplained", "people/south/1 cleared", named)


def test_an_alert_event_that_no_message_brought_is_unexplained(clean: FilledLine) -> None:
    clean.execute("UPDATE alert_events SET at = at + interval '1 s' WHERE change = 'raised'")
    report = clean.verify()
    assert counts(report)[0] == 2
    assert told(report, "unexplained", "no message on alerts")
