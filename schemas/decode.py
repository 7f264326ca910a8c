"""From what Kafka carries to a message that keeps every promise of its type, or a DecodeError.

Whatever the bytes. What headers and payload both say, they must say alike.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar, get_args

import msgspec

from schemas import headers as h
from schemas import messages as m
from schemas.errors import (
    BadHeader,
    BrokenPayload,
    DecodeError,
    Mismatch,
    Oversized,
    UnexpectedType,
    UnknownType,
    UnknownVersion,
)
from schemas.wire import (
    BINARY,
    JPEG,
    JSON,
    MAX_JPEG_BYTES,
    MAX_JSON_BYTES,
    MAX_KEY_BYTES,
    MAX_STATE_BYTES,
    Received,
    event_id,
)

T = TypeVar("T", bound=msgspec.Struct)

_TYPES = frozenset(kind.type for kind in get_args(m.Message))
_FAMILIES = frozenset(name.rpartition(".v")[0] for name in _TYPES)
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def decode_raw(received: Received) -> m.RawRecord:
    """A record of frames-raw. Raises DecodeError."""
    return frame_record(received, get_args(m.RawRecord))  # type: ignore[no-any-return] # narrowed by the tuple


def decode_gated(received: Received) -> m.GatedRecord:
    """A record of frames-gated. Raises DecodeError."""
    return frame_record(received, get_args(m.GatedRecord))  # type: ignore[no-any-return] # narrowed by the tuple


def decode_result(received: Received) -> m.ResultRecord:
    """A record of detections. Raises DecodeError."""
    return frame_record(received, get_args(m.ResultRecord))  # type: ignore[no-any-return] # narrowed by the tuple


def decode_alert(received: Received) -> m.AlertRecord:
    """A record of alerts. Raises DecodeError."""
    attributes = h.index_headers(received.headers)
    kind = _kind(attributes, get_args(m.AlertRecord))
    _check_content_type(attributes, JSON)
    alert: m.AlertRecord = _json(received.value, m.AlertRecord)
    if type(alert) is not kind:
        raise Mismatch(f"ce_type says {kind.type}, the payload is {alert.type}")
    _check_event(received, attributes, alert)
    _check_alert_times(alert, attributes)
    if alert.frame != m.frame_id(alert.camera, m.to_us(alert.at)):
        raise Mismatch(f"frame is {alert.frame!r}: not the tick of this camera and this `at`")
    if alert.evidence is not None:
        _check_frame_id("evidence", alert.evidence, alert.camera)
    return alert


def decode_snapshot(received: Received) -> m.Snapshot:
    """A record of gate-state or rule-state. Raises DecodeError.

    A tombstone of a compacted topic (no value, no headers) is no snapshot: MissingHeader.
    """
    attributes = h.index_headers(received.headers)
    _kind(attributes, (m.Snapshot,))
    _check_content_type(attributes, BINARY)
    h.moment(attributes, "ce_time")
    state = received.value or b""
    if len(state) > MAX_STATE_BYTES:
        raise Oversized(f"a state of {len(state)} bytes, at most {MAX_STATE_BYTES} are allowed")
    source = h.text(attributes, "ce_source").split("/")
    if len(source) != 4:
        raise BadHeader("ce_source is not /cameras/<id>/<stage>")
    snapshot = _valid(
        m.Snapshot,
        camera=source[2],
        stage=source[3],
        topic=h.text(attributes, "ce_topic"),
        topic_id=h.text(attributes, "ce_topicid"),
        partition=h.integer(attributes, "ce_partition"),
        offset=h.integer(attributes, "ce_offset"),
        state=state,
    )
    _check_event(received, attributes, snapshot)
    return snapshot


def salvage(received: Received, error: DecodeError) -> m.Rejected | None:
    """The tick of a record that gave `error`, as *rejected: malformed*, so that its time goes on.

    None where its headers don't say for certain whose tick it is, and when.
    """
    try:
        attributes = h.index_headers(received.headers)
        tick = _tick_fields(attributes)
        _check_origin(received.key, attributes, tick["camera"])
        return _valid(m.Rejected, **tick, reason="malformed", detail=str(error))
    except DecodeError:
        return None


def frame_record(received: Received, expected: tuple[Any, ...]) -> Any:
    """A tick's record, of one of the `expected` types. Raises DecodeError."""
    attributes = h.index_headers(received.headers)
    kind = _kind(attributes, expected)
    value = received.value or b""
    fields = _tick_fields(attributes) | _type_fields(kind, attributes)
    if kind is m.Captured or kind is m.Kept:
        _check_content_type(attributes, JPEG)
        if len(value) > MAX_JPEG_BYTES:
            raise Oversized(
                f"a picture of {len(value)} bytes, at most {MAX_JPEG_BYTES} are allowed"
            )
        record: Any = _valid(kind, **fields, jpeg=value)
    elif kind is m.Unchanged and not value:
        record = _valid(kind, **fields)
    else:
        _check_content_type(attributes, JSON)
        record = _agreeing(_json(value, kind), fields)
    _check_event(received, attributes, record)
    if isinstance(record, m.Unchanged):
        us = _check_frame_id("same_as", record.same_as, record.camera)
        if us >= record.captured_at_us:
            raise Mismatch(f"same_as is {record.same_as!r}: not an earlier frame")
    return record


def _kind(attributes: dict[str, bytes], expected: tuple[Any, ...]) -> Any:
    if h.text(attributes, "ce_specversion") != "1.0":
        raise BadHeader("ce_specversion is not 1.0")
    name = h.text(attributes, "ce_type")
    for kind in expected:
        if kind.type == name:
            return kind
    if name in _TYPES:
        raise UnexpectedType(f"{name} does not belong on this topic")
    if name.rpartition(".v")[0] in _FAMILIES:
        raise UnknownVersion(f"{name[:100]}: update this side first, then the sender")
    raise UnknownType(f"{name[:100]!r} is no type of ours")


def _tick_fields(attributes: dict[str, bytes]) -> dict[str, Any]:
    frame = h.text(attributes, "ce_frame")
    captured_at = h.moment(attributes, "ce_time")
    camera, _, us = frame.rpartition("@")
    if us != str(m.to_us(captured_at)):
        raise Mismatch(f"ce_frame is {frame[:100]!r}, ce_time is {h.time_text(captured_at)}")
    return {
        "camera": camera,
        "captured_at": captured_at,
        "run": h.text(attributes, "ce_run"),
        "seq": h.integer(attributes, "ce_seq"),
        "width": h.integer(attributes, "ce_width"),
        "height": h.integer(attributes, "ce_height"),
        "raw_offset": h.optional_integer(attributes, "ce_rawoffset"),
        "gated_offset": h.optional_integer(attributes, "ce_gatedoffset"),
        "stages": h.stages(attributes),
        "traceparent": h.optional_traceparent(attributes),
    }


def _type_fields(kind: Any, attributes: dict[str, bytes]) -> dict[str, Any]:
    if kind is m.Captured:
        fields: dict[str, Any] = {"signature": h.signature(attributes)}
        if not attributes.keys() & {"ce_because", "ce_score"}:  # nobody has decided yet
            return fields
        fields["because"] = h.text(attributes, "ce_because")
    elif kind is m.Unchanged:
        fields = {"same_as": h.text(attributes, "ce_sameas")}
    elif kind is m.Kept or kind is m.Inferred:
        fields = {"because": h.text(attributes, "ce_because")}
    else:
        return {"reason": h.text(attributes, "ce_because")}
    return fields | {"score": h.number(attributes, "ce_score")}


def _valid(kind: type[T], **fields: Any) -> T:
    """The struct with its constraints checked. Raises BadHeader."""
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise BadHeader(str(error)) from None


def _json(value: bytes | None, kind: Any) -> Any:
    if not value:
        raise BrokenPayload("the value is empty, JSON was expected")
    if len(value) > MAX_JSON_BYTES:
        raise Oversized(f"JSON of {len(value)} bytes, at most {MAX_JSON_BYTES} are allowed")
    if b"\\u0000" in value and _ESCAPED_NUL.search(value):
        raise BrokenPayload("a text holds a NUL character, which PostgreSQL can't store")
    try:
        return msgspec.json.decode(value, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenPayload(str(error)) from None


def _agreeing(record: m.Tick, fields: dict[str, Any]) -> m.Tick:
    """The record, if it says what its headers say. Raises Mismatch.

    The trace context is the header's: proxies and tracers may rewrite it.
    """
    traceparent = fields.pop("traceparent")
    for name, value in fields.items():
        if getattr(record, name) != value:
            raise Mismatch(f"{name} is one thing in the headers and another in the payload")
    if record.traceparent == traceparent:
        return record
    return msgspec.structs.replace(record, traceparent=traceparent)


def _check_content_type(attributes: dict[str, bytes], expected: bytes) -> None:
    found = h.text(attributes, "content-type")
    if found.partition(";")[0].strip().lower().encode() != expected:
        raise BadHeader(f"content-type is {found[:60]!r}, expected {expected.decode()}")


def _check_origin(key: bytes | None, attributes: dict[str, bytes], camera: str) -> str:
    """The stage that sent it, if key and source name the camera. Raises DecodeError."""
    if key is None or len(key) > MAX_KEY_BYTES or key != camera.encode():
        raise Mismatch(f"the key is {(key or b'')[:MAX_KEY_BYTES]!r}, the camera is {camera!r}")
    source = h.text(attributes, "ce_source")
    path, _, stage = source.rpartition("/")
    if path != f"/cameras/{camera}" or not stage:
        raise Mismatch(f"ce_source is {source[:100]!r}, the camera is {camera!r}")
    return stage


def _check_event(received: Received, attributes: dict[str, bytes], message: m.Message) -> None:
    """Key, source and id of the event must be those of the message. Raises DecodeError."""
    stage = _check_origin(received.key, attributes, message.camera)
    found, expected = h.text(attributes, "ce_id"), event_id(message, stage)
    if found != expected:
        raise Mismatch(f"ce_id is {found[:100]!r}, expected {expected[:100]!r}")


def _check_frame_id(name: str, frame: str, camera: str) -> int:
    """The frame's capture time in µs, if it is one of this camera, spelt as all frame ids are."""
    owner, us = m.split_frame_id(frame)
    if owner != camera or frame != m.frame_id(camera, us):
        raise Mismatch(f"{name} is {frame!r}: no frame of {camera}")
    return us


def _check_alert_times(alert: m.AlertRecord, attributes: dict[str, bytes]) -> None:
    if h.moment(attributes, "ce_time") != alert.at:
        raise Mismatch("ce_time is not the payload's `at`")
    if not h.EARLIEST <= alert.began_at <= alert.at:
        raise Mismatch("began_at is before 2000 or after `at`")
    if isinstance(alert, m.Cleared) and not alert.began_at <= alert.ended_at <= alert.at:
        raise Mismatch("ended_at is before began_at or after `at`")
