"""What happens to a camera: what it is recognised as, and what it costs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.vision.scenes import FULL, LUMA, Field, seen, with_person, yard
from tests.vision.test_gate import NO_AUDIT, Camera, S, kept
from vision.gate import Gate, GateRule
from vision.jpeg import Luma, decode_luma, encode_bgr, inspect
from vision.scene import is_blind, shift_between, shifted
from vision.tiles import Tiles, pad, stabilise, tile_means

PERSON = (60, 180)


@pytest.fixture(scope="module")
def by_day() -> Field:
    return yard(mean=110, contrast=35)


@pytest.fixture(scope="module")
def by_night() -> Field:
    return yard(mean=22, contrast=7)


def moved(scene: Field, x: int, y: int) -> Field:
    """What the camera sees after it was turned by so many pixels; the edges are mirrored."""
    padded = cv2.copyMakeBorder(scene, 400, 400, 400, 400, cv2.BORDER_REFLECT)
    return np.ascontiguousarray(padded[400 + y : 400 + y + FULL[0], 400 + x : 400 + x + FULL[1]])


def infrared(scene: Field, seed: int = 5) -> Field:
    """The same yard under infrared light: other things are bright, none as bright as by day."""
    return np.asarray(0.1 * scene + 0.9 * yard(seed, mean=60, contrast=25), np.float32)


# ---------------------------------------------------------------- all of the picture


@pytest.mark.parametrize(("x", "y"), [(40, 0), (-120, 60), (300, -100)])
def test_a_camera_that_was_turned_is_kept_once_and_said_to_have_moved(
    by_day: Field, x: int, y: int
) -> None:
    camera = Camera()
    camera.watch(by_day, 40)
    turned = camera.watch(moved(by_day, x, y), 5)
    assert (turned[0].because, turned[0].scene) == ("changed", "moved")
    assert kept(turned) == 1
    assert [one.scene for one in turned[1:]] == [None] * 4


def test_a_mast_that_shakes_by_some_pixels_costs_nothing(by_day: Field) -> None:
    camera, rng = Camera(), np.random.default_rng(1)
    camera.watch(by_day, 20)
    shaken = [
        camera.watch(moved(by_day, *rng.integers(-4, 5, 2).tolist()), 1)[0] for _ in range(60)
    ]
    assert {one.because for one in shaken} == {None, "refresh"}, "no shake by itself"


def test_a_person_in_front_of_a_camera_that_shakes_is_kept(by_day: Field) -> None:
    camera = Camera()
    camera.watch(by_day, 20)
    person = with_person(by_day, 900, 500, -45, PERSON)
    assert camera.watch(moved(person, 5, -4), 1)[0].because == "changed"


def test_the_switch_to_infrared_and_back_is_kept_once_each_time(by_day: Field) -> None:
    camera = Camera()
    camera.watch(by_day, 40)
    for scene in (infrared(by_day), by_day, infrared(by_day)):
        switched = camera.watch(scene, 20, noise=8.0)
        assert (switched[0].because, switched[0].scene) == ("changed", "switched")
        assert kept(switched) == 1, [round(one.score, 1) for one in switched]


def test_a_person_right_after_the_switch_to_infrared_is_kept(by_day: Field) -> None:
    camera = Camera()
    camera.watch(by_day, 40)
    camera.watch(infrared(by_day), 2, noise=8.0)
    person = with_person(infrared(by_day), 900, 500, 30, PERSON)
    assert camera.watch(person, 1, noise=8.0)[0].because == "changed"


@pytest.mark.parametrize("grey", [0, 40, 255])
def test_a_covered_lens_is_kept_once_and_said_to_be_blind_as_long_as_it_is(
    by_day: Field, grey: int
) -> None:
    camera = Camera()
    camera.watch(by_day, 20)
    covered = np.full(FULL, grey, np.float32)
    decisions = camera.watch(covered, 10)
    assert kept(decisions) == 1
    assert {one.scene for one in decisions} == {"blind"}
    assert camera.watch(by_day, 1)[0].because == "changed"
    assert camera.watch(by_day, 1)[0].scene is None


def test_a_nearly_black_yard_is_not_blind() -> None:
    def means(scene: Field) -> Tiles:
        return tile_means(stabilise(pad(seen(scene, 0, noise=1, coding=0.1))))

    assert not is_blind(means(yard(mean=5, contrast=3)))
    assert is_blind(means(np.full(FULL, 3, np.float32)))


@pytest.mark.parametrize("night", [False, True])
def test_a_slow_dawn_costs_hardly_more_than_the_refresh(night: bool) -> None:
    scene = yard(mean=20, contrast=7) if night else yard(mean=90, contrast=30)
    camera = Camera()
    dawn = [camera.watch(scene, 1, gain=1 + n / 300, offset=n / 20)[0] for n in range(600)]
    assert kept(dawn) <= 2 * 600 // 60, sum(one.because == "changed" for one in dawn)


# ---------------------------------------------------------------- what moves before it


def drops(rng: np.random.Generator, count: int, length: int, grey: float) -> Field:
    """Streaks of rain or flakes of snow, to be added."""
    layer = np.zeros(FULL, np.float32)
    for x, y in zip(rng.integers(0, FULL[1], count), rng.integers(0, FULL[0], count), strict=True):
        cv2.line(layer, (int(x), int(y)), (int(x) + 2, int(y) + length), (grey,), 2)
    return layer


@pytest.mark.parametrize(
    ("count", "length", "grey"), [(1500, 30, 18.0), (800, 4, 60.0)], ids=["rain", "snow"]
)
def test_rain_and_snow_are_learnt_and_a_person_in_them_is_kept(
    by_night: Field, count: int, length: int, grey: float
) -> None:
    camera, rng = Camera(), np.random.default_rng(2)
    wet = [camera.watch(by_night + drops(rng, count, length, grey), 1)[0] for _ in range(80)]
    assert kept(wet[30:]) <= 5, [round(one.score, 1) for one in wet]
    person = with_person(by_night, 900, 500, 40, PERSON)
    assert camera.watch(person + drops(rng, count, length, grey), 1)[0].because == "changed"


def test_insects_cost_what_they_show_and_a_person_among_them_is_kept(by_night: Field) -> None:
    camera, rng = Camera(), np.random.default_rng(4)
    camera.watch(by_night, 20)

    def with_insect(scene: Field) -> Field:
        at = (int(rng.integers(100, 1800)), int(rng.integers(100, 1000)))
        return (
            scene
            + drops(rng, 0, 0, 0)
            + cv2.circle(np.zeros(FULL, np.float32), at, 9, (150.0,), -1)
        )

    flying = [camera.watch(with_insect(by_night), 1)[0] for _ in range(30)]
    assert kept(flying) <= 3, "an insect of 18 pixels is smaller than three tiles"
    person = with_person(with_insect(by_night), 900, 500, 40, PERSON)
    assert camera.watch(person, 1)[0].because == "changed"


def test_headlights_that_sweep_by_are_kept_and_hide_nobody(by_night: Field) -> None:
    """A beam is a change like any other: what it lights up may be somebody."""
    camera = Camera()
    camera.watch(by_night, 20)
    columns = np.arange(FULL[1], dtype=np.float32)

    def beam(scene: Field, x: float) -> Field:
        return np.asarray(scene * (1 + 4 * np.exp(-(((columns - x) / 250) ** 2))), np.float32)

    swept = [camera.watch(beam(by_night, x), 1)[0] for x in (300, 800, 1300)]
    assert {one.because for one in swept} == {"changed"}
    assert kept(camera.watch(by_night, 5)) == 1
    person = with_person(by_night, 1300, 500, 10, PERSON)
    assert camera.watch(beam(person, 1300), 1)[0].because == "changed"


@pytest.mark.parametrize("qualities", [(95, 40), (85, 60), (75, 90)])
def test_a_jpeg_quality_that_varies_costs_nothing_once_it_is_learnt(
    by_day: Field, qualities: tuple[int, int]
) -> None:
    camera, rng = Camera(), np.random.default_rng(6)

    def coded(number: int) -> Luma:
        noisy = np.clip(by_day + rng.normal(0, 3, FULL), 0, 255).astype(np.uint8)
        jpeg = encode_bgr(cv2.cvtColor(noisy, cv2.COLOR_GRAY2BGR), qualities[number % 2])
        return decode_luma(jpeg, inspect(jpeg))

    decisions = [camera.show(coded(number)) for number in range(30)]
    assert kept(decisions[10:]) == 0, [round(one.score, 1) for one in decisions]


# ---------------------------------------------------------------- a frozen picture


def frozen_camera(scene: Field, rule: GateRule = NO_AUDIT) -> tuple[Camera, Luma]:
    """A camera with noise whose picture stands still from now on."""
    camera = Camera(rule)
    camera.watch(scene, 40)
    return camera, seen(scene, camera.seconds)


def test_a_frozen_picture_is_a_fault_and_not_peace(by_day: Field) -> None:
    camera, last = frozen_camera(by_day)
    decisions = [camera.show(last) for _ in range(200)]
    frozen = [one.scene == "frozen" for one in decisions]
    assert frozen == [False] * 60 + [True] * 140
    assert kept(decisions[60:]) == 0, "what is frozen is not worth an inference"


def test_the_first_frame_after_a_frozen_one_is_kept_whatever_it_shows(by_day: Field) -> None:
    camera, last = frozen_camera(by_day)
    for _ in range(100):
        camera.show(last)
    thawed = camera.watch(by_day, 2)
    assert [(one.because, one.scene) for one in thawed] == [("changed", None), (None, None)]


def test_a_picture_that_never_had_noise_may_stand_still(by_day: Field) -> None:
    camera = Camera()
    drawing = seen(by_day, 0)
    decisions = [camera.show(drawing) for _ in range(300)]
    assert {one.scene for one in decisions} == {None}


def test_two_equal_frames_of_a_camera_that_gives_one_an_hour_are_not_frozen(
    by_day: Field,
) -> None:
    camera, last = frozen_camera(by_day)
    gate, hour = camera.gate, 3600 * S
    decisions = [gate.decide(last, f"a@{n}", 10**9 + n * hour) for n in range(9)]
    assert {one.scene for one in decisions} == {None}


def test_frozen_pictures_can_be_left_alone(by_day: Field) -> None:
    camera, last = frozen_camera(by_day, GateRule(audit_rate=0.0, frozen_us=0))
    assert {camera.show(last).scene for _ in range(200)} == {None}


def test_what_is_frozen_stays_so_across_a_restart(by_day: Field) -> None:
    camera, last = frozen_camera(by_day)
    for _ in range(80):
        camera.show(last)
    restored = Gate(NO_AUDIT, camera.gate.state())
    at_us = camera.seconds * S
    assert restored.decide(last, "a@1", at_us).scene == "frozen"


# ---------------------------------------------------------------- how it is told


@pytest.mark.parametrize("night", [False, True])
def test_a_shift_is_measured_to_a_quarter_of_a_pixel(
    by_day: Field, by_night: Field, night: bool
) -> None:
    luma = pad(seen(by_night if night else by_day, 0))
    for x, y in ((0.0, 0.0), (0.5, -0.5), (3.0, 2.0), (-7.0, 4.0)):
        found = shift_between(stabilise(luma), stabilise(shifted(luma, x, y)))
        assert found == pytest.approx((x, y), abs=0.25)


def test_two_scenes_that_have_nothing_in_common_have_no_shift(by_day: Field) -> None:
    other = pad(seen(yard(9, mean=110, contrast=35), 0))
    assert shift_between(stabilise(pad(seen(by_day, 0))), stabilise(other)) is None


@pytest.mark.parametrize("shape", [(1, 1), (4, 8), (12, 12), LUMA])
def test_pictures_of_one_colour_of_any_size_are_blind_and_no_crash(shape: tuple[int, int]) -> None:
    camera = Camera()
    decisions = [camera.show(np.full(shape, n * 100, np.uint8)) for n in range(3)]
    assert {one.scene for one in decisions} == {"blind"}
