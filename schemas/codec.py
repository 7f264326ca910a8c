"""Between a message and what Kafka carries: key, value, headers (CloudEvents 1.0, binary mode).

A record's attributes are in its headers. Its value is
- the JPEG itself, for a captured or kept frame;
- the whole record as JSON, for every other type, so that an analyst needs no header;
- empty, for *unchanged* on the frame topics: there it is nine records in ten.

Decoding is strict: it gives a message that keeps every promise of its type, or raises one of
`schemas.errors`, whatever the bytes. Headers and payload must agree.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeVar, get_args

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

Stage = Literal["produce", "gate", "infer", "alerts"]

MAX_KEY_BYTES = 64
MAX_JPEG_BYTES = 8 * 1024 * 1024
MAX_JSON_BYTES = 4 * 1024 * 1024
MAX_STATE_BYTES = 1024 * 1024

_JPEG = b"image/jpeg"
_JSON = b"application/json"
_BINARY = b"application/octet-stream"

T = TypeVar("T", bound=msgspec.Struct)


class Wire(NamedTuple):
    """One Kafka message, without its place."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class Received(NamedTuple):
    """One Kafka message as a client hands it over: nothing is certain yet."""

    key: bytes | None
    value: bytes | None
    headers: h.RawHeaders | None


# ---------------------------------------------------------------- encoding


def encode_frame(record: m.FrameRecord, stage: Stage) -> Wire:
    """A tick's record as `stage` puts it on its topic."""
    frame = record.frame
    event = f"{frame}/{stage}"
    if isinstance(record, m.Inferred):
        event += f"/{record.model}"
    attributes = _event_headers(record.type, event, record.camera, stage, record.captured_at)
    attributes += [
        ("ce_frame", frame.encode()),
        ("ce_run", record.run.encode()),
        ("ce_seq", b"%d" % record.seq),
        ("ce_width", b"%d" % record.width),
        ("ce_height", b"%d" % record.height),
        *_type_headers(record),
    ]
    if record.raw_offset is not None:
        attributes.append(("ce_rawoffset", b"%d" % record.raw_offset))
    if record.gated_offset is not None:
        attributes.append(("ce_gatedoffset", b"%d" % record.gated_offset))
    if record.stages:
        attributes.append(("ce_stages", h.stages_text(record.stages).encode()))
    trace = h.traceparent(record.traceparent, frame, stage)
    attributes.append(("traceparent", trace.encode()))
    content_type, value = _frame_value(record, bare=stage != "infer")
    if content_type:
        attributes.append(("content-type", content_type))
    return Wire(record.camera.encode(), value, attributes)


def _event_headers(
    event_type: str, event: str, camera: str, stage: str, at: Any
) -> list[tuple[str, bytes]]:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_type", event_type.encode()),
        ("ce_id", event.encode()),
        ("ce_source", f"/cameras/{camera}/{stage}".encode()),
        ("ce_time", h.time_text(at).encode()),
    ]


def _type_headers(record: m.FrameRecord) -> list[tuple[str, bytes]]:
    match record:
        case m.Captured():
            return [("signature", record.signature)] if record.signature is not None else []
        case m.Unchanged():
            return [("ce_sameas", record.same_as.encode()), ("ce_score", _number(record.score))]
        case m.Kept() | m.Inferred():
            return [("ce_because", record.because.encode()), ("ce_score", _number(record.score))]
        case _:
            return [("ce_because", record.reason.encode())]


def _number(value: float) -> bytes:
    return repr(value).encode()  # repr of a float reads back as the same float


def _frame_value(record: m.FrameRecord, *, bare: bool) -> tuple[bytes, bytes]:
    if isinstance(record, m.Captured | m.Kept):
        return _JPEG, record.jpeg
    if bare and isinstance(record, m.Unchanged):
        return b"", b""
    return _JSON, msgspec.json.encode(record)


def encode_alert(alert: m.AlertRecord) -> Wire:
    """One change of an alert."""
    change = type(alert).__name__.lower()
    event = f"{alert.id}/{change}/{m.to_us(alert.at)}"
    attributes = _event_headers(alert.type, event, alert.camera, "alerts", alert.at)
    attributes.append(("traceparent", h.traceparent(None, alert.frame, "alerts").encode()))
    attributes.append(("content-type", _JSON))
    return Wire(alert.camera.encode(), msgspec.json.encode(alert), attributes)


def encode_snapshot(snapshot: m.Snapshot, taken_at: Any) -> Wire:
    """A stage's state of one camera. `taken_at` (UTC) is for people; nothing is decided by it."""
    event = f"{snapshot.camera}/{snapshot.stage}/{snapshot.topic_id}/{snapshot.offset}"
    attributes = _event_headers(snapshot.type, event, snapshot.camera, snapshot.stage, taken_at)
    attributes += [
        ("ce_topic", snapshot.topic.encode()),
        ("ce_topicid", snapshot.topic_id.encode()),
        ("ce_partition", b"%d" % snapshot.partition),
        ("ce_offset", b"%d" % snapshot.offset),
        ("content-type", _BINARY),
    ]
    return Wire(snapshot.camera.encode(), snapshot.state, attributes)


# ---------------------------------------------------------------- decoding


def decode_raw(received: Received) -> m.RawRecord:
    """A record of frames-raw. Raises DecodeError."""
    return _decode_frame(received, get_args(m.RawRecord))  # type: ignore[no-any-return] # narrowed by the tuple


def decode_gated(received: Received) -> m.GatedRecord:
    """A record of frames-gated. Raises DecodeError."""
    return _decode_frame(received, get_args(m.GatedRecord))  # type: ignore[no-any-return] # narrowed by the tuple


def decode_result(received: Received) -> m.ResultRecord:
    """A record of detections. Raises DecodeError."""
    return _decode_frame(received, get_args(m.ResultRecord))  # type: ignore[no-any-return] # narrowed by the tuple


def decode_alert(received: Received) -> m.AlertRecord:
    """A record of alerts. Raises DecodeError."""
    attributes = h.index_headers(received.headers)
    kind = _kind(attributes, get_args(m.AlertRecord))
    alert: m.AlertRecord = _json(received.value, m.AlertRecord)
    if type(alert) is not kind:
        raise Mismatch(f"ce_type says {kind.type}, the payload is {alert.type}")
    _check_key(received.key, alert.camera)
    if h.moment(attributes, "ce_time") != alert.at:
        raise Mismatch("ce_time is not the payload's `at`")
    return alert


def decode_snapshot(received: Received) -> m.Snapshot:
    """A record of gate-state or rule-state. Raises DecodeError."""
    attributes = h.index_headers(received.headers)
    _kind(attributes, (m.Snapshot,))
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
    _check_key(received.key, snapshot.camera)
    return snapshot


def _decode_frame(received: Received, expected: tuple[Any, ...]) -> Any:
    attributes = h.index_headers(received.headers)
    kind = _kind(attributes, expected)
    value = received.value or b""
    tick = _tick_fields(attributes)
    if kind in (m.Captured, m.Kept):
        record = _valid(kind, **tick, **_picture_fields(kind, attributes, value))
    elif kind is m.Unchanged and not value:
        same_as, score = h.text(attributes, "ce_sameas"), h.number(attributes, "ce_score")
        record = _valid(kind, **tick, same_as=same_as, score=score)
    else:
        record = _json(value, kind)
        _check_agreement(record, tick)
    _check_key(received.key, record.camera)
    _check_same_as(record)
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
    if name.rpartition(".v")[0] in {known.rpartition(".v")[0] for known in _TYPES}:
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
        "width": h.integer(attributes, "ce_width", default=0),
        "height": h.integer(attributes, "ce_height", default=0),
        "raw_offset": h.optional_integer(attributes, "ce_rawoffset"),
        "gated_offset": h.optional_integer(attributes, "ce_gatedoffset"),
        "stages": h.stages(attributes),
        "traceparent": h.optional_traceparent(attributes),
    }


def _picture_fields(kind: Any, attributes: dict[str, bytes], value: bytes) -> dict[str, Any]:
    if len(value) > MAX_JPEG_BYTES:
        raise Oversized(f"a picture of {len(value)} bytes, at most {MAX_JPEG_BYTES} are allowed")
    if kind is m.Captured:
        return {"jpeg": value, "signature": attributes.get("signature")}
    because = h.text(attributes, "ce_because")
    return {"jpeg": value, "because": because, "score": h.number(attributes, "ce_score")}


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
    try:
        return msgspec.json.decode(value, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenPayload(str(error)) from None


def _check_agreement(record: m.Tick, tick: dict[str, Any]) -> None:
    for name in ("camera", "captured_at", "run", "seq"):
        if getattr(record, name) != tick[name]:
            raise Mismatch(f"{name} is one thing in the headers and another in the payload")


def _check_key(key: bytes | None, camera: str) -> None:
    if key is None or len(key) > MAX_KEY_BYTES or key != camera.encode():
        raise Mismatch(f"the key is {(key or b'')[:MAX_KEY_BYTES]!r}, the camera is {camera!r}")


def _check_same_as(record: m.Tick) -> None:
    if isinstance(record, m.Unchanged):
        camera, us = m.split_frame_id(record.same_as)
        if camera != record.camera or us >= record.captured_at_us:
            raise Mismatch(f"same_as is {record.same_as!r}: no earlier frame of {record.camera}")


_TYPES = frozenset(kind.type for kind in get_args(m.Message))

__all__ = [
    "DecodeError",
    "Received",
    "Stage",
    "Wire",
    "decode_alert",
    "decode_gated",
    "decode_raw",
    "decode_result",
    "decode_snapshot",
    "encode_alert",
    "encode_frame",
    "encode_snapshot",
]
