"""What the detector saw comes back to the gate of its camera."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.dead_letters import Origin
from runtime.recovery import Taken
from schemas.codec import Received, Wire, decode_snapshot, encode_frame
from schemas.messages import Box, Captured, GatedRecord, Kept, ResultRecord, Unchanged
from stream_processors.processor import CameraGate
from stream_processors.settings import GateSettings
from tests.stream_processors.test_stage import Line, received, records, to, wire
from tests.stream_processors.ticks import (
    CAMERA,
    S,
    captured,
    inferred,
    missing,
    not_inferred,
    scene,
    slightly_other,
)

LEARNING = GateSettings(audit_rate=0.0, feedback=True)
SOMEBODY = Box(label="person", score=0.9, x1=0.1, y1=0.1, x2=0.3, y2=0.9)


def take(gate: CameraGate, record: Captured, *, repeated: bool = False) -> GatedRecord:
    outcome = gate.take(
        record,
        appended_at_us=record.captured_at_us + S // 2,
        raw_offset=record.seq,
        took_us=1,
        repeated=repeated,
    )
    assert outcome.record is not None
    return outcome.record


@pytest.fixture
def gate() -> CameraGate:
    """One that has kept the frame at 0 s."""
    made = CameraGate(CAMERA, LEARNING)
    assert isinstance(take(made, captured(0, 0, scene(1))), Kept)
    return made


# ---------------------------------------------------------------- one camera


def test_what_was_seen_on_a_kept_frame_is_learnt_once(gate: CameraGate) -> None:
    assert gate.learn(inferred(0, 0, SOMEBODY))
    assert not gate.learn(inferred(0, 0, SOMEBODY))


def test_what_was_not_kept_not_inferred_or_is_of_another_camera_teaches_nothing(
    gate: CameraGate,
) -> None:
    before = gate.state()
    unchanged = take(gate, captured(1, 1, slightly_other(1)))
    assert isinstance(unchanged, Unchanged)
    useless: list[ResultRecord] = [
        inferred(1, 1),
        inferred(0, 0, camera="street"),
        unchanged,
        missing(2, 2),
        not_inferred(1, 1),
    ]
    after = gate.state()
    assert not any(gate.learn(record) for record in useless)
    assert gate.state() == after != before


def test_nothing_is_learnt_where_it_is_switched_off() -> None:
    for settings in (GateSettings(), GateSettings(enabled=False, feedback=True)):
        gate = CameraGate(CAMERA, settings)
        take(gate, captured(0, 0, scene(1)))
        assert not gate.learn(inferred(0, 0))


def test_after_an_inference_that_failed_the_next_frame_is_kept(gate: CameraGate) -> None:
    assert gate.learn(not_inferred(0, 0))
    assert isinstance(take(gate, captured(1, 1, slightly_other(1))), Kept)


def test_a_state_knows_what_it_has_learnt(gate: CameraGate) -> None:
    """So feedback that comes again after a crash is learnt if, and only if, the state is older."""
    before = gate.state()
    assert gate.learn(inferred(0, 0))
    assert CameraGate(CAMERA, LEARNING, before).learn(inferred(0, 0))
    assert not CameraGate(CAMERA, LEARNING, gate.state()).learn(inferred(0, 0))


def test_after_frames_that_an_earlier_owner_has_judged_the_next_one_is_kept(
    gate: CameraGate,
) -> None:
    """It may have judged otherwise, after other feedback: what it kept may not be what we did."""
    assert isinstance(take(gate, captured(1, 1, slightly_other(1)), repeated=True), Unchanged)
    assert isinstance(take(gate, captured(2, 2, scene(1)), repeated=True), Unchanged)
    gate = CameraGate(CAMERA, LEARNING, gate.state())  # the doubt is part of the state
    kept = take(gate, captured(3, 3, slightly_other(1)))
    assert isinstance(kept, Kept)
    assert kept.because == "refresh"
    after = take(gate, captured(4, 4, scene(1)))
    assert isinstance(after, Unchanged)
    assert after.same_as == kept.frame


def test_a_missing_tick_that_came_twice_is_no_reason_for_doubt(gate: CameraGate) -> None:
    gate.take(missing(1, 1), appended_at_us=0, raw_offset=1, took_us=1, repeated=True)
    assert isinstance(take(gate, captured(2, 2, slightly_other(1))), Unchanged)


def test_without_feedback_what_was_judged_is_judged_alike_and_nothing_is_kept_for_it() -> None:
    gate = CameraGate(CAMERA, GateSettings(audit_rate=0.0))
    take(gate, captured(0, 0, scene(1)), repeated=True)
    assert isinstance(take(gate, captured(1, 1, slightly_other(1))), Unchanged)


@given(
    pictures=st.lists(st.integers(0, 3), min_size=1, max_size=10),
    learnt_before=st.integers(0, 10),
    published=st.integers(0, 6),
)
def test_an_unchanged_frame_equals_one_that_was_published_as_kept(
    pictures: list[int], learnt_before: int, published: int
) -> None:
    """Whatever the second owner of a partition learns at another moment than the first."""
    ticks = [
        captured(n, n, (scene if which < 2 else slightly_other)(which % 2))
        for n, which in enumerate(pictures)
    ]
    first, second = CameraGate(CAMERA, LEARNING), CameraGate(CAMERA, LEARNING)
    out = [take(first, tick) for tick in ticks[:published]]
    for n, tick in enumerate(ticks):
        if n == learnt_before:
            second.learn(not_inferred(0, 0))
        found = take(second, tick, repeated=n < published)
        if n >= published:
            out.append(found)
    kept = {record.frame for record in out if isinstance(record, Kept)}
    assert kept >= {record.same_as for record in out if isinstance(record, Unchanged)}


# ---------------------------------------------------------------- all cameras of a process


def learning_line(taken: Taken | None = None, ungated: tuple[str, ...] = ()) -> Line:
    line = Line(taken or Taken(0, feedback=7), ungated, LEARNING)
    line.feed(wire(captured(0, 0, scene(1))))
    line.batch()
    return line


def result(record: ResultRecord) -> Wire:
    return encode_frame(record, "infer")


def test_a_gate_that_has_learnt_is_saved_with_the_offset_of_what_it_learnt() -> None:
    line = learning_line()
    line.learn(7, result(inferred(0, 0, SOMEBODY)))
    batch = line.batch(final=True)
    assert batch.offsets == {3: 1}
    assert batch.feedback == {3: 8}
    [snapshot] = [decode_snapshot(received(one)) for one in to(batch.outputs, "gate-state")]
    assert (snapshot.camera, snapshot.offset) == (CAMERA, 1)
    assert not CameraGate(CAMERA, LEARNING, snapshot.state).learn(inferred(0, 0))
    assert line.count('onehertz_gate_feedback_total{result="learnt"}') == 1


def test_feedback_that_comes_twice_is_learnt_once_and_counted() -> None:
    line = learning_line()
    once = result(inferred(0, 0))
    line.learn(7, once)
    line.learn(7, once)  # the same record, read again
    line.learn(8, once)  # the worker has sent it twice
    assert line.count('onehertz_gate_feedback_total{result="learnt"}') == 1
    assert line.count('onehertz_gate_feedback_total{result="forgotten"}') == 1


def test_feedback_that_nobody_can_use_is_counted_and_changes_nothing() -> None:
    line = learning_line()
    before_its_camera = result(inferred(0, 0, camera="street"))
    whole = result(inferred(0, 0))
    line.learn(7, before_its_camera)
    line.learn(8, whole, partition=4)  # not owned
    line.learn(9, whole._replace(value=whole.value[:-3]))
    line.learn(10, Wire(b"", b"", []))
    line.learn(11, whole._replace(headers=[*whole.headers, ("ce_type", b"?")]))
    assert line.batch(final=True).feedback == {3: 12}
    assert line.count('onehertz_gate_feedback_total{result="forgotten"}') == 1
    assert line.count('onehertz_gate_feedback_total{result="unusable"}') == 3
    assert line.count('onehertz_gate_feedback_total{result="learnt"}') == 0


def test_feedback_on_another_partition_than_its_cameras_is_not_learnt() -> None:
    line = learning_line()
    line.stage.own(4, Taken(0, feedback=0))
    line.learn(0, result(inferred(0, 0)), partition=4)
    assert line.count('onehertz_gate_feedback_total{result="forgotten"}') == 1


def test_ticks_that_were_not_inferred_are_neither_learnt_nor_counted() -> None:
    line = learning_line()
    same = Unchanged(**_common(inferred(1, 1)), same_as=f"{CAMERA}@1")
    for offset, record in enumerate([same, missing(2, 2), not_inferred(3, 3)], start=7):
        line.learn(offset, result(record))
    assert line.batch(final=True).feedback == {3: 10}
    assert line.count("onehertz_gate_feedback_total") == 0


def test_an_ungated_camera_learns_nothing() -> None:
    line = learning_line(ungated=(CAMERA,))
    line.learn(7, result(inferred(0, 0)))
    assert line.count("onehertz_gate_feedback_total") == 0


def test_a_new_owner_keeps_a_frame_where_it_only_repeats_what_is_out() -> None:
    line = learning_line(Taken(0, published_to=1, feedback=7))
    line.feed(wire(captured(1, 1, slightly_other(1))), wire(captured(2, 2, slightly_other(1))))
    [first] = records(line.batch().outputs)
    assert isinstance(first, Kept)
    assert first.raw_offset == 2


def _common(record: ResultRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in ("camera", "captured_at", "run", "seq")}


def test_a_message_without_headers_is_unusable() -> None:
    line = learning_line()
    line.stage.learn(Received(None, None, None), Origin("t.detections", 3, 7))
    assert line.count('onehertz_gate_feedback_total{result="unusable"}') == 1
