"""The gate on rendered scenes: what must be kept, what must be dropped, what must be learnt."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.vision.scenes import Field, seen, with_person, yard
from vision.gate import MAX_SCORE, Decision, Gate, GateRule, drawn
from vision.jpeg import MAX_LUMA_PIXELS, Luma

S = 1_000_000
NO_AUDIT = GateRule(audit_rate=0.0)
PERSON = (30, 120)


class Camera:
    """A gate and its clock: shows it frames, one a second."""

    def __init__(self, rule: GateRule = NO_AUDIT) -> None:
        self.gate = Gate(rule)
        self.seconds = 0

    def show(self, luma: Luma) -> Decision:
        decision = self.gate.decide(luma, f"yard@{self.seconds * S}", self.seconds * S)
        self.seconds += 1
        return decision

    def watch(self, scene: Field, frames: int, **how: float) -> list[Decision]:
        return [self.show(seen(scene, self.seconds, **how)) for _ in range(frames)]


def kept(decisions: list[Decision]) -> int:
    return sum(decision.kept for decision in decisions)


@pytest.fixture(scope="module")
def by_day() -> Field:
    return yard(mean=110, contrast=35)


@pytest.fixture(scope="module")
def by_night() -> Field:
    return yard(mean=22, contrast=7)


def test_the_first_frame_is_kept_as_such(by_day: Field) -> None:
    first = Camera().watch(by_day, 1)[0]
    assert first == Decision(True, "first", 0.0)


@pytest.mark.parametrize("noise", [0.0, 3.0, 12.0, 30.0])
def test_noise_alone_is_dropped(by_day: Field, by_night: Field, noise: float) -> None:
    assert kept(Camera().watch(by_day, 50, noise=noise)) == 1
    assert kept(Camera().watch(by_night, 50, noise=noise)) == 1


@pytest.mark.parametrize("x", [400, 408, 416, 424, 1890])
@pytest.mark.parametrize("y", [300, 316, 960])
def test_a_small_person_in_a_noisy_night_is_kept(by_night: Field, x: int, y: int) -> None:
    camera = Camera()
    camera.watch(by_night, 20, noise=8)
    person = with_person(by_night, x, y, 40, PERSON)
    alone, joined = seen(by_night, 99, noise=8), seen(person, 99, noise=8)
    assert abs(float(joined.mean()) - float(alone.mean())) < 1, "else a global rule would do"
    decision = camera.show(joined)
    assert (decision.kept, decision.because) == (True, "changed")


def test_a_person_four_grey_levels_off_in_a_nearly_black_yard_is_kept() -> None:
    black = yard(mean=5, contrast=2)
    camera = Camera()
    assert kept(camera.watch(black, 30, noise=1, coding=0.1)) == 1
    person = with_person(black, 900, 500, 4, (60, 180))
    assert camera.watch(person, 1, noise=1, coding=0.1)[0].because == "changed"


def test_a_person_who_leaves_is_kept_too(by_day: Field) -> None:
    camera = Camera()
    camera.watch(by_day, 10)
    person = with_person(by_day, 900, 500, -40, PERSON)
    assert kept(camera.watch(person, 5)) == 1
    assert camera.watch(by_day, 1)[0].because == "changed"


def test_slow_change_adds_up_since_the_last_kept_frame(by_day: Field) -> None:
    camera = Camera()
    camera.watch(by_day, 10)
    decisions = [
        camera.watch(with_person(by_day, 900, 500, level * 1.5, (200, 200)), 1)[0]
        for level in range(20)
    ]
    assert max(d.score for d in decisions[:3]) < NO_AUDIT.threshold, "no step is large by itself"
    assert any(d.because == "changed" for d in decisions)


@pytest.mark.parametrize(
    ("gain", "offset"), [(1.5, 0), (0.6, 0), (1.0, 30), (1.0, -15), (1.3, -10), (0.8, 25)]
)
def test_a_switch_of_the_light_alone_is_dropped(by_day: Field, gain: float, offset: float) -> None:
    camera = Camera()
    camera.watch(by_day, 20)
    decisions = camera.watch(by_day, 5, gain=gain, offset=offset)
    assert kept(decisions) == 0, [d.score for d in decisions]


@pytest.mark.parametrize(("gain", "offset"), [(1.5, 0), (0.6, 0), (1.0, 30)])
def test_a_person_who_switches_the_light_is_kept(by_day: Field, gain: float, offset: float) -> None:
    camera = Camera()
    camera.watch(by_day, 20)
    person = with_person(by_day, 700, 400, 60, (60, 180))
    assert camera.watch(person, 1, gain=gain, offset=offset)[0].because == "changed"


@pytest.mark.parametrize("grey", [0, 16, 128, 255])
def test_a_covered_lens_is_kept(by_day: Field, grey: int) -> None:
    camera = Camera()
    camera.watch(by_day, 20)
    covered = np.full_like(seen(by_day, 0), grey)
    assert camera.show(covered).because == "changed"
    assert camera.watch(by_day, 1)[0].because == "changed", "and so is what comes back"


def test_a_camera_that_starts_with_a_grey_picture_keeps_its_first_real_one(by_day: Field) -> None:
    camera = Camera()
    camera.show(np.full_like(seen(by_day, 0), 128))
    assert camera.watch(by_day, 1)[0].because == "changed"


def with_clock(scene: Field, second: int, scale: float) -> Field:
    """`scene` with a time stamp in white on black; letters are 24 pixels high times `scale`."""
    text = f"2026-11-22 21:{second // 60:02}:{second % 60:02}"
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 3)
    stamp = np.zeros((height + 20, width + 20), np.uint8)
    cv2.putText(stamp, text, (10, 10 + height), cv2.FONT_HERSHEY_SIMPLEX, scale, (235.0,), 3)
    scene = scene.copy()
    scene[30 : 50 + height, 30 : 50 + width] = stamp
    return scene


@pytest.mark.parametrize(
    ("scale", "most"),
    [
        (1.5, 3),  # as cameras have it
        (4.0, 14),  # 96 pixels: the tens, which change in a tenth of the frames, can't be learnt
    ],
)
def test_a_clock_overlay_is_learnt_and_a_person_beside_it_is_still_kept(
    by_night: Field, scale: float, most: int
) -> None:
    camera = Camera()
    scores = [camera.watch(with_clock(by_night, n, scale), 1)[0].score for n in range(40)]
    assert max(scores[:10]) > NO_AUDIT.threshold or scale < 4, "else there is nothing to learn"
    later = [camera.watch(with_clock(by_night, n, scale), 1)[0] for n in range(40, 140)]
    assert kept(later) <= most, [round(d.score, 1) for d in later]
    person = with_person(by_night, 1000, 500, 25, PERSON)
    assert camera.watch(with_clock(person, 140, scale), 1)[0].because == "changed"


def test_swaying_foliage_is_learnt(by_day: Field) -> None:
    camera, rng = Camera(), np.random.default_rng(3)

    def sway() -> Luma:
        luma = seen(by_day, camera.seconds)
        luma[20:60, 150:200] = np.roll(luma[20:60, 150:200], rng.integers(-4, 5), axis=1)
        return luma

    decisions = [camera.show(sway()) for _ in range(240)]
    assert kept(decisions[:5]) >= 3, "else there is nothing to learn"
    assert kept(decisions[40:]) <= 12, [round(d.score, 1) for d in decisions]


def test_a_frame_is_kept_at_the_latest_after_the_refresh_interval(by_day: Field) -> None:
    rule = GateRule(audit_rate=0.0, refresh_us=10 * S)
    decisions = Camera(rule).watch(by_day, 31)
    assert [n for n, d in enumerate(decisions) if d.kept] == [0, 10, 20, 30]
    assert [d.because for d in decisions if d.kept] == ["first", "refresh", "refresh", "refresh"]


def test_the_refresh_goes_by_capture_time_and_not_by_frames(by_day: Field) -> None:
    gate = Gate(NO_AUDIT)
    gate.decide(seen(by_day, 0), "a@0", 0)
    assert not gate.decide(seen(by_day, 1), "a@1", 60 * S - 1).kept
    assert gate.decide(seen(by_day, 2), "a@2", 60 * S).because == "refresh"


def test_the_audit_draws_its_share_and_says_so(by_day: Field) -> None:
    decisions = Camera(GateRule(audit_rate=0.2, refresh_us=10**15)).watch(by_day, 200)
    assert {d.because for d in decisions} == {"first", "audit", None}
    assert 20 <= kept(decisions) <= 62  # 40 expected, within four standard deviations


def test_the_draw_depends_on_frame_and_seed_alone() -> None:
    frames = [f"cam@{n}" for n in range(2000)]
    one, again, other = ([drawn(f, 0.1, seed) for f in frames] for seed in (0, 0, 1))
    assert one == again
    assert one != other
    assert 140 <= sum(one) <= 260
    assert not any(drawn(f, 0.0, 0) for f in frames)
    assert all(drawn(f, 1.0, 0) for f in frames)


def test_another_resolution_is_kept_as_changed(by_day: Field) -> None:
    camera = Camera()
    camera.watch(by_day, 3)
    other = np.ascontiguousarray(seen(by_day, 3)[:120, :160])
    assert camera.show(other) == Decision(True, "changed", MAX_SCORE)
    assert not camera.show(other).kept


def test_a_frame_that_is_not_comparable_is_kept(by_day: Field) -> None:
    gate = Gate(NO_AUDIT)
    gate.decide(seen(by_day, 0), "a@0", 0)
    assert gate.decide(seen(by_day, 1), "a@1", S, comparable=False).because == "changed"
    assert not gate.decide(seen(by_day, 2), "a@2", 2 * S).kept


def test_a_luma_too_large_to_remember_is_refused() -> None:
    with pytest.raises(ValueError, match="more than"):
        Gate(NO_AUDIT).decide(np.zeros((1, MAX_LUMA_PIXELS + 1), np.uint8), "a@0", 0)


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (8, 4), (16, 16), (5, 7)])
def test_lumas_too_small_for_a_cluster_are_refreshed_only(shape: tuple[int, int]) -> None:
    camera = Camera()
    for n in range(3):
        camera.show(np.full(shape, n, np.uint8))
    assert camera.seconds == 3


def test_a_buffer_that_is_filled_anew_does_not_change_what_is_remembered(by_day: Field) -> None:
    camera = Camera()
    buffer = np.ascontiguousarray(seen(by_day, 0)[:132])
    camera.show(buffer)
    buffer[:] = 0
    buffer[60:, 100:] = 255
    assert camera.show(buffer).because == "changed"
