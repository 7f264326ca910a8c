"""What a camera's rules remember, as bytes: a version byte, then MessagePack."""

from __future__ import annotations

import msgspec

from runtime.errors import FatalError
from schemas.messages import Box
from sinks.alerts.episode import Episode
from sinks.alerts.kinds import Seen

VERSION = 1


class OpenAlert(msgspec.Struct, array_like=True, frozen=True):
    """A raised alert that has not ended; what its end will repeat of it."""

    rule: str
    began_us: int
    severity: str
    evidence_us: int | None
    raw_offset: int | None


class RuleState(msgspec.Struct, array_like=True):
    definition: str  # `Rule.definition()`
    episode: Episode
    alert: OpenAlert | None
    condition: bytes


class SeenState(msgspec.Struct, array_like=True):
    """A `Seen`, with each label once: 46 bytes a box, so that the 10,000 boxes that a message may
    hold still fit into a snapshot of 1 MiB."""

    captured_at_us: int
    raw_offset: int | None
    labels: list[str]
    boxes: list[tuple[int, float, float, float, float, float]]


class CameraState(msgspec.Struct, array_like=True):
    camera: str
    last_us: int | None
    seen: SeenState | None
    rules: dict[str, RuleState]
    withdrawn: list[OpenAlert]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(CameraState)


def pack(state: CameraState) -> bytes:
    """The bytes that `unpack` reads: equal states give equal bytes."""
    return bytes([VERSION]) + _ENCODER.encode(state)


def unpack(data: bytes, camera: str) -> CameraState:
    """Raises FatalError: bytes of another version, of another camera, or damaged."""
    if data[:1] != bytes([VERSION]):
        found = data[0] if data else "none"
        raise FatalError(
            f"the rule-state of camera {camera} has version {found}, this program reads {VERSION}: "
            "start the version that wrote it, or delete the snapshot to begin without state"
        )
    try:
        state = _DECODER.decode(data[1:])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FatalError(f"the rule-state of camera {camera} is damaged: {error}") from None
    if state.camera != camera:
        raise FatalError(f"the rule-state of camera {camera} belongs to {state.camera!r}")
    return state


def pack_seen(seen: Seen | None) -> SeenState | None:
    """For the state; exact."""
    if seen is None:
        return None
    labels = sorted({box.label for box in seen.boxes})
    number = {label: i for i, label in enumerate(labels)}
    return SeenState(
        seen.captured_at_us,
        seen.raw_offset,
        labels,
        [(number[b.label], b.score, b.x1, b.y1, b.x2, b.y2) for b in seen.boxes],
    )


def unpack_seen(state: SeenState | None) -> Seen | None:
    """From the state; exact."""
    if state is None:
        return None
    if any(not 0 <= box[0] < len(state.labels) for box in state.boxes):
        raise FatalError("a rule-state is damaged: it has a box without a label")
    boxes = tuple(
        Box(label=state.labels[i], score=score, x1=x1, y1=y1, x2=x2, y2=y2)
        for i, score, x1, y1, x2, y2 in state.boxes
    )
    return Seen(state.captured_at_us, state.raw_offset, boxes)
