"""One example of every message type on every topic that carries it, and how it looks as a file.

`python -m schemas.generate` writes them to `examples/<topic>/<what>.json`:

    {"key": "…", "headers": {"ce_type": "…", …}, "value": {…}}

with `value_base64` in place of `value` where the value is not JSON (the pictures are real JPEGs).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from schemas import codec
from schemas import messages as m
from schemas.wire import JSON, Received, Wire

FOLDER = Path(__file__).parent / "examples"

# 8 x 8 pixels of grey, made for this file.
TINY_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4"
    "UG1RV19iZ2hnPk1xeXBkeFxlZ2P/wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAA//EABsQAAAHAQAAAAAA"
    "AAAAAAAAAAAUJDFRZIGR/9oACAEBAAA/AGSELOzxh//Z"
)
DECODERS: dict[str, Callable[[Received], Any]] = {
    "frames-raw": codec.decode_raw,
    "frames-gated": codec.decode_gated,
    "detections": codec.decode_result,
    "alerts": codec.decode_alert,
    "gate-state": codec.decode_snapshot,
    "rule-state": codec.decode_snapshot,
}
_STAGES: dict[str, codec.Stage] = {
    "frames-raw": "produce",
    "frames-gated": "gate",
    "detections": "infer",
}

_START = datetime(2026, 11, 22, 8, 0, 0, 250_000, tzinfo=UTC)
_STATE_TAKEN_AT = _START + timedelta(seconds=10)
_PERSON = m.Box(label="Person", score=0.875, x1=0.25, y1=0.5, x2=0.3125, y2=0.75)
_BICYCLE = m.Box(label="Bicycle", score=0.5, x1=0.25, y1=0.625, x2=0.375, y2=0.8125)


class Example(NamedTuple):
    """A message, the topic it is on, and what the example shows."""

    topic: str
    what: str
    message: m.Message

    @property
    def path(self) -> Path:
        return Path(self.topic) / f"{self.what}.json"

    def wire(self) -> Wire:
        return encode(self.topic, self.message)


def examples() -> list[Example]:
    """All examples, each with the topic it is on."""
    return [
        *_raw(),
        *_gated(),
        *_detections(),
        *_alerts(),
        Example("gate-state", "snapshot", _snapshot("gate", "frames-raw")),
        Example("rule-state", "snapshot", _snapshot("alerts", "detections")),
    ]


def encode(topic: str, message: m.Message) -> Wire:
    """The message as the topic's stage writes it. Raises EncodeError."""
    if isinstance(message, m.Snapshot):
        return codec.encode_snapshot(message, _STATE_TAKEN_AT)
    if isinstance(message, m.Alert):
        return codec.encode_alert(message)
    return codec.encode_frame(message, _STAGES[topic])


def to_file(wire: Wire) -> str:
    """The message as an example's text."""
    headers = {name: value.decode() for name, value in wire.headers}
    value = (
        {"value": msgspec.json.decode(wire.value)}
        if headers.get("content-type", "").encode() == JSON
        else {"value_base64": base64.b64encode(wire.value).decode()}
    )
    content = {"key": wire.key.decode(), "headers": headers} | value
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def from_file(text: str) -> Received:
    """What a client would receive of an example's text."""
    content = json.loads(text)
    value = (
        msgspec.json.encode(content["value"])
        if "value" in content
        else base64.b64decode(content["value_base64"])
    )
    headers = [(name, value.encode()) for name, value in content["headers"].items()]
    return Received(content["key"].encode(), value, headers)


def _tick(seq: int, **more: Any) -> dict[str, Any]:
    return {
        "camera": "gate-north",
        "captured_at": _START + timedelta(seconds=seq),
        "run": "20261122T080000Z-4f1c",
        "seq": seq,
        "width": 1920,
        "height": 1080,
        **more,
    }


def _frame(seq: int) -> str:
    return m.frame_id("gate-north", m.to_us(_START + timedelta(seconds=seq)))


def _times(*stages: str) -> dict[str, tuple[int, int]]:
    start = m.to_us(_START) + 30_000
    return {
        stage: (start + n * 100_000, start + n * 100_000 + 40_000) for n, stage in enumerate(stages)
    }


def _raw() -> Iterator[Example]:
    tick = {"stages": _times("produce")}
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    yield Example("frames-raw", "captured", m.Captured(**_tick(0, **tick), jpeg=TINY_JPEG))
    yield Example(
        "frames-raw",
        "captured-with-signature-and-trace",
        m.Captured(
            **_tick(1, **tick, traceparent=trace), jpeg=TINY_JPEG, signature=b"\x01\x78\xc8\x78\xff"
        ),
    )
    yield Example(
        "frames-raw",
        "captured-and-kept-at-the-edge",
        m.Captured(**_tick(1, **tick), jpeg=TINY_JPEG, because="changed", score=14.25),
    )
    yield Example(
        "frames-raw", "unchanged-at-the-edge", m.Unchanged(**_tick(2), same_as=_frame(1), score=0.5)
    )
    no_picture = _tick(3) | {"width": 0, "height": 0}
    yield Example(
        "frames-raw",
        "missing",
        m.Missing(**no_picture, reason="unreachable", detail="connection refused"),
    )


def _gated() -> Iterator[Example]:
    tick = {"stages": _times("produce", "gate")}
    first = _tick(0, raw_offset=100, **tick)
    yield Example(
        "frames-gated", "kept-first", m.Kept(**first, jpeg=TINY_JPEG, because="first", score=0.0)
    )
    changed = _tick(1, raw_offset=101, **tick)
    yield Example(
        "frames-gated",
        "kept-changed",
        m.Kept(**changed, jpeg=TINY_JPEG, because="changed", score=14.25),
    )
    yield Example(
        "frames-gated",
        "unchanged",
        m.Unchanged(**_tick(2, raw_offset=102, **tick), same_as=_frame(1), score=2.5),
    )
    yield from _unknown_ticks("frames-gated", tick)


def _detections() -> Iterator[Example]:
    tick = {"stages": _times("produce", "gate", "infer")}
    at = _tick(0, raw_offset=100, gated_offset=90, **tick)
    model = "ssd-mobilenet-v2"
    yield Example(
        "detections",
        "inferred",
        m.Inferred(**at, model=model, boxes=(_PERSON, _BICYCLE), because="changed", score=14.25),
    )
    yield Example(
        "detections",
        "inferred-nothing-there",
        m.Inferred(**at, model=model, boxes=(), because="audit", score=1.5),
    )
    yield Example(
        "detections",
        "unchanged",
        m.Unchanged(
            **_tick(2, raw_offset=102, gated_offset=92, **tick), same_as=_frame(1), score=2.5
        ),
    )
    yield from _unknown_ticks("detections", {"gated_offset": 93, **tick})


def _unknown_ticks(topic: str, tick: dict[str, Any]) -> Iterator[Example]:
    detail = "captured 7200 s ahead of the broker's clock"
    late = _tick(3, raw_offset=103, **tick)
    yield Example(topic, "rejected", m.Rejected(**late, reason="clock", detail=detail))
    no_picture = _tick(4, raw_offset=104, **tick) | {"width": 0, "height": 0}
    yield Example(topic, "missing", m.Missing(**no_picture, reason="stalled"))


def _alerts() -> Iterator[Example]:
    alert: dict[str, Any] = {
        "id": f"loitering/gate-north/{m.to_us(_START)}",
        "camera": "gate-north",
        "rule": "loitering",
        "severity": "critical",
        "began_at": _START,
        "evidence": _frame(20),
        "raw_offset": 120,
        "partition": 3,
    }

    def at(seq: int) -> dict[str, Any]:
        return {"at": _START + timedelta(seconds=seq), "frame": _frame(seq)}

    yield Example(
        "alerts",
        "raised",
        m.Raised(**alert, **at(20), text="Person in the yard for 20 s", boxes=(_PERSON,)),
    )
    yield Example(
        "alerts",
        "updated",
        m.Updated(**alert, **at(25), text="2 in the yard", boxes=(_PERSON, _BICYCLE), late=True),
    )
    yield Example(
        "alerts",
        "cleared",
        m.Cleared(**alert, **at(31), ended_at=_START + timedelta(seconds=29), text="after 29 s"),
    )


def _snapshot(stage: str, topic: str) -> m.Snapshot:
    return m.Snapshot(
        camera="gate-north",
        stage=stage,
        topic=topic,
        topic_id="7NwTsLYDQHGZNEyhBCtvdw",
        partition=3,
        offset=104,
        state=b"\x01the stage's own bytes\xff",
    )
