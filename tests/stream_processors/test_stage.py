"""The gate stage over values: messages in, the outbox filled, state handed on."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from runtime.dead_letters import Origin, read_letter
from runtime.errors import TooManyFailures
from runtime.metrics import Metrics
from runtime.outbox import Batch, Outbox, Output
from runtime.recovery import Taken
from schemas.codec import Received, Wire, decode_gated, decode_snapshot, encode_frame
from schemas.messages import GatedRecord, Kept, RawRecord, Rejected, Unchanged, from_us
from stream_processors.settings import GateSettings
from stream_processors.stage import GateStage
from tests.stream_processors.ticks import CAMERA, NOON, S, captured, missing, scene, slightly_other
from vision.jpeg import inspect

TOPICS = {name: f"t.{name}" for name in ("frames-raw", "frames-gated", "gate-state")}
NEVER_S = 1e9
NO_AUDIT = GateSettings(audit_rate=0.0)


class Line:
    """The stage on partition 3, fed in order."""

    def __init__(
        self,
        taken: Taken | None = None,
        ungated: Collection[str] = (),
        settings: GateSettings = NO_AUDIT,
        magnified: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.metrics = Metrics()
        self.outbox = Outbox(NEVER_S)
        self.stage = GateStage(
            settings, self.outbox, self.metrics, lambda: NOON, TOPICS, ungated, magnified
        )
        self.stage.input_id = "id"
        self.stage.own(3, taken or Taken(0))
        self.offset = taken.start if taken else 0

    def feed(self, *wires: Wire) -> None:
        for wire in wires:
            self.at(self.offset, wire)
            self.offset += 1

    def at(self, offset: int, wire: Wire, partition: int = 3) -> None:
        message = Received(wire.key, wire.value, list(wire.headers))
        origin = Origin("t.frames-raw", partition, offset)
        self.stage.take(message, origin, NOON + 3600 * S)

    def learn(self, offset: int, wire: Wire, partition: int = 3) -> None:
        self.stage.learn(received(wire), Origin("t.detections", partition, offset))

    def batch(self, *, final: bool = False) -> Batch:
        batch = self.outbox.take(0.0, self.stage.snapshot, final=final)
        assert batch is not None
        return batch

    def count(self, name: str) -> float:
        text = generate_latest(self.metrics.registry).decode()
        start = name if "{" in name else f"{name}{{"
        lines = [line for line in text.splitlines() if line.startswith(start)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def wire(record: RawRecord) -> Wire:
    return encode_frame(record, "produce")


def to(outputs: list[Output], topic: str) -> list[Wire]:
    return [output.wire for output in outputs if output.topic == f"t.{topic}"]


def records(outputs: list[Output]) -> list[GatedRecord]:
    return [decode_gated(received(one)) for one in to(outputs, "frames-gated")]


def received(one: Wire) -> Received:
    return Received(one.key, one.value, list(one.headers))


def without_header(one: Wire, name: str) -> Wire:
    return Wire(one.key, one.value, [header for header in one.headers if header[0] != name])


def test_every_tick_leaves_a_record_in_order_on_the_partition_it_came_from() -> None:
    line = Line()
    ticks: list[RawRecord] = [
        captured(0, 0, scene(1)),
        captured(1, 1, slightly_other(1)),
        missing(2, 2),
    ]
    line.feed(*[wire(tick) for tick in ticks])
    batch = line.batch()
    found = records(batch.outputs)
    assert [one.status for one in found] == ["kept", "unchanged", "missing"]
    assert [one.raw_offset for one in found] == [0, 1, 2]
    assert {output.partition for output in batch.outputs} == {3}
    assert batch.offsets == {3: 3}
    assert line.count("onehertz_records_taken_total") == 3
    assert line.count("onehertz_records_given_total") == 3


def test_what_is_not_owned_or_was_worked_on_changes_nothing() -> None:
    line = Line(Taken(5))
    first = wire(captured(0, 0, scene(1)))
    line.at(4, first)
    line.at(5, first, partition=2)
    line.at(5, first)
    line.at(5, first)
    assert [one.raw_offset for one in records(line.batch().outputs)] == [5]
    line.stage.disown_all()
    line.at(6, first)
    assert line.outbox.waiting() == 0


def test_a_repeated_tick_leaves_nothing_and_is_counted() -> None:
    line = Line()
    tick = wire(captured(0, 0, scene(1)))
    line.feed(tick, tick)
    assert len(records(line.batch().outputs)) == 1
    assert line.count("onehertz_repeats_total") == 1


def test_a_picture_that_is_none_is_rejected_and_a_dead_letter_in_one_batch() -> None:
    line = Line()
    broken = wire(captured(0, 0, b"no JPEG"))
    line.feed(broken)
    outputs = line.batch().outputs
    [rejected] = records(outputs)
    assert isinstance(rejected, Rejected)
    [letter] = [read_letter(received(one)) for one in to(outputs, "frames-raw-dlq")]
    assert letter.origin == Origin("t.frames-raw", 3, 0)
    assert letter.original == broken
    assert (letter.stage, letter.reason) == ("gate", rejected.reason)
    assert line.count("onehertz_dead_letters_total") == 1


def test_a_message_that_is_no_tick_is_a_dead_letter_and_the_line_goes_on() -> None:
    line = Line()
    tick = wire(captured(0, 0, scene(1)))
    line.feed(without_header(tick, "ce_time"), Wire(b"", b"", []), tick)
    outputs = line.batch().outputs
    assert len(to(outputs, "frames-raw-dlq")) == 2
    assert [one.status for one in records(outputs)][-1] == "kept"


def test_where_nothing_went_on_there_is_no_snapshot() -> None:
    """Else a new owner of a topic made anew would trust the old one's end of the output."""
    line = Line()
    impossible = captured(0, 0, scene(1))
    impossible = msgspec.structs.replace(impossible, captured_at=from_us(NOON + 5 * 86_400 * S))
    line.feed(wire(impossible))
    outputs = line.batch(final=True).outputs
    assert len(to(outputs, "frames-raw-dlq")) == 1
    assert to(outputs, "gate-state") == []


def test_frames_of_an_ungated_camera_are_all_kept() -> None:
    line = Line(ungated=[CAMERA])
    line.feed(*[wire(captured(n, n, scene(1))) for n in range(3)])
    assert all(isinstance(one, Kept) for one in records(line.batch().outputs))


def test_frames_of_a_camera_that_is_looked_at_in_tiles_go_on_larger() -> None:
    def longest(**rest: Any) -> int:
        line = Line(settings=NO_AUDIT.model_copy(update={"largest_side_px": 40}), **rest)
        line.feed(wire(captured(0, 0, scene(1))))
        [kept] = records(line.batch().outputs)
        return max(inspect(kept.jpeg).size)

    assert longest() == 40
    assert longest(magnified={CAMERA: 2}) == 64
    assert longest(magnified={"another": 2}) == 40


def test_a_new_owner_goes_on_with_the_state_of_the_one_before() -> None:
    before = Line()
    before.feed(wire(captured(0, 0, scene(1))))
    [snapshot] = [
        decode_snapshot(received(one)) for one in to(before.batch().outputs, "gate-state")
    ]
    assert (snapshot.topic_id, snapshot.partition, snapshot.offset) == ("id", 3, 1)
    after = Line(Taken(1, states={CAMERA: snapshot.state}))
    after.feed(wire(captured(1, 1, slightly_other(1))))
    [unchanged] = records(after.batch().outputs)
    assert isinstance(unchanged, Unchanged)
    assert after.count("onehertz_cameras") == 1


def test_a_state_that_can_not_be_read_costs_one_inference(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        line = Line(Taken(1, states={CAMERA: b"damaged"}))
    assert f"{CAMERA}: state dropped, it starts anew" in caplog.text
    line.feed(wire(captured(1, 1, scene(1))))
    [first] = records(line.batch().outputs)
    assert isinstance(first, Kept)


def test_too_many_bad_messages_in_a_row_stop_the_stage() -> None:
    line = Line()
    tick = without_header(wire(captured(0, 0, scene(1))), "ce_type")
    bad = [Wire(b"camera%d" % (n % 3), tick.value, tick.headers) for n in range(200)]
    with pytest.raises(TooManyFailures, match="this stage is broken"):
        line.feed(*bad)
    assert line.offset == 99


@hypothesis.settings(max_examples=20)
@given(
    pictures=st.lists(st.integers(0, 3), min_size=1, max_size=12),
    cut=st.integers(0, 12),
    published=st.integers(0, 4),
)
def test_an_owner_that_takes_over_anywhere_gives_what_an_uninterrupted_one_does(
    pictures: list[int], cut: int, published: int
) -> None:
    ticks = [
        wire(captured(n, n, (scene if which < 2 else slightly_other)(which % 2)))
        for n, which in enumerate(pictures)
    ]
    whole = Line()
    whole.feed(*ticks)
    expected = to(whole.batch().outputs, "frames-gated")

    first = Line()
    first.feed(*ticks[:cut])
    batch = first.outbox.take(0.0, first.stage.snapshot, final=True)
    outputs = batch.outputs if batch else []
    states = {
        snapshot.camera: snapshot.state
        for snapshot in (decode_snapshot(received(one)) for one in to(outputs, "gate-state"))
    }
    # The first owner published a little more, without snapshots, and died.
    first.feed(*ticks[cut : cut + published])
    more = first.outbox.take(0.0, first.stage.snapshot)
    out = to(outputs, "frames-gated") + (to(more.outputs, "frames-gated") if more else [])
    start = min(cut, len(ticks))
    second = Line(Taken(start, published_to=len(out) - 1, states=states))
    second.feed(*ticks[start:])
    rest = second.outbox.take(0.0, second.stage.snapshot)
    out += to(rest.outputs, "frames-gated") if rest else []
    assert out == expected
