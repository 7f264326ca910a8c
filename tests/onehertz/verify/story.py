"""A short day of a line, as its stages would have left it on the topics: small, and all there.

`tell` writes it down; a test changes what was written before it is published.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from runtime.dead_letters import Origin, dead_letter
from schemas.codec import Stage, Wire, encode_alert, encode_frame
from schemas.errors import InvalidMessage
from schemas.messages import (
    AlertRecord,
    Box,
    Captured,
    Cleared,
    FrameRecord,
    Inferred,
    Kept,
    Missing,
    Raised,
    RawRecord,
    Rejected,
    Unchanged,
    frame_id,
    to_us,
)

T0 = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NORTH, SOUTH = "north", "south"
PARTITIONS = {NORTH: 0, SOUTH: 1}
# What becomes of the ticks of each camera, second by second: kept, same, missing, rejected.
PLAN = "kssmkrskss"


@dataclass
class Story:
    """Messages by topic (without prefix) and partition; an offset is a place in its list."""

    prefix: str
    topics: dict[tuple[str, int], list[Wire]] = field(default_factory=dict)
    results: dict[int, list[FrameRecord]] = field(default_factory=dict)
    changes: dict[int, list[AlertRecord]] = field(default_factory=dict)

    def wires(self, topic: str, partition: int) -> list[Wire]:
        return self.topics.setdefault((topic, partition), [])

    def put(self, topic: str, partition: int, wire: Wire) -> int:
        """Appends a message; its offset."""
        wires = self.wires(topic, partition)
        wires.append(wire)
        return len(wires) - 1

    def frame(self, topic: str, partition: int, record: FrameRecord, stage: Stage) -> int:
        if topic == "detections":
            self.results.setdefault(partition, []).append(record)
        return self.put(topic, partition, encode_frame(record, stage))

    def alert(self, partition: int, change: AlertRecord) -> int:
        self.changes.setdefault(partition, []).append(change)
        return self.put("alerts", partition, encode_alert(change))

    def letter(self, topic: str, partition: int, offset: int, stage: str, reason: str) -> None:
        """A dead letter of a message that lies there."""
        wire = self.wires(topic, partition)[offset]
        origin = Origin(self.prefix + topic, partition, offset)
        error = InvalidMessage(reason, "for the test")
        _, letter = dead_letter(origin, wire.key, wire.value, wire.headers, stage, error)
        self.put(topic + "-dlq", partition, letter)


def at(second: float) -> datetime:
    return T0 + timedelta(seconds=second)


def frame(camera: str, second: float) -> str:
    return frame_id(camera, to_us(at(second)))


def tick(camera: str, second: float, **rest: Any) -> dict[str, Any]:
    return {
        "camera": camera,
        "captured_at": at(second),
        "run": f"run-of-{camera}",
        "seq": int(second),
        "width": 640,
        "height": 480,
        "stages": {"produce": (to_us(at(second)), to_us(at(second)) + 20_000)},
    } | rest


def box(label: str = "person", x1: float = 0.1) -> Box:
    return Box(label=label, score=0.7, x1=x1, y1=0.2, x2=0.3, y2=0.4)


def captured(camera: str, second: float, **rest: Any) -> Captured:
    return Captured(**tick(camera, second, **rest), jpeg=b"a picture")


def tell(prefix: str, *, without: set[tuple[str, str]] = frozenset(), cameras: Any = None) -> Story:  # type: ignore[assignment] # empty
    """The whole story. `without`: topics and frames that stay away from there on."""
    story = Story(prefix)
    for camera in cameras or PARTITIONS:
        _tell_camera(story, camera, without)
    return story


def _tell_camera(story: Story, camera: str, without: set[tuple[str, str]]) -> None:
    partition = PARTITIONS[camera]
    reference = 0
    for second, letter in enumerate(PLAN):
        at_frame = frame(camera, second)
        reference = second if letter == "k" else reference
        if ("frames-raw", at_frame) in without:
            continue
        raw_offset = story.frame("frames-raw", partition, _raw(camera, second, letter), "produce")
        if letter == "r":
            story.letter("frames-raw", partition, raw_offset, "gate", "undecodable")
        if ("frames-gated", at_frame) in without:
            continue
        own = tick(camera, second, raw_offset=raw_offset)
        gated = _gated(own, letter, frame(camera, reference))
        gated_offset = story.frame("frames-gated", partition, gated, "gate")
        if ("detections", at_frame) in without:
            continue
        own |= {"gated_offset": gated_offset}
        result = _result(own, letter, frame(camera, reference), second)
        story.frame("detections", partition, result, "infer")
    if not without:
        _tell_alert(story, camera)


def _raw(camera: str, second: int, letter: str) -> RawRecord:
    if letter == "m":
        return Missing(**tick(camera, second), reason="stalled")
    return captured(camera, second)


def _gated(own: dict[str, Any], letter: str, same_as: str) -> FrameRecord:
    match letter:
        case "k":
            return Kept(**own, jpeg=b"smaller", because="changed", score=3.5)
        case "s":
            return Unchanged(**own, same_as=same_as, score=0.25)
        case "r":
            return Rejected(**own, reason="undecodable", detail="no JPEG")
    return Missing(**own, reason="stalled")


def _result(own: dict[str, Any], letter: str, same_as: str, second: int) -> FrameRecord:
    if letter != "k":
        return _gated(own, letter, same_as)
    boxes = (box("person"), box("car", 0.25)) if second == 0 else (box("person"),)
    return Inferred(**own, model="ssd", boxes=boxes, because="changed", score=3.5)


def _tell_alert(story: Story, camera: str) -> None:
    common: dict[str, Any] = {
        "id": f"people/{camera}/1",
        "camera": camera,
        "rule": "people",
        "began_at": at(0),
        "evidence": frame(camera, 0),
        "raw_offset": 0,
        "partition": PARTITIONS[camera],
        "boxes": (box(),),
        "text": "somebody is there",
    }
    raised = Raised(**common, at=at(2), frame=frame(camera, 2))
    cleared = Cleared(**common, at=at(9), frame=frame(camera, 9), ended_at=at(9))
    story.alert(PARTITIONS[camera], raised)
    story.alert(PARTITIONS[camera], cleared)
