"""What holds for any sequence of ticks, repeats, stale ones, wrong clocks and bad pictures."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.messages import Captured, Kept, RawRecord, Rejected, Unchanged
from stream_processors.processor import CameraGate
from stream_processors.settings import GateSettings
from tests.stream_processors.ticks import (
    CAMERA,
    S,
    captured,
    missing,
    scene,
    slightly_other,
)

# The machine may be busy: no time is a failure.
CALM = settings(max_examples=50)
SETTINGS = GateSettings(refresh_s=20, audit_rate=0.1)


@dataclass(frozen=True)
class Delivery:
    """A record as it comes from the broker, and whether it is the first delivery of a good tick."""

    record: RawRecord
    appended_at_us: int
    first: bool


PICTURES = (scene(1), slightly_other(1), scene(2), scene(1)[:-30], b"")


@st.composite
def deliveries(draw: st.DrawFn) -> list[Delivery]:
    """A camera's life: runs of ticks that go forward, with everything between that may happen."""
    given: list[Delivery] = []
    at_s, run, seq = 0, 0, 0
    told: Captured | None = None  # what a gate at the edge refers to
    for _ in range(draw(st.integers(1, 25))):
        event = draw(st.sampled_from("tttttmrrscneeee"))
        if event in "tme":
            at_s += draw(st.integers(1, 12))
            record: RawRecord = missing(at_s, seq, run=f"run{run}")
            if event == "t":
                record = captured(at_s, seq, draw(st.sampled_from(PICTURES)), run=f"run{run}")
                told = None
            elif event == "e":
                record = at_the_edge(captured(at_s, seq, scene(1), run=f"run{run}"), told)
                told = record if isinstance(record, Captured) else told
            given.append(Delivery(record, record.captured_at_us + S, first=True))
            seq += 1
        elif event == "r" and given:
            # A producer repeats what it has not seen acknowledged: of its own run.
            mine = [d for d in given if d.first and d.record.run == f"run{run}"]
            if mine:
                again = draw(st.sampled_from(mine))
                given.append(Delivery(again.record, again.appended_at_us + S, first=False))
        elif event == "s" and at_s:
            stale = captured(draw(st.integers(0, at_s)), 0, scene(2), run="elsewhere")
            given.append(Delivery(stale, stale.captured_at_us + S, first=False))
        elif event == "c":
            wrong = captured(at_s + 7200, seq, scene(2), run=f"run{run}")
            given.append(Delivery(wrong, wrong.captured_at_us - 7000 * S, first=False))
        elif event == "n":
            run, seq, told = run + 1, 0, None
    return given


def at_the_edge(frame: Captured, reference: Captured | None) -> RawRecord:
    """The frame as a gate at the edge sends it: the same as its reference, for less than 20 s."""
    if reference is None or (frame.captured_at_us - reference.captured_at_us) >= 20 * S:
        return msgspec.structs.replace(frame, because="changed", score=9.5)
    return Unchanged(
        camera=frame.camera,
        captured_at=frame.captured_at,
        run=frame.run,
        seq=frame.seq,
        same_as=reference.frame,
    )


def _take(gate: CameraGate, given: list[Delivery], offset: int = 0) -> list[object]:
    outcomes: list[object] = []
    for number, delivery in enumerate(given, offset):
        outcome = gate.take(
            delivery.record,
            appended_at_us=delivery.appended_at_us,
            raw_offset=number,
            took_us=number,
        )
        outcomes.append((outcome.record, outcome.dead and outcome.dead.reason))
    return outcomes


@CALM
@given(deliveries())
def test_first_occurrences_leave_in_order_exactly_once(given: list[Delivery]) -> None:
    gate = CameraGate(CAMERA, SETTINGS)
    left: list[str] = []
    for number, delivery in enumerate(given):
        record = gate.take(
            delivery.record, appended_at_us=delivery.appended_at_us, raw_offset=number, took_us=0
        ).record
        if delivery.first:
            assert record is not None
            assert not (isinstance(record, Rejected) and record.reason in ("late", "clock"))
            left.append(record.frame)
        else:
            assert record is None or (
                isinstance(record, Rejected) and record.reason in ("late", "clock")
            )
    assert left == [d.record.frame for d in given if d.first]


@CALM
@given(deliveries(), st.integers(0, 40))
def test_a_gate_restored_at_any_point_gives_what_the_other_gives(
    given: list[Delivery], at: int
) -> None:
    through = CameraGate(CAMERA, SETTINGS)
    whole = _take(through, given)
    first = CameraGate(CAMERA, SETTINGS)
    before = _take(first, given[:at])
    restored = CameraGate(CAMERA, SETTINGS, first.state())
    assert before + _take(restored, given[at:], len(before)) == whole
    assert restored.state() == through.state()


@CALM
@given(deliveries())
def test_unchanged_refers_to_the_last_kept_frame_within_the_refresh_interval(
    given: list[Delivery],
) -> None:
    gate = CameraGate(CAMERA, SETTINGS)
    kept: Kept | None = None
    for number, delivery in enumerate(given):
        record = gate.take(
            delivery.record, appended_at_us=delivery.appended_at_us, raw_offset=number, took_us=0
        ).record
        if isinstance(record, Kept):
            kept = record
        elif isinstance(record, Unchanged):
            assert kept is not None
            assert record.same_as == kept.frame
            assert record.captured_at_us - kept.captured_at_us < 20 * S


@CALM
@given(deliveries(), deliveries())
def test_late_ticks_repeats_and_wrong_clocks_change_no_later_outcome(
    given: list[Delivery], more: list[Delivery]
) -> None:
    clean = [d for d in given if d.first]
    with_faults, without = CameraGate(CAMERA, SETTINGS), CameraGate(CAMERA, SETTINGS)
    _take(with_faults, given)
    _take(without, clean)
    assert with_faults.state() == without.state()
