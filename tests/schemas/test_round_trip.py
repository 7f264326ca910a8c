"""What a stage writes, the next one reads: the same message."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import codec
from schemas import messages as m
from schemas.codec import Received
from schemas.example_messages import DECODERS
from schemas.jsonschemas import PAYLOADS
from tests.schemas import strategies as some
from tests.schemas.json_schemas import validator
from tests.schemas.strategies import OnTopic, quick


def without_trace(message: m.Message) -> m.Message:
    """An event has a span of its own: that much differs from the record that was written."""
    if isinstance(message, m.Tick):
        return msgspec.structs.replace(message, traceparent=None)
    return message


@quick
@given(some.on_topics())
def test_every_message_is_read_as_it_was_written(sent: OnTopic) -> None:
    read = DECODERS[sent.topic](Received(*sent.wire()))

    assert without_trace(read) == without_trace(sent.message)


@quick
@given(some.on_topics())
def test_a_message_that_was_read_is_written_in_the_same_bytes(sent: OnTopic) -> None:
    wire = sent.wire()
    read = DECODERS[sent.topic](Received(*wire))

    assert OnTopic(sent.topic, read).wire() == wire


@quick
@given(some.on_topics())
def test_every_json_value_satisfies_its_json_schema(sent: OnTopic) -> None:
    wire = sent.wire()
    if dict(wire.headers).get("content-type") == b"application/json":
        assert sent.message.type in PAYLOADS
        validator(sent.message.type).validate(msgspec.json.decode(wire.value))


@quick
@given(some.raw_records(), st.sampled_from(["produce", "gate", "infer"]))
def test_a_trace_goes_on_with_a_span_per_stage(record: m.RawRecord, stage: codec.Stage) -> None:
    headers = dict(codec.encode_frame(record, stage).headers)
    trace, span = headers["traceparent"].decode().split("-")[1:3]

    if record.traceparent:
        assert trace == record.traceparent.split("-")[1]
    other: codec.Stage = "gate" if stage != "gate" else "infer"
    other_headers = dict(codec.encode_frame(record, other).headers)
    assert span != other_headers["traceparent"].decode().split("-")[2]


@quick
@given(some.on_topics())
def test_a_message_keeps_within_the_headers_and_the_key_that_readers_accept(sent: OnTopic) -> None:
    wire = sent.wire()

    assert wire.key.decode() == sent.message.camera
    assert len({name for name, _ in wire.headers}) == len(wire.headers)
    texts = {name: value.decode() for name, value in wire.headers}
    texts.pop("signature", "")  # seven bits to a byte: UTF-8, and not for people
    assert all(text.isprintable() for text in texts.values())


def tick(**more: object) -> dict[str, object]:
    at = datetime(2026, 11, 22, 12, tzinfo=UTC)
    return {"camera": "a", "captured_at": at, "run": "r", "seq": 0, **more}


def unchanged() -> m.Unchanged:
    record = msgspec.convert(tick(same_as="a@1795330000000000", score=1.5), m.Unchanged)
    assert isinstance(record, m.Unchanged)
    return record


@pytest.mark.parametrize("stage", ["produce", "gate"])
def test_an_unchanged_tick_has_no_value_on_the_frame_topics(stage: codec.Stage) -> None:
    assert codec.encode_frame(unchanged(), stage).value == b""


def test_an_unchanged_tick_is_json_on_detections() -> None:
    value = msgspec.json.decode(codec.encode_frame(unchanged(), "infer").value)

    assert value["status"] == "unchanged"
    assert value["same_as"] == "a@1795330000000000"


def test_a_frame_is_stored_as_the_bare_jpeg() -> None:
    record = msgspec.convert(tick(jpeg=b"\xff\xd8\xff"), m.Captured)

    assert codec.encode_frame(record, "produce").value == b"\xff\xd8\xff"


def test_the_frame_identity_is_the_same_on_every_topic() -> None:
    frames = {dict(codec.encode_frame(unchanged(), stage).headers)["ce_frame"] for stage in STAGES}

    assert frames == {b"a@1795348800000000"}


def test_each_stage_gives_its_event_an_id_of_its_own() -> None:
    ids = {dict(codec.encode_frame(unchanged(), stage).headers)["ce_id"] for stage in STAGES}

    assert len(ids) == len(STAGES)


def test_the_largest_picture_and_the_longest_list_of_boxes_travel() -> None:
    box = m.Box(label="\N{GRINNING FACE}" * 64, score=1 / 3, x1=1 / 7, y1=1 / 7, x2=1 / 3, y2=2 / 3)
    seen = {"model": "m", "boxes": (box,) * 10_000, "because": "first"}
    picture = msgspec.convert(tick(jpeg=b"\xff" * codec.MAX_JPEG_BYTES), m.Captured)
    crowd = m.Inferred(**tick(), **seen)  # type: ignore[arg-type] # checked by encode_frame

    assert codec.decode_raw(Received(*codec.encode_frame(picture, "produce"))) == picture_of(
        picture
    )
    assert codec.decode_result(Received(*codec.encode_frame(crowd, "infer"))).frame == crowd.frame


def picture_of(record: m.Captured) -> m.Captured:
    headers = dict(codec.encode_frame(record, "produce").headers)
    return msgspec.structs.replace(record, traceparent=headers["traceparent"].decode())


STAGES: tuple[codec.Stage, ...] = ("produce", "gate", "infer")
