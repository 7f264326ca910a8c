"""The gate of one camera over messages: what becomes of each tick. No Kafka, no clock."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from schemas.errors import InvalidMessage
from schemas.headers import in_range
from schemas.messages import (
    Captured,
    GatedRecord,
    Inferred,
    KeepReason,
    Kept,
    Missing,
    RawRecord,
    Rejected,
    RejectReason,
    ResultRecord,
    Tick,
    Unchanged,
    from_us,
)
from stream_processors.downscale import downscale
from stream_processors.settings import GateSettings
from vision import jpeg
from vision.gate import Decision, Gate, UnreadableState
from vision.jpeg import BadJpeg, JpegHeader, Luma
from vision.scene import Scene
from vision.signature import BadSignature, decode_signature

STAGE: Final = "gate"

# A capture time further ahead of the broker's clock is a wrong clock; it moves no state, else one
# such tick would make all later ones of its camera late.
MAX_AHEAD_US = 5 * 60 * 1_000_000

_STATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tick led to.

    `record` goes to frames-gated; None for a known repeat, and for a tick with an impossible
    capture time. `dead`, where there is one, says why the message belongs to the dead letters.
    """

    record: GatedRecord | None
    dead: InvalidMessage | None = None
    fell_back: bool = False  # a signature was of no use, so the frame itself was decoded
    scene: Scene | None = None  # what became of the picture as a whole


class _State(msgspec.Struct, array_like=True, frozen=True):
    """What a camera's later outcomes depend on, besides the settings."""

    version: int = _STATE_VERSION
    run: str | None = None  # of the last tick that moved the time on
    seq: int = 0
    captured_at_us: int = 0
    kept_frame: str = ""  # what an unchanged frame equals
    size: tuple[int, int] = (0, 0)  # of the kept frame as captured
    gate: bytes = b""
    signed: bool = False  # whether the kept frame's luma came from its signature
    # What is published of the frames so far may differ from what this state comes of: the kept
    # frame may be one that nobody has. So the next frame is kept.
    doubtful: bool = False


class CameraGate:
    """One camera's ticks in, one outcome each out.

    Outcomes depend on the settings and on what was taken before, and on nothing else (`took_us` is
    only handed on). `CameraGate(camera, settings, gate.state())` goes on exactly as `gate` would.
    Raises vision.gate.UnreadableState if `state` is damaged or another version's.
    """

    def __init__(self, camera: str, settings: GateSettings, state: bytes | None = None) -> None:
        self.camera = camera
        self._settings = settings
        self._rule = settings.rule()
        self._state = _State() if state is None else _read(state)
        self._gate = Gate(self._rule, self._state.gate or None)
        self._in_doubt = False  # the tick that is being taken must not equal an earlier one

    def state(self) -> bytes:
        """All that later outcomes depend on besides the settings; 8 to 37 kB."""
        return msgspec.msgpack.encode(msgspec.structs.replace(self._state, gate=self._gate.state()))

    def learn(self, record: ResultRecord) -> bool:
        """Learns from what the detector saw on a frame that was kept; whether it was remembered.

        What was never inferred (*unchanged*, *missing*, another camera's) teaches nothing.
        """
        if not self._settings.learns or record.camera != self.camera:
            return False
        match record:
            case Inferred():
                return self._gate.learn(record.frame, record.boxes)
            case Rejected():
                return self._gate.learn(record.frame, None)
        return False

    def take(
        self,
        record: RawRecord | Rejected,
        *,
        appended_at_us: int,
        raw_offset: int,
        took_us: int,
        repeated: bool = False,
    ) -> Outcome:
        """Decides on the camera's next tick on frames-raw; *rejected* if it could not be decoded.

        `appended_at_us` is the broker's append time, `took_us` when this stage took the message;
        both µs since 1970. The given-on time in `stages` is left 0 for the caller to fill in.
        `repeated`: an earlier owner has published what came of it, perhaps after other feedback.
        Bad pictures lead to a rejected record, not to an exception.
        """
        common = _common(record, raw_offset, took_us)
        at_us = record.captured_at_us
        ahead_us = at_us - appended_at_us
        # No tick goes on from here: its row would need a partition in another century.
        if not in_range(record.captured_at, from_us(appended_at_us)):
            detail = f"captured at {record.captured_at.isoformat()}; known: 2000 to a day ahead"
            return Outcome(None, InvalidMessage("capture-time", detail))
        if ahead_us > MAX_AHEAD_US:
            detail = f"captured {ahead_us / 1e6:.0f} s ahead of the broker's clock"
            return Outcome(_rejected(common, "clock", detail))
        if self._state.run is not None and at_us <= self._state.captured_at_us:
            return self._behind(record, at_us, common)
        may_differ = repeated and self._settings.learns and isinstance(record, Captured)
        self._in_doubt = self._state.doubtful and not may_differ
        outcome = self._pass_on(record, at_us, common)
        self._state = msgspec.structs.replace(
            self._state,
            run=record.run,
            seq=record.seq,
            captured_at_us=at_us,
            doubtful=self._state.doubtful or may_differ,
        )
        return outcome

    def _behind(self, record: RawRecord | Rejected, at_us: int, common: dict[str, Any]) -> Outcome:
        if record.run == self._state.run and record.seq <= self._state.seq:
            return Outcome(None)
        behind_s = (self._state.captured_at_us - at_us) / 1e6
        detail = f"{behind_s:.3f} s behind the camera's last tick"
        return Outcome(_rejected(common, "late", detail))

    def _pass_on(self, record: RawRecord | Rejected, at_us: int, common: dict[str, Any]) -> Outcome:
        match record:
            case Missing():
                return Outcome(Missing(**common, reason=record.reason, detail=record.detail))
            case Unchanged():
                return Outcome(Unchanged(**common, same_as=record.same_as, score=record.score))
            case Rejected():
                return Outcome(_rejected(common, record.reason, record.detail))
            case Captured():
                return self._weigh(record, at_us, common)

    def _weigh(self, record: Captured, at_us: int, common: dict[str, Any]) -> Outcome:
        try:
            header = jpeg.inspect(
                record.jpeg,
                min_side_px=self._settings.min_side_px,
                max_pixels=self._settings.max_pixels,
            )
            if record.because is not None:
                return self._keep_as_told(record, record.because, header, common)
            seen = _look(record, header)
            common |= {"width": header.width, "height": header.height}
            gate, decision = self._decide(seen, header, record.frame, at_us)
            if decision is not None and not decision.kept:
                self._gate = gate
                return Outcome(
                    self._dropped(decision, common), None, seen.fell_back, decision.scene
                )
            small = self._downscaled(record, header)
        except BadJpeg as error:
            return Outcome(_rejected(common, error.reason, error.detail), error)
        self._gate = gate
        self._state = msgspec.structs.replace(
            self._state,
            kept_frame=record.frame,
            size=header.size,
            signed=seen.signed,
            doubtful=False,
        )
        if decision is None or decision.because is None:
            off = Kept(**common, jpeg=small, because="off", score=0.0)
            return Outcome(off, fell_back=seen.fell_back)
        kept = Kept(**common, jpeg=small, because=decision.because, score=decision.score)
        return Outcome(kept, None, seen.fell_back, decision.scene)

    def _dropped(self, decision: Decision, common: dict[str, Any]) -> Unchanged | Rejected:
        if decision.scene == "frozen":
            return _rejected(common, "frozen", "the same picture bit for bit, again and again")
        return Unchanged(**common, same_as=self._state.kept_frame, score=decision.score)

    def _keep_as_told(
        self, record: Captured, because: KeepReason, header: JpegHeader, common: dict[str, Any]
    ) -> Outcome:
        """A gate at the edge has decided. Raises BadJpeg."""
        common |= {"width": header.width, "height": header.height}
        small = self._downscaled(record, header)
        # Should nobody decide on a later one, it is kept: what this gate knows is of a frame from
        # before, and the one that it would have to be compared with is the edge's.
        self._gate = Gate(self._rule)
        self._state = msgspec.structs.replace(self._state, kept_frame="", size=(0, 0))
        return Outcome(Kept(**common, jpeg=small, because=because, score=record.score))

    def _downscaled(self, record: Captured, header: JpegHeader) -> bytes:
        return downscale(
            record.jpeg,
            header,
            largest_side_px=self._settings.largest_side_px,
            quality=self._settings.jpeg_quality,
        )

    def _decide(
        self, seen: _Seen, header: JpegHeader, frame: str, at_us: int
    ) -> tuple[Gate, Decision | None]:
        """The gate as it is after this frame, and what it says; None: every frame is kept.

        The camera's own gate stays as it is: a picture may yet prove bad while it is scaled.
        """
        if not self._settings.enabled:
            # A reference from before would not be the frame that a later one is the same as.
            return Gate(self._rule), None
        gate = self._refreshed() if self._in_doubt else copy.copy(self._gate)
        # Two sources of luma differ by more than noise.
        known = self._state.size, self._state.signed
        comparable = self._state.size == (0, 0) or known == (header.size, seen.signed)
        decision = gate.decide(seen.luma, frame, at_us, comparable=comparable)
        if self._in_doubt:
            gate = Gate(self._rule, gate.state())
        return gate, decision

    def _refreshed(self) -> Gate:
        """The gate as it is, but that its refresh is due: it keeps the next frame."""
        return Gate(replace(self._rule, refresh_us=0), self._gate.state())


@dataclass(frozen=True, slots=True)
class _Seen:
    """A frame's luma, and whether it came from its signature."""

    luma: Luma
    signed: bool
    fell_back: bool = False


def _look(record: Captured, header: JpegHeader) -> _Seen:
    """Raises BadJpeg."""
    if record.signature is None:
        return _Seen(jpeg.decode_luma(record.jpeg, header), signed=False)
    try:
        luma = decode_signature(record.signature, *header.size)
    except BadSignature:
        return _Seen(jpeg.decode_luma(record.jpeg, header), signed=False, fell_back=True)
    return _Seen(luma, signed=True)


def _common(record: Tick, raw_offset: int, took_us: int) -> dict[str, Any]:
    """What the record that goes on has in common with the one that came."""
    return {
        "camera": record.camera,
        "captured_at": record.captured_at,
        "run": record.run,
        "seq": record.seq,
        "width": record.width,
        "height": record.height,
        "raw_offset": raw_offset,
        "stages": {**record.stages, STAGE: (took_us, 0)},
        "traceparent": record.traceparent,
    }


def _rejected(common: dict[str, Any], reason: RejectReason, detail: str) -> Rejected:
    return Rejected(**common, reason=reason, detail=detail)


def _read(state: bytes) -> _State:
    try:
        read = msgspec.msgpack.decode(state, type=_State)
    except msgspec.DecodeError as error:
        raise UnreadableState(f"damaged state of a camera's gate: {error}") from error
    if read.version != _STATE_VERSION:
        raise UnreadableState(
            f"state of a camera's gate, version {read.version}; this program reads {_STATE_VERSION}"
        )
    return read
