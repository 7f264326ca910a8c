"""The topic catalogue: complete, and set up so that nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import msgspec
import pytest

from schemas import codec, headers
from schemas import messages as m
from schemas.catalogue import DLQ_SUFFIX, MessageName, TopicSpec, topics
from schemas.example_messages import DECODERS, examples

ROOT = Path(__file__).parents[2]
STAGE_TOPICS = [topic for topic in topics() if not topic.endswith(DLQ_SUFFIX)]
# Rooms of the design that are not furnished yet.
PLANNED = {"sinks.evidence", "sinks.notify"}
LONGEST_SAME_AS_S = 600
HEADER_ROOM_BYTES = headers.MAX_SIGNATURE_BYTES + 16 * headers.MAX_TEXT_BYTES


def test_every_message_type_is_on_a_topic() -> None:
    carried = {name for spec in topics().values() for name in spec.messages}

    assert carried == {kind.__name__ for kind in get_args(m.Message)} == set(get_args(MessageName))


def test_every_topic_of_messages_has_a_decoder() -> None:
    assert set(DECODERS) == set(STAGE_TOPICS)


@pytest.mark.parametrize("topic", topics())
def test_producer_and_consumers_name_folders(topic: str) -> None:
    spec = topics()[topic]
    for role in (spec.producer, *spec.consumers):
        folder = ROOT.joinpath(*role.split("."))
        assert folder.is_dir() or role in PLANNED, f"{topic}: there is no {folder}"


# State has no dead letters: a stage whose own snapshot is broken stops.
@pytest.mark.parametrize("topic", [name for name in STAGE_TOPICS if not topics()[name].compacted])
def test_a_topic_of_messages_has_dead_letters(topic: str) -> None:
    spec, dead = topics()[topic], topics()[topic + DLQ_SUFFIX]

    assert dead.messages == ()
    assert dead.producer.split(".")[0] in {consumer.split(".")[0] for consumer in spec.consumers}
    assert dead.retention_hours is not None
    assert dead.retention_hours >= 14 * 24
    assert dead.max_message_bytes >= spec.max_message_bytes + HEADER_ROOM_BYTES


@pytest.mark.parametrize("topic", topics())
def test_retention_goes_by_the_brokers_clock(topic: str) -> None:
    assert topics()[topic].config()["message.timestamp.type"] == "LogAppendTime"


@pytest.mark.parametrize("topic", topics())
def test_retention_is_far_longer_than_an_unchanged_frame_reaches_back(topic: str) -> None:
    spec = topics()[topic]
    if spec.compacted:
        assert spec.retention_hours is None
        assert spec.config()["cleanup.policy"] == "compact"
        assert "retention.ms" not in spec.config()
        return
    assert spec.config()["cleanup.policy"] == "delete"
    assert int(spec.config()["retention.ms"]) >= 100 * LONGEST_SAME_AS_S * 1000


@pytest.mark.parametrize(
    ("topic", "value_bytes"),
    [
        ("frames-raw", codec.MAX_JPEG_BYTES),
        ("frames-gated", codec.MAX_JPEG_BYTES),
        ("detections", codec.MAX_JSON_BYTES),
        ("alerts", codec.MAX_JSON_BYTES),
    ],
)
def test_the_largest_message_that_the_codec_writes_fits_its_topic(
    topic: str, value_bytes: int
) -> None:
    assert value_bytes + HEADER_ROOM_BYTES <= topics()[topic].max_message_bytes


@pytest.mark.parametrize("topic", ["gate-state", "rule-state"])
def test_the_largest_state_fits_its_topic(topic: str) -> None:
    example = next(example for example in examples() if example.topic == topic)
    head = sum(len(name) + len(value) for name, value in example.wire().headers)

    assert codec.MAX_STATE_BYTES + 4 * head <= topics()[topic].max_message_bytes


def test_pictures_are_not_compressed_again_and_json_is() -> None:
    compression = {topic: spec.config()["compression.type"] for topic, spec in topics().items()}

    assert compression["frames-raw"] == compression["frames-gated"] == "uncompressed"
    assert compression["detections"] == compression["alerts"] == "zstd"


def test_a_typo_in_the_catalogue_is_an_error() -> None:
    spec = msgspec.to_builtins(topics()["alerts"]) | {"retention_days": 3}

    with pytest.raises(msgspec.ValidationError, match="retention_days"):
        msgspec.convert(spec, TopicSpec)


def test_a_topic_with_create_time_is_an_error() -> None:
    spec = msgspec.to_builtins(topics()["alerts"]) | {"timestamp_type": "CreateTime"}

    with pytest.raises(msgspec.ValidationError, match="CreateTime"):
        msgspec.convert(spec, TopicSpec)
