"""What travels between the stages: one struct per message type.

A tick is one beat of one camera. It leaves one record on every frame topic, and that record is one
of six types. What all of them carry is `Tick`; the type says what became of the tick so far.

Times are `datetime` in UTC with microseconds; `*_us` are integers, microseconds since 1970.
Boxes are in fractions (0..1) of the captured frame, so they outlive every resize.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import force_setattr

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# Camera ids are Kafka keys, parts of frame ids and of URLs: no '@', '/', '#' or white space.
CAMERA_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
FRAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}@-?[0-9]{1,18}$"

CameraId = Annotated[str, Meta(pattern=CAMERA_PATTERN)]
FrameId = Annotated[str, Meta(pattern=FRAME_PATTERN)]
RunId = Annotated[str, Meta(min_length=1, max_length=64)]
Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
Pixels = Annotated[int, Meta(ge=0, le=65_535)]
Count = Annotated[int, Meta(ge=0, le=999_999_999_999_999_999)]  # fits a signed 64-bit column
Partition = Annotated[int, Meta(ge=0, le=2_147_483_647)]
Score = Annotated[float, Meta(ge=-1e30, le=1e30)]  # fits a 32-bit float too
UtcTime = Annotated[datetime, Meta(tz=True)]
# When a stage took the frame and when it gave it on, µs since 1970. For latency only: these times
# enter no decision and no comparison of runs.
StageTimes = tuple[Count, Count]

MAX_DETAIL_CHARS = 1000
Detail = Annotated[str, Meta(max_length=MAX_DETAIL_CHARS)]

MissingReason = Literal[
    "unreachable", "refused", "wrong-password", "stalled", "undecodable", "spool-full"
]
RejectReason = Literal[
    "clock",
    "late",
    "undecodable",
    "too-small",
    "too-large",
    "malformed",
    "stale",
    "frozen",
    "failed",
]
KeepReason = Literal["first", "changed", "audit", "refresh", "off"]
Status = Literal["captured", "kept", "inferred", "unchanged", "rejected", "missing"]


def to_us(moment: datetime) -> int:
    """Microseconds since 1970, exact (no float on the way)."""
    return (moment - EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """The UTC moment `us` microseconds after 1970.

    Raises OverflowError outside of the years 1 to 9999.
    """
    return EPOCH + timedelta(microseconds=us)


def frame_id(camera: str, captured_at_us: int) -> str:
    """A tick's identity, the same on every topic and in every delivery of it."""
    return f"{camera}@{captured_at_us}"


def in_utc(moment: datetime) -> datetime:
    """The same moment in UTC. Raises ValueError without a time zone or outside the years 1-9999."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{moment} is outside of the years 1 to 9999 in UTC") from None


def readable(text: str) -> str:
    """Text for people, made fit to travel: cut to length, no NUL, no lone surrogate.

    An exception's text or a file's name can hold both; a *rejected* tick must not be lost by it.
    """
    if text.isascii() and len(text) <= MAX_DETAIL_CHARS and "\0" not in text:
        return text
    text = text.encode(errors="replace").decode().replace("\0", "?")
    return text if len(text) <= MAX_DETAIL_CHARS else text[: MAX_DETAIL_CHARS - 1] + "…"


def split_frame_id(frame: str) -> tuple[str, int]:
    """Camera and capture time (µs since 1970) of a frame id. Raises ValueError."""
    camera, _, us = frame.rpartition("@")
    return camera, int(us)


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """One detected object; corners as fractions of the captured frame, x1 <= x2, y1 <= y2."""

    label: Annotated[str, Meta(min_length=1, max_length=64)]
    score: Fraction
    x1: Fraction
    y1: Fraction
    x2: Fraction
    y2: Fraction

    def __post_init__(self) -> None:
        if self.x2 < self.x1 or self.y2 < self.y1:
            raise ValueError("a box whose corners are swapped: x1 <= x2 and y1 <= y2 are needed")


class Tick(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every frame record carries: whose tick, when, and its place in the producer's run."""

    type: ClassVar[str]
    status: ClassVar[Status]

    camera: CameraId
    captured_at: UtcTime
    run: RunId
    seq: Count
    width: Pixels = 0  # of the captured frame; 0 where there was none
    height: Pixels = 0
    raw_offset: Count | None = None  # where the tick lies on frames-raw, same partition number
    gated_offset: Count | None = None  # and on frames-gated
    stages: dict[str, StageTimes] = {}
    traceparent: Annotated[str, Meta(max_length=64)] | None = None

    def __post_init__(self) -> None:
        if self.captured_at.tzinfo is not UTC:
            force_setattr(self, "captured_at", in_utc(self.captured_at))

    @property
    def captured_at_us(self) -> int:
        return to_us(self.captured_at)

    @property
    def frame(self) -> str:
        return frame_id(self.camera, self.captured_at_us)


class Captured(Tick, frozen=True, kw_only=True):
    """frames-raw: the camera gave a frame. `jpeg` is the message's value.

    `because` and `score`: of the gate at the edge that kept it, as in `Kept`. None: nobody has
    decided yet.
    """

    type = "onehertz.frame.captured.v1"
    status = "captured"

    jpeg: bytes
    signature: bytes | None = None  # the gate's luma, computed at the edge; version byte first
    because: KeepReason | None = None
    score: Score = 0.0


class Missing(Tick, frozen=True, kw_only=True, tag_field="status", tag="missing"):
    """Any frame topic: the camera gave nothing at this tick, and why."""

    type = "onehertz.frame.missing.v1"
    status = "missing"

    reason: MissingReason
    detail: Detail = ""  # made `readable` on construction

    def __post_init__(self) -> None:
        super().__post_init__()
        force_setattr(self, "detail", readable(self.detail))


class Kept(Tick, frozen=True, kw_only=True):
    """frames-gated: to be inferred. `jpeg` is the (downscaled) picture, the message's value."""

    type = "onehertz.frame.kept.v1"
    status = "kept"

    jpeg: bytes
    because: KeepReason
    score: Score = 0.0  # the gate's; how far it was from the last kept frame


class Unchanged(Tick, frozen=True, kw_only=True, tag_field="status", tag="unchanged"):
    """frames-gated, detections (and frames-raw, from a gate at the edge): same as `same_as`."""

    type = "onehertz.frame.unchanged.v1"
    status = "unchanged"

    same_as: FrameId
    score: Score = 0.0


class Rejected(Tick, frozen=True, kw_only=True, tag_field="status", tag="rejected"):
    """frames-gated, detections: a stage could not use the frame. Nothing is known of this tick."""

    type = "onehertz.frame.rejected.v1"
    status = "rejected"

    reason: RejectReason
    detail: Detail = ""  # made `readable` on construction

    def __post_init__(self) -> None:
        super().__post_init__()
        force_setattr(self, "detail", readable(self.detail))


class Inferred(Tick, frozen=True, kw_only=True, tag_field="status", tag="inferred"):
    """detections: what the model saw. No boxes means: looked, and nothing was there."""

    type = "onehertz.frame.inferred.v1"
    status = "inferred"

    model: Annotated[str, Meta(min_length=1, max_length=128)]
    boxes: Annotated[tuple[Box, ...], Meta(max_length=10_000)]
    because: KeepReason
    score: Score = 0.0


RawRecord = Captured | Missing | Unchanged
GatedRecord = Kept | Unchanged | Rejected | Missing
ResultRecord = Inferred | Unchanged | Rejected | Missing
FrameRecord = Captured | Kept | Inferred | Unchanged | Rejected | Missing


class Alert(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="change", tag=str.lower
):
    """One change of an alert. All changes of one alert share its `id`.

    The id is made of rule, camera and `began_at` alone: a repeat of the run gives the same one.
    """

    type: ClassVar[str]

    id: Annotated[str, Meta(min_length=1, max_length=200)]
    camera: CameraId
    rule: Annotated[str, Meta(min_length=1, max_length=64)]
    severity: Literal["info", "warning", "critical"] = "warning"
    at: UtcTime  # capture time of the tick that brought this change
    began_at: UtcTime  # capture time of the first tick for which the condition held
    frame: FrameId  # of the tick of `at`
    evidence: FrameId | None = None  # inferred frame that shows it, for a picture
    raw_offset: Count | None = None  # of the evidence, for seeking it on frames-raw
    partition: Partition | None = None
    text: Detail = ""  # made `readable` on construction
    boxes: Annotated[tuple[Box, ...], Meta(max_length=10_000)] = ()
    late: bool = False

    def __post_init__(self) -> None:
        force_setattr(self, "at", in_utc(self.at))
        force_setattr(self, "began_at", in_utc(self.began_at))
        force_setattr(self, "text", readable(self.text))


class Raised(Alert, frozen=True, kw_only=True):
    """The condition has held for as long as the rule asks."""

    type = "onehertz.alert.raised.v1"


class Updated(Alert, frozen=True, kw_only=True):
    """Still raised, and something about it changed."""

    type = "onehertz.alert.updated.v1"


class Cleared(Alert, frozen=True, kw_only=True):
    """The condition has ended."""

    type = "onehertz.alert.cleared.v1"

    ended_at: UtcTime  # capture time of the first tick for which the condition no longer held

    def __post_init__(self) -> None:
        super().__post_init__()
        force_setattr(self, "ended_at", in_utc(self.ended_at))


AlertRecord = Raised | Updated | Cleared


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """gate-state, rule-state: a stage's state of one camera after all input before `offset`."""

    type: ClassVar[str] = "onehertz.state.snapshot.v1"

    camera: CameraId
    stage: Annotated[str, Meta(min_length=1, max_length=64)]
    # Input topic and its id: a topic that was made anew has another one.
    topic: Annotated[str, Meta(min_length=1, max_length=249)]
    topic_id: Annotated[str, Meta(min_length=1, max_length=64)]
    partition: Partition
    offset: Count  # first input offset that is not in the state
    state: bytes  # the message's value; versioned by the stage


Message = FrameRecord | AlertRecord | Snapshot
