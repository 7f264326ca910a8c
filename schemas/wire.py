"""What a message looks like outside of the code, and how large one may be."""

from __future__ import annotations

from typing import Literal, NamedTuple

from schemas import messages as m
from schemas.headers import HeaderList, RawHeaders

Stage = Literal["produce", "gate", "infer", "alerts"]

# The largest value and its headers together stay below the topics' max_message_bytes.
MAX_KEY_BYTES = 64
MAX_JPEG_BYTES = 8_000_000
MAX_JSON_BYTES = 4 * 1024 * 1024
MAX_STATE_BYTES = 1_000_000

JPEG = b"image/jpeg"
JSON = b"application/json"
BINARY = b"application/octet-stream"


class Wire(NamedTuple):
    """One Kafka message, without its place."""

    key: bytes
    value: bytes
    headers: HeaderList


class Received(NamedTuple):
    """One Kafka message as a client hands it over: nothing is certain yet."""

    key: bytes | None
    value: bytes | None
    headers: RawHeaders | None


def event_id(message: m.Message, stage: str) -> str:
    """What `ce_id` says: unique per event, and the same in every delivery of it."""
    match message:
        case m.Snapshot():
            return f"{message.camera}/{stage}/{message.topic_id}/{message.offset}"
        case m.Alert():
            change = type(message).__name__.lower()
            return f"{message.id}/{change}/{m.to_us(message.at)}"
        case m.Inferred():
            return f"{message.frame}/{stage}/{message.model}"
    return f"{message.frame}/{stage}"
