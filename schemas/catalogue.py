"""The topics as data: `topics.yaml`, read into typed values."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import msgspec
import yaml
from msgspec import Meta

MessageName = Literal[
    "Captured",
    "Missing",
    "Unchanged",
    "Kept",
    "Rejected",
    "Inferred",
    "Raised",
    "Updated",
    "Cleared",
    "Snapshot",
]

DLQ_SUFFIX = "-dlq"


class TopicSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a topic is for and how it is kept. Its name and partition count are the line's."""

    name: str = ""
    about: str
    messages: tuple[MessageName, ...]
    value: str
    producer: str
    consumers: tuple[str, ...]
    retention_hours: Annotated[int, Meta(gt=0)] | None = None
    compacted: bool = False
    max_message_bytes: Annotated[int, Meta(gt=0)]
    compression: Literal["none", "zstd"]
    timestamp_type: Literal["LogAppendTime"] = "LogAppendTime"

    def config(self) -> dict[str, str]:
        """Kafka's topic configuration for this topic."""
        settings = {
            "message.timestamp.type": self.timestamp_type,
            "max.message.bytes": str(self.max_message_bytes),
            "compression.type": "uncompressed" if self.compression == "none" else "zstd",
        }
        if self.compacted:
            return settings | {"cleanup.policy": "compact"}
        hours = self.retention_hours or 24
        return settings | {"cleanup.policy": "delete", "retention.ms": str(hours * 3_600_000)}


def challenger_topic(challenger: str) -> str:
    """Where a challenger's results go, without the line's prefix."""
    return f"detections-{challenger}"


def line_topics(challengers: Iterable[str]) -> dict[str, TopicSpec]:
    """All topics of a line with these challengers; theirs are kept as `detections` is."""
    specs = topics()
    for challenger in challengers:
        for suffix in ("", DLQ_SUFFIX):
            name, like = challenger_topic(challenger) + suffix, specs["detections" + suffix]
            about = like.about.replace("detections", challenger_topic(challenger))
            messages: tuple[MessageName, ...] = ("Inferred",) if like.messages else ()
            own = TopicSpec(
                name=name,
                about=about if suffix else "A frame that a challenger was drawn to look at.",
                messages=messages,
                value=like.value,
                producer="sinks" if suffix else "inference_worker",
                consumers=("onehertz",) if suffix else ("sinks.sql",),
                retention_hours=like.retention_hours,
                max_message_bytes=like.max_message_bytes,
                compression=like.compression,
            )
            specs = specs | {name: own}
    return specs


@cache
def topics() -> dict[str, TopicSpec]:
    """All topics of a line by their name without prefix."""
    text = (files("schemas") / "topics.yaml").read_text(encoding="utf-8")
    specs = msgspec.convert(yaml.safe_load(text), dict[str, TopicSpec])
    return {name: msgspec.structs.replace(spec, name=name) for name, spec in specs.items()}
