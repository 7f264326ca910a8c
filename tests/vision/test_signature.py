"""The luma that travels beside a frame."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from schemas.headers import signature_text
from tests.vision.scenes import picture, with_person, yard
from vision.jpeg import Luma, decode_luma, encode_bgr, inspect, luma_size
from vision.signature import (
    BadSignature,
    decode_signature,
    encode_signature,
    luma_of,
)

SIZES = [(1920, 1080), (1280, 720), (640, 480), (333, 217), (64, 48), (3840, 2160), (1083, 1921)]


def by_jpeg(image: np.ndarray) -> Luma:
    data = encode_bgr(image, 95)
    return decode_luma(data, inspect(data))


def packed(luma: Luma) -> bytes:
    signature = encode_signature(luma)
    assert signature is not None
    return signature


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
    luma = luma_of(
        cv2.GaussianBlur(picture(width, height, seed=4), (0, 0), max(width, height) / 40)
    )
    read = decode_signature(packed(luma), width, height)
    assert read.shape == luma.shape == luma_size(width, height).final[::-1]


def test_a_1080p_scene_fits_and_is_right_within_two_grey_levels() -> None:
    # As soft as a lens leaves it; the test scene itself has as much detail as fits in.
    scene = np.asarray(cv2.GaussianBlur(yard(1), (0, 0), 20), np.float32)
    luma = luma_of(bgr(seen_by_a_sensor(scene)))
    signature = packed(luma)
    assert len(signature_text(signature)) <= 8_000
    read = decode_signature(signature, 1920, 1080)
    assert np.abs(read.astype(int) - luma).max() <= 2


def test_in_the_dark_a_person_of_three_grey_levels_is_still_there() -> None:
    scene = yard(2, mean=6.0, contrast=2.0)
    empty = luma_of(bgr(scene))
    there = luma_of(bgr(with_person(scene, 800, 400, 3.0, (40, 120))))
    read = [decode_signature(packed(luma), 1920, 1080) for luma in (empty, there)]
    inside = np.s_[50:65, 100:105]
    difference = read[1][inside].astype(int) - read[0][inside]
    assert difference.mean() >= 2
    outside = np.abs(read[1].astype(int) - read[0])
    outside[49:66, 99:106] = 0
    assert outside.max() <= 1


@pytest.mark.parametrize("spread", [20, 60])
def test_the_busier_it_is_the_coarser_it_is_rounded_so_that_it_fits(spread: int) -> None:
    noise = np.random.default_rng(5).integers(100 - spread, 101 + spread, (135, 240))
    luma = np.asarray(cv2.GaussianBlur(np.asarray(noise, np.uint8), (0, 0), 0.7), np.uint8)
    signature = packed(luma)
    assert len(signature_text(signature)) <= 8_000
    off = np.abs(decode_signature(signature, 1920, 1080).astype(int) - luma)
    assert 2 < off.max() <= MOST_OFF[signature[1]] <= 11


def test_what_fits_in_no_way_has_no_signature() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (135, 240), dtype=np.uint8)
    assert encode_signature(noise) is None


LUMAS = arrays(np.uint8, (12, 16), elements=st.integers(0, 255))
MOST_OFF = (2, 3, 4, 7, 15, 31, 5, 6, 9, 11)


@given(LUMAS, st.sampled_from([100, 120, 150, 200, 10_000]))
def test_no_value_is_off_by_more_than_half_a_step_of_its_table(luma: Luma, max_bytes: int) -> None:
    signature = encode_signature(luma, max_bytes)
    assert encode_signature(luma, max_bytes) == signature
    if signature is None:
        assert max_bytes < 10_000
        return
    assert len(signature) <= max_bytes
    off = np.abs(decode_signature(signature, 16, 12).astype(int) - luma)
    assert off.max() <= MOST_OFF[signature[1]]
    assert max_bytes < 10_000 or signature[1] == 0, "with room enough, two grey levels at most"


@given(
    # Light from one side, its detail and its noise, in grey levels.
    st.integers(0, 230),
    st.integers(0, 100),
    st.integers(0, 120),
    st.floats(0, 60),
    st.integers(0, 9),
)
@settings(max_examples=60)
def test_at_1080p_the_header_has_8000_bytes_at_most_whatever_it_shows(
    least: int, slope: int, detail: int, noise: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    scene = least + np.linspace(0, slope, 240) + detail * random.random((135, 240)).round()
    luma = np.clip(scene + random.normal(0, noise, (135, 240)), 0, 255).astype(np.uint8)
    signature = encode_signature(luma)
    if signature is not None:
        assert len(signature_text(signature)) <= 8_000
        off = np.abs(decode_signature(signature, 1920, 1080).astype(int) - luma)
        assert off.max() <= MOST_OFF[signature[1]] <= 11
    else:
        assert detail + noise > 3, "a quiet scene has one"


@pytest.mark.parametrize(("table", "widest"), [(4, 15), (5, 31)])
def test_tables_that_are_no_longer_written_are_read(table: int, widest: int) -> None:
    codes = np.arange(12, dtype=np.uint8).reshape(3, 4).repeat(4, 0).repeat(4, 1) // 2
    png = cv2.imencode(".png", codes)[1].tobytes()
    read = decode_signature(bytes([1, table]) + png, 16, 12)
    steps = np.diff(np.unique(read).astype(int))
    assert steps.max() <= 2 * widest + 1
    assert len(steps) == 5


@pytest.mark.parametrize("quality", [90, 95, 100])
def test_of_a_sent_picture_it_says_what_the_jpeg_says(quality: int) -> None:
    """As soft as a lens leaves it, with a sensor's noise; coded by a JPEG and by a signature."""
    scene = np.asarray(cv2.GaussianBlur(yard(1), (0, 0), 20), np.float32)
    image = bgr(seen_by_a_sensor(scene))
    data = encode_bgr(image, quality)
    read = decode_signature(packed(luma_of(image)), 1920, 1080)
    off = np.abs(read.astype(int) - decode_luma(data, inspect(data)))
    assert (off > 2).mean() < 0.05
    assert off.max() <= 3  # rounded twice, and the JPEG's own loss is on top


@given(st.binary(max_size=300), st.integers(0, 300), st.integers(0, 255))
def test_a_damaged_signature_is_told_or_read_as_one_of_its_size(
    junk: bytes, at: int, value: int
) -> None:
    good = bytearray(packed(luma_of(picture(64, 48, seed=1))))
    good[at % len(good)] = value
    for signature in (junk, bytes(good), bytes(good[: at % len(good)])):
        try:
            assert decode_signature(signature, 64, 48).shape == (48, 64)
        except BadSignature as error:
            assert error.reason == "signature"  # noqa: PT017


def test_another_version_and_another_pictures_signature_are_refused() -> None:
    signature = packed(luma_of(picture(640, 480, seed=1)))
    with pytest.raises(BadSignature, match="version 9, table 0"):
        decode_signature(b"\x09" + signature[1:], 640, 480)
    with pytest.raises(BadSignature, match=r"of 160x120, not of a 1920x1080 frame"):
        decode_signature(signature, 1920, 1080)


def test_a_png_bomb_is_not_decoded() -> None:
    bomb = cv2.imencode(".png", np.zeros((9000, 9000), np.uint8))[1].tobytes()
    with pytest.raises(BadSignature, match="9000x9000"):
        decode_signature(bytes([1, 0]) + bomb, 1920, 1080)
