"""Turns records into rows of `frames` and `detections`, and refuses what PostgreSQL can't hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from psycopg.types.json import Jsonb

from schemas.errors import InvalidMessage
from schemas.messages import (
    Inferred,
    Missing,
    Rejected,
    ResultRecord,
    StageTimes,
    Unchanged,
    from_us,
    split_frame_id,
)
from sinks.sql.ranking import Delivery

# Types of the columns of [copy_frames] and [copy_detections] in writer.sql, in their order.
# Binary COPY needs them exact; an enum travels as its text.
# fmt: off
FRAME_TYPES = (
    "text", "timestamptz", "text",  # camera, captured_at, status
    "text", "text", "float8", "timestamptz", "text", "text",  # the fields of _Outcome
    "text", "int8", "int4", "int4",  # run, seq, width, height
    "int4", "int8", "int8", "int8",  # partition, detections_offset, gated_offset, raw_offset
    "timestamptz", "int4", "jsonb",  # entered_at, latency_ms, stage_ms
)
DETECTION_TYPES = (
    "text", "timestamptz", "text", "int4",  # camera, captured_at, model, n
    "text", "float4", "float4", "float4", "float4", "float4",  # label, score, x1, y1, x2, y2
)
# fmt: on
MODEL = 3  # place of frames.model in a row

# Capture times that get a row; what lies outside would make partitions for ever more weeks.
FIRST_US = 946_684_800_000_000  # 2000-01-01
END_US = 4_102_444_800_000_000  # 2100-01-01
_MAX_INTEGER = 2**31 - 1
_encode = msgspec.json.encode


class _Outcome(NamedTuple):
    """The columns that depend on the status; NULL where it has none."""

    model: str | None = None
    because: str | None = None
    score: float | None = None
    same_as: datetime | None = None
    reason: str | None = None
    detail: str | None = None


def check_time(record: ResultRecord) -> None:
    """Raises InvalidMessage for a capture time that gets no row."""
    if not FIRST_US <= record.captured_at_us < END_US:
        raise InvalidMessage(
            "capture-time", f"{record.captured_at.isoformat()} is not in the years 2000 to 2099"
        )


def frame_row(delivery: Delivery) -> tuple[Any, ...]:
    """The row of `frames`, in the order of [copy_frames].

    Raises InvalidMessage for a record that the table can't hold.
    """
    record, partition, offset = delivery
    check_time(record)
    return (
        record.camera,
        record.captured_at,
        record.status,
        *_outcome(delivery),
        storable_text(record.run),
        record.seq,
        record.width,
        record.height,
        partition,
        offset,
        record.gated_offset,
        record.raw_offset,
        *_latencies(record.stages),
    )


def detection_rows(delivery: Delivery) -> Iterator[tuple[Any, ...]]:
    """The rows of `detections`, in the order of [copy_detections]; none unless inferred."""
    record = delivery.record
    if not isinstance(record, Inferred):
        return
    model = storable_text(record.model)
    for n, box in enumerate(record.boxes):
        label = storable_text(box.label)
        yield (
            record.camera,
            record.captured_at,
            model,
            n,
            label,
            box.score,
            box.x1,
            box.y1,
            box.x2,
            box.y2,
        )


def storable_text(text: str) -> str:
    """PostgreSQL's text can hold every character but NUL, which becomes U+FFFD."""
    return text.replace("\0", "\ufffd") if "\0" in text else text


def frame_time(frame: str, camera: str, field: str) -> datetime:
    """Capture time of a frame id that must be of `camera`.

    Raises InvalidMessage, naming `field`, if it is another camera's or no time that can be stored.
    """
    other, us = split_frame_id(frame)
    if other != camera:
        raise InvalidMessage("reference", f"{field} {frame} is not of the camera {camera}")
    if not FIRST_US <= us < END_US:
        raise InvalidMessage("reference", f"{field} {frame} is not in the years 2000 to 2099")
    return from_us(us)


def _outcome(delivery: Delivery) -> _Outcome:
    match delivery.record:
        case Inferred() as r:
            return _Outcome(model=storable_text(r.model), because=r.because, score=r.score)
        case Unchanged() as r:
            return _Outcome(score=r.score, same_as=frame_time(r.same_as, r.camera, "same_as"))
        case Rejected() | Missing() as r:
            return _Outcome(reason=r.reason, detail=storable_text(r.detail) or None)


def _latencies(stages: Mapping[str, StageTimes]) -> tuple[datetime | None, int | None, Any]:
    """entered_at, latency_ms and stage_ms.

    Times that no clock can have had are left out: they decide nothing, so they must not cost a row.
    """
    spans = {s: t for s, t in stages.items() if FIRST_US <= t[0] < END_US > t[1] >= FIRST_US}
    if not spans:
        return None, None, None
    entered = min(took for took, _ in spans.values())
    left = max(gave for _, gave in spans.values())
    within = {storable_text(s): (gave - took) // 1000 for s, (took, gave) in spans.items()}
    latency_ms = max(-_MAX_INTEGER, min(_MAX_INTEGER, (left - entered) // 1000))
    return from_us(entered), latency_ms, Jsonb(within, _encode)
