"""Topics on which something is missing, doubled, swapped or made up, or only looks so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from schemas.codec import Wire, encode_frame
from schemas.messages import Kept, Missing, Rejected, Unchanged
from tests.onehertz.verify.filled import FilledLine, counts, told
from tests.onehertz.verify.story import NORTH, PLAN, SOUTH, Story, captured, frame, tell, tick

pytestmark = pytest.mark.stack

Fill = Callable[..., FilledLine]
TICKS = len(PLAN)


def only_north(prefix: str, **rest: Any) -> Story:
    return tell(prefix, cameras=[NORTH], **rest)


def changed(story: Story, topic: str, offset: int, **fields: Any) -> None:
    """Changes a record of frames-gated or detections of the camera north where it lies."""
    stage, records = ("infer", story.results[0]) if topic == "detections" else ("gate", [])
    record = records[offset] if records else fields.pop("record")
    record = msgspec.structs.replace(record, **fields)
    if records:
        records[offset] = record
    story.wires(topic, 0)[offset] = encode_frame(record, stage)  # type: ignore[arg-type] # a Stage


# ---------------------------------------------------------------- lost


def test_a_tick_missing_on_frames_gated_is_lost(fill: Fill) -> None:
    missing = {("frames-gated", frame(NORTH, 4))}
    line = fill(lambda prefix: only_north(prefix, without=missing))
    report = line.verify()
    assert counts(report)[:3] == (1, 0, 0)
    assert told(report, "lost", frame(NORTH, 4), "not in frames-gated", "frames-raw[0]@4")
    assert (report.ticks, report.rows) == (TICKS, TICKS - 1)


def test_a_tick_missing_on_detections_is_lost(fill: Fill) -> None:
    missing = {("detections", frame(NORTH, 2))}
    report = fill(lambda prefix: only_north(prefix, without=missing)).verify()
    assert counts(report) == (1, 0, 0, 0)
    assert told(report, "lost", frame(NORTH, 2), "not in detections", "frames-gated[0]@2")


def test_a_gap_in_a_runs_numbers_is_lost(fill: Fill) -> None:
    missing = {("frames-raw", frame(NORTH, 2)), ("frames-raw", frame(NORTH, 3))}
    report = fill(lambda prefix: only_north(prefix, without=missing)).verify()
    assert counts(report) == (2, 0, 0, 0)
    assert told(report, "lost", f"run-of-{NORTH}", "no number 2 to 3", "frames-raw[0]@2")


def test_a_run_that_ends_early_has_no_gap(fill: Fill) -> None:
    missing = {("frames-raw", frame(NORTH, second)) for second in (7, 8, 9)}
    assert fill(lambda prefix: only_north(prefix, without=missing)).verify().ok


def test_what_no_stage_has_passed_is_in_flight_and_not_lost(fill: Fill) -> None:
    missing = {("detections", frame(NORTH, 9)), ("frames-gated", frame(SOUTH, 9))}
    report = fill(lambda prefix: tell(prefix, without=missing), done=False).verify()
    assert counts(report) == (0, 0, 0, 0)
    assert (report.in_flight, report.ok, report.waiting_for) == (2, False, "gate")


def test_rows_that_the_sink_has_not_written_yet_are_in_flight(fill: Fill) -> None:
    line = fill(only_north, done=False, rows=False)
    report = line.verify()
    assert counts(report) == (0, 0, 0, 0)
    assert (report.in_flight, report.rows) == (TICKS + 2, 0)  # and two changes of an alert


# ---------------------------------------------------------------- twice


def test_a_tick_under_another_partition_too_is_twice(fill: Fill) -> None:
    def write(prefix: str) -> Story:
        story = only_north(prefix)
        story.frame("frames-raw", 1, captured(NORTH, 5), "produce")
        return story

    report = fill(write).verify()
    assert counts(report) == (0, 1, 0, 0)
    assert told(report, "twice", frame(NORTH, 5), "partition 1", "frames-raw[1]@0")
    assert (report.ticks, report.rows) == (TICKS, TICKS)


def test_a_number_that_names_two_ticks_is_twice(fill: Fill) -> None:
    def write(prefix: str) -> Story:
        story = only_north(prefix)
        story.frame("frames-raw", 0, captured(NORTH, 10, seq=9), "produce")
        own = tick(NORTH, 10, seq=9, raw_offset=TICKS)
        rejected = Rejected(**own, reason="late")
        gated = story.frame("frames-gated", 0, rejected, "gate")
        own |= {"gated_offset": gated}
        story.frame("detections", 0, Rejected(**own, reason="late"), "infer")
        return story

    report = fill(write).verify()
    assert counts(report) == (0, 1, 0, 0)
    assert told(report, "twice", frame(NORTH, 10), "number 9")


def test_repeated_deliveries_are_harmless_everywhere(fill: Fill) -> None:
    def write(prefix: str) -> Story:
        story = tell(prefix)
        for wires in [story.wires("frames-raw", 0), story.wires("alerts", 1)]:
            wires.extend(wires[:])
        for topic in ("detections", "detections"):
            story.wires(topic, 0).extend(story.wires(topic, 0)[3:6])
            story.results[0].extend(story.results[0][3:6])
        return story

    report = fill(write).verify()
    assert report.findings.first(5) == []
    assert (report.ok, report.ticks, report.rows) == (True, 2 * TICKS, 2 * TICKS)


def test_the_same_ticks_from_another_run_are_rejected_and_harmless(fill: Fill) -> None:
    def write(prefix: str) -> Story:
        story = only_north(prefix)
        for second in range(3):
            raw = story.frame("frames-raw", 0, captured(NORTH, second, run="again"), "produce")
            own = tick(NORTH, second, run="again", raw_offset=raw)
            own["gated_offset"] = story.frame(
                "frames-gated", 0, Rejected(**own, reason="late"), "gate"
            )
            story.frame("detections", 0, Rejected(**own, reason="late"), "infer")
        return story

    report = fill(write).verify()
    assert report.findings.first(5) == []
    assert (report.ok, report.rows) == (True, TICKS)


# ---------------------------------------------------------------- order


@pytest.mark.parametrize("topic", ["frames-gated", "detections"])
def test_two_records_that_were_swapped_are_out_of_order(fill: Fill, topic: str) -> None:
    def write(prefix: str) -> Story:
        story = only_north(prefix)
        wires = story.wires(topic, 0)
        wires[6], wires[7] = wires[7], wires[6]
        if topic == "detections":
            records = story.results[0]
            records[6], records[7] = records[7], records[6]
        return story

    report = fill(write).verify()
    assert counts(report)[:3] == (0, 0, 1)
    assert told(report, "out_of_order", frame(NORTH, 6), f"{topic}[0]@7")


def test_ticks_of_one_run_that_were_swapped_are_out_of_order(fill: Fill) -> None:
    def write(prefix: str) -> Story:
        story = only_north(prefix)
        wires = story.wires("frames-raw", 0)
        wires[1], wires[2] = wires[2], wires[1]
        return story

    report = fill(write).verify()
    assert told(report, "out_of_order", frame(NORTH, 1), "frames-raw[0]@2")
    assert told(report, "unexplained", frame(NORTH, 1), "comes from", "frames-raw[0]@1")
    assert counts(report)[:2] == (0, 0)


def test_a_clock_that_is_ahead_moves_no_order(fill: Fill) -> None:
    ahead = datetime.now(UTC) + timedelta(minutes=10)

    def write(prefix: str) -> Story:
        story = only_north(prefix)
        wrong = {"captured_at": ahead, "run": "wrong-clock", "seq": 0}
        raw = story.frame("frames-raw", 0, captured(NORTH, 0, **wrong), "produce")
        own = tick(NORTH, 0, **wrong) | {"raw_offset": raw}
        own["gated_offset"] = story.frame(
            "frames-gated", 0, Rejected(**own, reason="clock"), "gate"
        )
        story.frame("detections", 0, Rejected(**own, reason="clock"), "infer")
        late = tick(NORTH, 10) | {"raw_offset": raw + 1}
        story.frame("frames-raw", 0, Missing(**tick(NORTH, 10), reason="stalled"), "produce")
        late["gated_offset"] = story.frame(
            "frames-gated", 0, Missing(**late, reason="stalled"), "gate"
        )
        story.frame("detections", 0, Missing(**late, reason="stalled"), "infer")
        return story

    report = fill(write).verify()
    assert report.findings.first(5) == []
    assert report.ok


# ---------------------------------------------------------------- unexplained


def test_same_as_a_frame_that_was_never_there_is_unexplained(fill: Fill) -> None:
    nowhere = f"{NORTH}@{int(frame(NORTH, 6).split('@')[1]) + 500_000}"

    def write(prefix: str) -> Story:
        story = only_north(prefix)
        own = tick(NORTH, 9, raw_offset=9)
        gated = Unchanged(**own, same_as=nowhere, score=0.25)
        story.wires("frames-gated", 0)[9] = encode_frame(gated, "gate")
        changed(story, "detections", 9, same_as=nowhere)
        return story

    report = fill(write).verify()
    assert counts(report) == (0, 0, 0, 2)
    assert told(report, frame(NORTH, 9), nowhere, "not kept", "frames-gated[0]@9")
    assert told(report, frame(NORTH, 9), nowhere, "no model has looked at", "detections[0]@9")


def test_same_as_a_frame_beyond_the_refresh_limit_is_unexplained(fill: Fill) -> None:
    def write(prefix: str) -> Story:
        story = only_north(prefix)
        far = tick(NORTH, 607, seq=10)
        story.frame("frames-raw", 0, captured(NORTH, 607, seq=10), "produce")
        far |= {"raw_offset": 10}
        same: dict[str, Any] = {"same_as": frame(NORTH, 6), "score": 0.25}
        gated = story.frame("frames-gated", 0, Unchanged(**far, **same), "gate")
        story.frame("detections", 0, Unchanged(**far, **same, gated_offset=gated), "infer")
        return story

    report = fill(write).verify()
    assert counts(report) == (0, 0, 0, 2)
    assert told(report, frame(NORTH, 607), "601 s before")


def at_the_edge(story: Story, second: int, same_as: str) -> None:
    """The tick was dropped by a gate at the edge already."""
    same = Unchanged(**tick(NORTH, second), same_as=same_as, score=0.25)
    story.wires("frames-raw", 0)[second] = encode_frame(same, "produce")


def test_what_a_gate_at_the_edge_kept_and_dropped_is_as_good(fill: Fill) -> None:
    def write(prefix: str) -> Story:
        story = only_north(prefix)
        kept = msgspec.structs.replace(captured(NORTH, 0), because="changed", score=3.5)
        story.wires("frames-raw", 0)[0] = encode_frame(kept, "produce")
        at_the_edge(story, 1, frame(NORTH, 0))
        return story

    assert fill(write).verify().ok


def test_what_the_edge_kept_and_the_gate_dropped_is_unexplained(fill: Fill) -> None:
    def write(prefix: str) -> Story:
        story = only_north(prefix)
        kept = msgspec.structs.replace(captured(NORTH, 2), because="audit")
        story.wires("frames-raw", 0)[2] = encode_frame(kept, "produce")
        return story

    report = fill(write).verify()
    assert counts(report) == (0, 0, 0, 1)
    assert told(report, frame(NORTH, 2), "kept at the edge (audit), here unchanged")


def test_a_chain_from_the_edge_is_unexplained(fill: Fill) -> None:
    def write(prefix: str) -> Story:
        story = only_north(prefix)
        at_the_edge(story, 1, frame(NORTH, 0))
        at_the_edge(story, 2, frame(NORTH, 1))
        own = tick(NORTH, 2, raw_offset=2)
        gated = Unchanged(**own, same_as=frame(NORTH, 1), score=0.25)
        story.wires("frames-gated", 0)[2] = encode_frame(gated, "gate")
        changed(story, "detections", 2, same_as=frame(NORTH, 1))
        return story

    report = fill(write).verify()
    assert told(report, frame(NORTH, 2), frame(NORTH, 1), "not kept before it", "frames-gated[0]@2")


def test_a_record_that_points_to_another_tick_is_unexplained(fill: Fill) -> None:
    def write(prefix: str) -> Story:
        story = only_north(prefix)
        own = tick(NORTH, 4, raw_offset=3)
        gated = Kept(**own, jpeg=b"smaller", because="changed", score=3.5)
        story.wires("frames-gated", 0)[4] = encode_frame(gated, "gate")
        changed(story, "detections", 4, raw_offset=3)
        return story

    report = fill(write).verify()
    assert told(report, "unexplained", frame(NORTH, 4), "frames-raw[0]@3", frame(NORTH, 3))


def test_a_result_that_does_not_follow_from_its_tick_is_unexplained(fill: Fill) -> None:
    def write(prefix: str) -> Story:
        story = only_north(prefix)
        own = tick(NORTH, 0, raw_offset=0, gated_offset=0)
        story.results[0][0] = Missing(**own, reason="stalled")
        story.wires("detections", 0)[0] = encode_frame(story.results[0][0], "infer")
        return story

    report = fill(write).verify()
    assert told(report, frame(NORTH, 0), "kept on frames-gated, here missing")


def test_a_dead_letter_without_an_origin_is_unexplained(fill: Fill) -> None:
    def write(prefix: str) -> Story:
        story = only_north(prefix)
        letter = story.wires("frames-raw-dlq", 0)[0]
        bare = [one for one in letter.headers if not one[0].startswith("dlq_")]
        story.put("frames-raw-dlq", 0, Wire(letter.key, letter.value, bare))
        return story

    report = fill(write).verify()
    assert counts(report) == (0, 0, 0, 1)
    assert told(report, "dead letter", "where it comes from", "frames-raw-dlq[0]@1")


@pytest.mark.parametrize(
    ("header", "value", "said"),
    [
        ("dlq_offset", b"400", "nothing lies"),
        ("dlq_offset", b"2", "is not the message"),
        ("dlq_topic", b"elsewhere", "elsewhere[0]@5"),
        ("dlq_partition", b"1", "[1]@5"),
        ("dlq_reason", b"", "no reason"),
        ("dlq_stage", b"infer", "does not read"),
    ],
)
def test_a_dead_letter_with_a_wrong_origin_is_unexplained(
    fill: Fill, header: str, value: bytes, said: str
) -> None:
    def write(prefix: str) -> Story:
        story = only_north(prefix)
        letter = story.wires("frames-raw-dlq", 0)[0]
        headers = [(name, value if name == header else own) for name, own in letter.headers]
        story.put("frames-raw-dlq", 0, letter._replace(headers=headers))
        return story

    report = fill(write).verify()
    assert counts(report) == (0, 0, 0, 1)
    assert told(report, "dead letter", said, "frames-raw-dlq[0]@1")


@pytest.mark.parametrize(
    ("topic", "stages"),
    [
        ("frames-raw", ["gate"]),
        ("frames-gated", ["infer"]),
        ("detections", ["sql", "alerts"]),
        ("alerts", ["sql"]),
    ],
)
def test_a_message_that_nobody_can_use_needs_a_dead_letter_of_each_reader(
    fill: Fill, topic: str, stages: list[str]
) -> None:
    def write(prefix: str, readers: list[str]) -> Story:
        story = tell(prefix)
        partition = 1
        offset = story.put(topic, partition, Wire(b"south", b"no message", []))
        for stage in readers:
            story.letter(topic, partition, offset, stage, "missing-header")
        return story

    assert fill(lambda prefix: write(prefix, stages)).verify().ok
    report = fill(lambda prefix: write(prefix, stages[1:])).verify()
    assert counts(report) == (0, 0, 0, 1)
    assert told(report, "no dead letter from " + stages[0], f"{topic}[1]@", "missing-header")


def test_an_impossible_time_is_no_tick_and_needs_a_dead_letter_only(fill: Fill) -> None:
    impossible = datetime.now(UTC) + timedelta(days=2)

    def write(prefix: str) -> Story:
        story = only_north(prefix)
        wrong = {"captured_at": impossible, "seq": 10}
        offset = story.frame("frames-raw", 0, captured(NORTH, 0, **wrong), "produce")
        story.letter("frames-raw", 0, offset, "gate", "capture-time")
        return story

    report = fill(write).verify()
    assert report.findings.first(5) == []
    assert (report.ok, report.ticks) == (True, TICKS)


def test_an_impossible_time_without_a_dead_letter_is_unexplained(fill: Fill) -> None:
    impossible = datetime.now(UTC) + timedelta(days=2)

    def write(prefix: str) -> Story:
        story = only_north(prefix)
        wrong = {"captured_at": impossible, "seq": 10}
        story.frame("frames-raw", 0, captured(NORTH, 0, **wrong), "produce")
        return story

    report = fill(write).verify()
    assert counts(report) == (0, 0, 0, 1)
    assert told(report, "no dead letter from gate", "capture-time", "frames-raw[0]@10")


def malformed(camera: str, second: float) -> Wire:
    """A captured tick that does not decode; its headers say for certain whose it is."""
    wire = encode_frame(captured(camera, second), "produce")
    headers = [one for one in wire.headers if one[0] != "content-type"]
    return wire._replace(headers=headers)


def test_a_malformed_tick_goes_on_as_rejected(fill: Fill) -> None:
    def write(prefix: str, *, goes_on: bool) -> Story:
        story = only_north(prefix)
        raw = story.put("frames-raw", 0, malformed(NORTH, 10))
        story.letter("frames-raw", 0, raw, "gate", "missing-header")
        if goes_on:
            own = tick(NORTH, 10) | {"raw_offset": raw}
            rejected = Rejected(**own, reason="malformed")
            own["gated_offset"] = story.frame("frames-gated", 0, rejected, "gate")
            story.frame("detections", 0, Rejected(**own, reason="malformed"), "infer")
        return story

    report = fill(lambda prefix: write(prefix, goes_on=True)).verify()
    assert report.findings.first(5) == []
    assert (report.ok, report.ticks, report.rows) == (True, TICKS + 1, TICKS + 1)
    report = fill(lambda prefix: write(prefix, goes_on=False)).verify()
    assert counts(report) == (1, 0, 0, 0)
    assert told(report, "lost", frame(NORTH, 10), "among the dead letters: missing-header")


def test_a_tick_that_is_malformed_on_frames_gated_goes_on_as_rejected(fill: Fill) -> None:
    def write(prefix: str) -> Story:
        story = only_north(prefix)
        story.frame("frames-raw", 0, captured(NORTH, 10), "produce")
        own = tick(NORTH, 10) | {"raw_offset": TICKS}
        wire = encode_frame(Kept(**own, jpeg=b"smaller", because="changed"), "gate")
        headers = [one for one in wire.headers if one[0] != "content-type"]
        gated = story.put("frames-gated", 0, wire._replace(headers=headers))
        story.letter("frames-gated", 0, gated, "infer", "missing-header")
        own["gated_offset"] = gated
        story.frame("detections", 0, Rejected(**own, reason="malformed"), "infer")
        return story

    report = fill(write).verify()
    assert report.findings.first(5) == []
    assert (report.ok, report.ticks, report.rows) == (True, TICKS + 1, TICKS + 1)


def test_a_tick_that_was_rejected_without_a_dead_letter_is_unexplained(fill: Fill) -> None:
    def write(prefix: str) -> Story:
        story = only_north(prefix)
        story.wires("frames-raw-dlq", 0).clear()
        return story

    report = fill(write).verify()
    assert counts(report) == (0, 0, 0, 1)
    assert told(report, frame(NORTH, 5), "not among the dead letters", "frames-raw[0]@5")


def test_an_alert_of_a_tick_that_is_not_there_is_unexplained(fill: Fill) -> None:
    def write(prefix: str) -> Story:
        story = only_north(prefix)
        change = story.changes[0][1]
        later = msgspec.structs.replace(
            change, at=change.at + timedelta(seconds=30), frame=frame(NORTH, 39)
        )
        story.alert(0, later)
        story.alert(0, msgspec.structs.replace(change, evidence=frame(NORTH, 1)))
        return story

    report = fill(write).verify()
    assert told(report, "unexplained", "people/north/1", frame(NORTH, 39), "not on detections")
    assert told(report, "unexplained", "evidence", frame(NORTH, 1), "alerts[0]@3")
