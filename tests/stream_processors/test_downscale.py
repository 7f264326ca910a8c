from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_processors.downscale import downscale, fitted_size
from tests.vision.scenes import picture
from vision import jpeg


def _down(data: bytes, largest_side_px: int = 640, quality: int = 90) -> bytes:
    header = jpeg.inspect(data)
    return downscale(data, header, largest_side_px=largest_side_px, quality=quality)


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (64, 48)])
def test_a_frame_that_is_small_enough_passes_byte_by_byte(size: tuple[int, int]) -> None:
    data = jpeg.encode_bgr(picture(*size), 100) + b"\0\0"
    assert _down(data) == data


@pytest.mark.parametrize(
    ("size", "fitted"),
    [
        ((1920, 1080), (640, 360)),
        ((1080, 1920), (360, 640)),
        ((641, 480), (640, 479)),
        ((768, 432), (640, 360)),
        ((3000, 20), (640, 4)),
    ],
)
def test_a_larger_frame_keeps_its_shape(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert jpeg.inspect(_down(jpeg.encode_bgr(picture(*size), 80)), min_side_px=1).size == fitted


@given(st.integers(1, 65_535), st.integers(1, 65_535), st.integers(1, 8192))
def test_no_side_is_longer_than_wanted_and_none_vanishes(
    width: int, height: int, largest: int
) -> None:
    fitted = fitted_size((width, height), largest)
    assert max(fitted) == min(max(width, height), largest)
    assert min(fitted) >= 1


def test_the_picture_stays_the_same_picture() -> None:
    image = picture(1920, 1080)
    small = _down(jpeg.encode_bgr(image, 95), quality=95)
    decoded = jpeg.decode_bgr(small, jpeg.inspect(small)).astype(float)
    wanted = cv2.resize(image, (640, 360), interpolation=cv2.INTER_AREA).astype(float)
    assert np.abs(decoded - wanted).mean() < 4.0  # chroma is halved; another picture: dozens


def test_a_thin_bright_line_does_not_vanish() -> None:
    image = np.zeros((1080, 1920, 3), np.uint8)
    image[:, 601:604] = 255
    small = _down(jpeg.encode_bgr(image, 95))
    decoded = jpeg.decode_bgr(small, jpeg.inspect(small))
    assert decoded[180, 195:206].max() > 100


def test_quality_is_what_was_asked_for() -> None:
    data = jpeg.encode_bgr(picture(1280, 720), 95)
    assert len(_down(data, quality=60)) < len(_down(data, quality=95))


def test_the_same_frame_gives_the_same_bytes() -> None:
    data = jpeg.encode_bgr(picture(1280, 720), 95)
    assert _down(data) == _down(data)
