"""The luma that travels beside a frame."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.vision.scenes import picture, with_person, yard
from vision.jpeg import Luma, decode_luma, encode_bgr, inspect, luma_size
from vision.signature import (
    MAX_BYTES,
    BadSignature,
    decode_signature,
    encode_signature,
    luma_of,
)

SIZES = [(1920, 1080), (1280, 720), (640, 480), (333, 217), (64, 48), (3840, 2160), (1083, 1921)]


def by_jpeg(image: np.ndarray) -> Luma:
    data = encode_bgr(image, 95)
    return decode_luma(data, inspect(data))


def seen_by_a_sensor(scene: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(9).normal(0, 3, scene.shape)
    return np.clip(scene + noise, 0, 255)


def bgr(field: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(np.asarray(field, np.uint8), cv2.COLOR_GRAY2BGR)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_pictures_luma_is_that_of_its_jpeg(width: int, height: int) -> None:
    image = picture(width, height, seed=3)
    ours, theirs = luma_of(image), by_jpeg(image)
    assert ours.shape == theirs.shape
    difference = np.abs(ours.astype(int) - theirs)
    assert difference.mean() < 0.5
    assert np.quantile(difference, 0.999) <= 2


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_what_is_read_is_of_the_frames_size(width: int, height: int) -> None:
    luma = luma_of(picture(width, height, seed=4))
    read = decode_signature(encode_signature(luma), width, height)
    assert read.shape == luma.shape == luma_size(width, height).final[::-1]


def test_a_1080p_scene_fits_and_is_right_within_two_grey_levels() -> None:
    # As soft as a lens leaves it; the test scene itself has as much detail as fits in.
    scene = np.asarray(cv2.GaussianBlur(yard(1), (0, 0), 12), np.float32)
    luma = luma_of(bgr(seen_by_a_sensor(scene)))
    signature = encode_signature(luma)
    assert len(signature) <= MAX_BYTES
    read = decode_signature(signature, 1920, 1080)
    assert np.abs(read.astype(int) - luma).max() <= 2


def test_in_the_dark_a_person_of_three_grey_levels_is_still_there() -> None:
    scene = yard(2, mean=6.0, contrast=2.0)
    empty = luma_of(bgr(scene))
    there = luma_of(bgr(with_person(scene, 800, 400, 3.0, (40, 120))))
    read = [decode_signature(encode_signature(luma), 1920, 1080) for luma in (empty, there)]
    inside = np.s_[50:65, 100:105]
    difference = read[1][inside].astype(int) - read[0][inside]
    assert difference.mean() >= 2
    outside = np.abs(read[1].astype(int) - read[0])
    outside[49:66, 99:106] = 0
    assert outside.max() <= 1


def test_noise_is_rounded_until_it_fits() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (135, 240), dtype=np.uint8)
    signature = encode_signature(noise)
    assert len(signature) > MAX_BYTES  # nothing holds that: the coarsest table
    read = decode_signature(signature, 1920, 1080)
    assert np.abs(read.astype(int) - noise).max() <= 31


LUMAS = arrays(np.uint8, (12, 16), elements=st.integers(0, 255))


@given(LUMAS, st.sampled_from([100, 200, 10_000]))
def test_no_value_is_off_by_more_than_half_a_step_of_its_table(luma: Luma, max_bytes: int) -> None:
    signature = encode_signature(luma, max_bytes)
    assert encode_signature(luma, max_bytes) == signature
    read = decode_signature(signature, 16, 12)
    most = (2, 3, 4, 7, 15, 31)[signature[1]]
    assert np.abs(read.astype(int) - luma).max() <= most
    assert len(signature) <= max_bytes or signature[1] == 5


@given(st.binary(max_size=300), st.integers(0, 300), st.integers(0, 255))
def test_a_damaged_signature_is_told_or_read_as_one_of_its_size(
    junk: bytes, at: int, value: int
) -> None:
    good = bytearray(encode_signature(luma_of(picture(64, 48, seed=1))))
    good[at % len(good)] = value
    for signature in (junk, bytes(good), bytes(good[: at % len(good)])):
        try:
            assert decode_signature(signature, 64, 48).shape == (48, 64)
        except BadSignature as error:
            assert error.reason == "signature"  # noqa: PT017


def test_another_version_and_another_pictures_signature_are_refused() -> None:
    signature = encode_signature(luma_of(picture(640, 480, seed=1)))
    with pytest.raises(BadSignature, match="version 9, table 0"):
        decode_signature(b"\x09" + signature[1:], 640, 480)
    with pytest.raises(BadSignature, match=r"of 160x120, not of a 1920x1080 frame"):
        decode_signature(signature, 1920, 1080)


def test_a_png_bomb_is_not_decoded() -> None:
    bomb = cv2.imencode(".png", np.zeros((9000, 9000), np.uint8))[1].tobytes()
    with pytest.raises(BadSignature, match="9000x9000"):
        decode_signature(bytes([1, 0]) + bomb, 1920, 1080)
