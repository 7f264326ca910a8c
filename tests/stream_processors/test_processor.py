"""What becomes of each tick of a camera."""

from __future__ import annotations

import msgspec
import pytest

from schemas.headers import in_range
from schemas.messages import (
    Captured,
    GatedRecord,
    KeepReason,
    Kept,
    Missing,
    RawRecord,
    Rejected,
    Unchanged,
    from_us,
)
from stream_processors.processor import CameraGate, Outcome
from stream_processors.settings import GateSettings
from tests.stream_processors.ticks import (
    CAMERA,
    NOON,
    S,
    captured,
    missing,
    noisy,
    scene,
    slightly_other,
)
from tests.vision.scenes import picture
from vision import jpeg
from vision.gate import UnreadableState
from vision.jpeg import Luma
from vision.signature import encode_signature, luma_of

NO_AUDIT = GateSettings(audit_rate=0.0)


class Line:
    """A camera's gate, fed in order; the broker appends a tick half a second after its capture."""

    def __init__(self, settings: GateSettings = NO_AUDIT, state: bytes | None = None) -> None:
        self.gate = CameraGate(CAMERA, settings, state)
        self.offset = 0

    def outcome(self, record: RawRecord, *, appended_at_us: int | None = None) -> Outcome:
        self.offset += 1
        return self.gate.take(
            record,
            appended_at_us=appended_at_us or record.captured_at_us + S // 2,
            raw_offset=self.offset,
            took_us=77,
        )

    def take(self, record: RawRecord) -> GatedRecord:
        outcome = self.outcome(record)
        assert outcome.dead is None
        assert outcome.record is not None
        return outcome.record


def test_what_is_given_on_carries_all_that_the_tick_came_with() -> None:
    given = Line().take(captured(0, 4, scene(1)))
    assert isinstance(given, Kept)
    assert (given.camera, given.frame) == (CAMERA, f"{CAMERA}@{NOON}")
    assert (given.run, given.seq, given.raw_offset, given.gated_offset) == ("a", 4, 1, None)
    assert (given.width, given.height) == (64, 48)
    assert given.stages == {"produce": (1, 2), "gate": (77, 0)}
    assert given.traceparent == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_the_first_frame_is_kept_and_one_like_it_is_unchanged() -> None:
    line = Line()
    first, second, third = (line.take(captured(n, n, data)) for n, data in enumerate(
        (scene(1), slightly_other(1), scene(2))
    ))  # fmt: skip
    assert isinstance(first, Kept)
    assert (first.because, first.score) == ("first", 0.0)
    assert isinstance(second, Unchanged)
    assert second.same_as == first.frame
    assert 0 < second.score <= NO_AUDIT.threshold
    assert isinstance(third, Kept)
    assert third.because == "changed"
    assert third.score > NO_AUDIT.threshold


def test_unchanged_refers_to_the_last_kept_frame_and_not_to_the_last_one() -> None:
    line = Line()
    frames = [line.take(captured(n, n, slightly_other(1))) for n in range(4)]
    assert [type(frame) for frame in frames] == [Kept, Unchanged, Unchanged, Unchanged]
    assert {f.same_as for f in frames if isinstance(f, Unchanged)} == {frames[0].frame}


def test_same_as_reaches_at_most_the_refresh_interval_back() -> None:
    line = Line(GateSettings(audit_rate=0.0, refresh_s=5.0))
    frames = [line.take(captured(n, n, scene(1))) for n in range(12)]
    kept = [n for n, frame in enumerate(frames) if isinstance(frame, Kept)]
    assert kept == [0, 5, 10]


def test_with_the_gate_off_every_frame_is_kept_because_of_that() -> None:
    line = Line(NO_AUDIT.without_gate())
    frames = [line.take(captured(n, n, scene(1))) for n in range(3)]
    assert [f.because for f in frames if isinstance(f, Kept)] == ["off"] * 3


def test_a_gate_that_is_on_again_does_not_refer_to_a_frame_it_never_compared_with() -> None:
    line = Line()
    line.take(captured(0, 0, scene(1)))
    off = Line(NO_AUDIT.without_gate(), line.gate.state())
    off.take(captured(1, 1, scene(2)))
    on = Line(NO_AUDIT, off.gate.state())
    assert isinstance(on.take(captured(2, 2, scene(1))), Kept)


def test_another_resolution_is_kept_even_if_it_shows_the_same() -> None:
    line = Line()
    whole, half = picture(640, 320), picture(640, 320)[::2, ::2].copy()
    line.take(captured(0, 0, jpeg.encode_bgr(whole, 95), width=640, height=320))
    assert isinstance(
        line.take(captured(1, 1, jpeg.encode_bgr(whole, 94), width=640, height=320)), Unchanged
    )
    other = line.take(captured(2, 2, jpeg.encode_bgr(half, 95), width=320, height=160))
    assert isinstance(other, Kept)
    assert other.because == "changed"


def test_a_missing_tick_is_passed_on_with_its_reason() -> None:
    line = Line()
    line.take(captured(0, 0, scene(1)))
    given = line.take(missing(1, 1))
    assert isinstance(given, Missing)
    assert (given.reason, given.detail, given.raw_offset) == ("stalled", "no frame for 3 s", 2)
    assert isinstance(line.take(captured(2, 2, scene(1))), Unchanged)


def test_what_a_gate_at_the_edge_dropped_is_passed_on() -> None:
    line = Line()
    raw = Unchanged(
        camera=CAMERA,
        captured_at=from_us(NOON),
        run="a",
        seq=0,
        same_as=f"{CAMERA}@{NOON - S}",
        score=1.5,
    )
    given = line.take(raw)
    assert isinstance(given, Unchanged)
    assert (given.same_as, given.score, given.raw_offset) == (raw.same_as, 1.5, 1)


def told(at_s: float, seq: int, jpeg: bytes, because: KeepReason) -> Captured:
    """A tick that a gate at the edge has kept."""
    return msgspec.structs.replace(captured(at_s, seq, jpeg), because=because, score=9.5)


@pytest.mark.parametrize("because", ["first", "changed", "audit", "refresh"])
def test_what_a_gate_at_the_edge_kept_is_kept_for_its_reason(because: KeepReason) -> None:
    line = Line()
    line.take(captured(0, 0, scene(1)))
    given = line.take(told(1, 1, slightly_other(1), because))
    assert isinstance(given, Kept)
    assert (given.because, given.score, given.raw_offset) == (because, 9.5, 2)
    assert (given.width, given.height) == (64, 48)


def test_a_frame_of_which_nobody_has_decided_is_kept_after_the_edges() -> None:
    line = Line()
    line.take(captured(0, 0, scene(1)))
    line.take(told(1, 1, scene(2), "changed"))
    resumed = Line(state=line.gate.state())
    for one in (line, resumed):
        first = one.take(captured(2, 2, scene(1)))
        assert isinstance(first, Kept)
        assert first.because == "first"
        same = one.take(captured(3, 3, slightly_other(1)))
        assert isinstance(same, Unchanged)
        assert same.same_as == first.frame


def test_the_picture_that_the_edge_kept_is_not_looked_at_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: object) -> Luma:
        raise AssertionError

    monkeypatch.setattr(jpeg, "decode_luma", never)
    assert isinstance(Line().take(told(0, 0, scene(1), "first")), Kept)


def test_a_bad_picture_that_the_edge_kept_is_rejected() -> None:
    line = Line()
    outcome = line.outcome(told(0, 0, scene(1)[:-40], "first"))
    assert isinstance(outcome.record, Rejected)
    assert outcome.dead is not None


BAD = {
    b"": "undecodable",
    scene(1)[:-40]: "undecodable",
    b"not a picture": "undecodable",
    jpeg.encode_bgr(picture(1, 1), 90): "too-small",
    jpeg.encode_bgr(picture(400, 200), 90): "too-large",
}


@pytest.mark.parametrize("data", BAD, ids=lambda data: f"{len(data)} bytes")
def test_a_bad_picture_is_rejected_and_dead_lettered_and_the_camera_goes_on(data: bytes) -> None:
    line = Line(GateSettings(audit_rate=0.0, max_pixels=64 * 200))
    first = line.take(captured(0, 0, scene(1)))
    outcome = line.outcome(captured(1, 1, data))
    assert isinstance(outcome.record, Rejected)
    assert outcome.dead is not None
    assert outcome.record.reason == outcome.dead.reason == BAD[data]
    assert outcome.record.detail == outcome.dead.detail != ""
    assert outcome.record.raw_offset == 2
    after = line.take(captured(2, 2, slightly_other(1)))
    assert isinstance(after, Unchanged)
    assert after.same_as == first.frame


def test_a_bad_picture_moves_the_time_on() -> None:
    line = Line()
    line.outcome(captured(5, 5, b""))
    assert line.outcome(captured(5, 5, b"")).record is None, "a known repeat"
    late = line.take(captured(4, 6, scene(1)))
    assert isinstance(late, Rejected)
    assert late.reason == "late"


def test_a_picture_that_breaks_only_while_it_is_scaled_leaves_the_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = Line()
    line.take(captured(0, 0, scene(1)))
    before = line.gate.state()

    def break_down(*_: object, **__: object) -> bytes:
        raise jpeg.Undecodable("broken chroma")

    monkeypatch.setattr("stream_processors.processor.downscale", break_down)
    outcome = line.outcome(captured(1, 1, scene(2)))
    assert isinstance(outcome.record, Rejected)
    monkeypatch.undo()
    untouched = Line(NO_AUDIT, before).take(captured(2, 2, scene(2)))
    assert line.take(captured(2, 2, scene(2))).status == untouched.status == "kept"


def test_a_repeat_is_skipped() -> None:
    line = Line()
    for n in range(3):
        line.take(captured(n, n, scene(1)))
    for n in range(3):
        assert line.outcome(captured(n, n, scene(1))) == Outcome(None)


def test_an_older_time_of_another_run_or_a_higher_number_is_late_and_moves_nothing() -> None:
    line = Line()
    line.take(captured(10, 10, scene(1)))
    before = line.gate.state()
    for record in (captured(10, 11, scene(2)), captured(9, 3, scene(2), run="b"), missing(2, 11)):
        given = line.take(record)
        assert isinstance(given, Rejected)
        assert given.reason == "late"
    assert line.gate.state() == before


def test_a_clock_that_is_hours_ahead_is_rejected_and_blinds_nobody() -> None:
    line = Line()
    first = line.take(captured(0, 0, scene(1)))
    before = line.gate.state()
    for record in (captured(7200, 1, scene(2)), missing(7201, 2)):
        outcome = line.outcome(record, appended_at_us=NOON + S)
        assert isinstance(outcome.record, Rejected)
        assert (outcome.record.reason, outcome.dead) == ("clock", None)
    assert line.gate.state() == before
    again = line.take(captured(3, 3, scene(1)))
    assert isinstance(again, Unchanged)
    assert again.same_as == first.frame


@pytest.mark.parametrize(("ahead_s", "status"), [(300, "kept"), (300.000001, "rejected")])
def test_five_minutes_ahead_are_allowed_and_not_a_microsecond_more(
    ahead_s: float, status: str
) -> None:
    outcome = Line().outcome(captured(ahead_s, 0, scene(1)), appended_at_us=NOON)
    assert outcome.record is not None
    assert outcome.record.status == status


def test_old_video_is_no_clock_error() -> None:
    record = captured(0, 0, scene(1))
    outcome = Line().outcome(record, appended_at_us=NOON + 90 * 86_400 * S)
    assert isinstance(outcome.record, Kept)


@pytest.mark.parametrize("at_s", [86_401, -1_000_000_000])
def test_an_impossible_time_is_dead_lettered_and_leaves_no_record(at_s: float) -> None:
    line = Line()
    before = line.gate.state()
    record = captured(at_s, 0, scene(1))
    assert not in_range(record.captured_at, from_us(NOON)), "else this tests nothing"
    outcome = line.outcome(record, appended_at_us=NOON)
    assert outcome.record is None
    assert outcome.dead is not None
    assert outcome.dead.reason == "capture-time"
    assert line.gate.state() == before


def test_the_size_given_on_is_that_of_the_picture_itself() -> None:
    given = Line().take(captured(0, 0, scene(1), width=0, height=0))
    assert (given.width, given.height) == (64, 48)


def test_a_kept_frame_is_brought_down_and_its_record_still_has_the_captured_size() -> None:
    large = jpeg.encode_bgr(picture(1280, 720), 90)
    given = Line().take(captured(0, 0, large, width=1280, height=720))
    assert isinstance(given, Kept)
    assert (given.width, given.height) == (1280, 720)
    assert jpeg.inspect(given.jpeg).size == (640, 360)


@pytest.mark.parametrize("state", [b"", b"nonsense", b"\x91\x01", b"\x91\x63"])
def test_a_state_that_is_damaged_or_of_another_version_is_refused(state: bytes) -> None:
    if state == b"\x91\x01":  # all else at its default: a camera never seen
        assert CameraGate(CAMERA, NO_AUDIT, state).state() == CameraGate(CAMERA, NO_AUDIT).state()
        return
    with pytest.raises(UnreadableState):
        CameraGate(CAMERA, NO_AUDIT, state)


# ---------------------------------------------------------------- signatures


def signed(at_s: float, seq: int, of: int, jpeg_of: int | None = None) -> Captured:
    """A tick whose signature shows scene `of`, and its JPEG that or another one."""
    signature = encode_signature(luma_of(picture(64, 48, seed=of)))
    tick = captured(at_s, seq, scene(of if jpeg_of is None else jpeg_of))
    return msgspec.structs.replace(tick, signature=signature)


def test_a_signature_decides_and_the_frame_is_not_looked_at() -> None:
    line = Line()
    assert isinstance(line.take(signed(0, 0, 1)), Kept)
    assert isinstance(line.take(signed(1, 1, 1, jpeg_of=2)), Unchanged)
    assert isinstance(line.take(signed(2, 2, 2, jpeg_of=1)), Kept)


def test_luma_of_another_source_forces_a_keep() -> None:
    line = Line()
    line.take(signed(0, 0, 1))
    bare = line.take(captured(1, 1, scene(1)))
    assert isinstance(bare, Kept)
    assert bare.because == "changed"
    assert isinstance(line.take(captured(2, 2, slightly_other(1))), Unchanged)
    assert isinstance(line.take(signed(3, 3, 1)), Kept)


@pytest.mark.parametrize("signature", [b"", b"\x01", b"\x07" * 500, b"\x01\x00" + b"\x89PNG" * 40])
def test_a_signature_of_no_use_is_told_and_the_frame_itself_decides(signature: bytes) -> None:
    line = Line()
    first = line.outcome(msgspec.structs.replace(captured(0, 0, scene(1)), signature=signature))
    again = line.outcome(
        msgspec.structs.replace(captured(1, 1, slightly_other(1)), signature=signature)
    )
    assert first.fell_back
    assert again.fell_back
    assert isinstance(first.record, Kept)
    assert isinstance(again.record, Unchanged)


def test_where_the_luma_came_from_survives_a_restart() -> None:
    line = Line()
    line.take(signed(0, 0, 1))
    resumed = Line(state=line.gate.state())
    resumed.offset = line.offset
    assert isinstance(resumed.take(signed(1, 1, 1)), Unchanged)
    other = Line(state=line.gate.state())
    other.offset = line.offset
    assert isinstance(other.take(captured(1, 1, scene(1))), Kept)


def test_a_frozen_picture_is_rejected_and_what_comes_after_it_is_kept() -> None:
    line = Line(GateSettings(audit_rate=0.0, frozen_after_s=20))
    for n in range(40):
        line.take(captured(n, n, noisy(n)))
    frozen = [line.outcome(captured(n, n, noisy(39))) for n in range(40, 80)]
    assert all(isinstance(one.record, Unchanged) for one in frozen[:19])
    rejected = [one.record for one in frozen[19:]]
    assert {one.reason for one in rejected if isinstance(one, Rejected)} == {"frozen"}
    assert len([one for one in rejected if isinstance(one, Rejected)]) == len(rejected)
    assert {one.dead for one in frozen} == {None}
    assert {one.scene for one in frozen[19:]} == {"frozen"}
    thawed = line.take(captured(80, 80, noisy(80)))
    assert isinstance(thawed, Kept)
    assert thawed.because == "changed"


def test_every_frame_is_kept_where_the_gate_is_off_frozen_or_not() -> None:
    line = Line(GateSettings(enabled=False))
    assert {type(line.take(captured(n, n, noisy(0)))) for n in range(100)} == {Kept}
