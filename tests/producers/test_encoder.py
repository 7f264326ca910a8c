from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from producers.encoder import Encoded, Encoder
from producers.sources.base import Image, Picture, SourceError
from producers.sources.jpegs import jpeg_picture
from tests.producers.clips import number_in, numbered
from vision.jpeg import decode_luma, encode_bgr, inspect
from vision.signature import decode_signature, encode_signature

LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


def decoded(encoded: Encoded) -> Image:
    image = cv2.imdecode(np.frombuffer(encoded.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image, dtype=np.uint8)


def picture_of(image: Image, jpeg: bytes | None = None) -> Picture:
    return Picture(image.shape[1], image.shape[0], image.copy, jpeg)


def test_a_picture_becomes_a_jpeg_of_its_own_size() -> None:
    encoded = Encoder().encode(picture_of(numbered(77)))
    assert (encoded.width, encoded.height) == (160, 96)
    assert decoded(encoded).shape == (96, 160, 3)
    assert number_in(decoded(encoded)) == 77


def test_the_cameras_own_jpeg_passes_untouched() -> None:
    encoder = Encoder(quality=10, longest_side=160)
    assert encoder.encode(picture_of(numbered(1), b"its own bytes")).jpeg == b"its own bytes"


@pytest.mark.parametrize("encoder", [Encoder(masks=[LEFT_HALF]), Encoder(longest_side=80)])
def test_the_cameras_own_jpeg_is_made_anew_where_mask_or_size_ask_for_it(encoder: Encoder) -> None:
    encoded = encoder.encode(picture_of(numbered(1), b"its own bytes"))
    assert encoded.jpeg != b"its own bytes"
    assert decoded(encoded).shape == (encoded.height, encoded.width, 3)


def test_a_mask_is_painted_before_the_encoding_and_at_every_size() -> None:
    white = np.full((100, 200, 3), 255, dtype=np.uint8)
    for longest_side in (None, 200, 60):
        image = decoded(Encoder(100, longest_side, [LEFT_HALF]).encode(picture_of(white)))
        width = image.shape[1]
        assert image[:, : width // 2 - 2].max() < 10
        assert image[:, width // 2 + 8 :].min() > 245


@pytest.mark.parametrize(
    ("size", "longest_side", "wanted"),
    [
        ((1920, 1080), 640, (640, 360)),
        ((1080, 1920), 640, (360, 640)),
        ((640, 480), 640, (640, 480)),
        ((320, 240), 640, (320, 240)),
        ((1000, 1), 16, (16, 1)),
    ],
)
def test_a_larger_picture_is_shrunk_in_its_own_shape_and_never_enlarged(
    size: tuple[int, int], longest_side: int, wanted: tuple[int, int]
) -> None:
    image = np.zeros((size[1], size[0], 3), dtype=np.uint8)
    encoded = Encoder(longest_side=longest_side).encode(picture_of(image))
    assert (encoded.width, encoded.height) == wanted
    assert decoded(encoded).shape[:2] == (wanted[1], wanted[0])


def test_a_lower_quality_makes_a_smaller_jpeg() -> None:
    picture = picture_of(noise(160, 96))
    small, large = (len(Encoder(quality).encode(picture).jpeg) for quality in (20, 95))
    assert small < large / 2


def test_the_same_picture_gives_the_same_bytes() -> None:
    first, second = (Encoder().encode(picture_of(numbered(3))) for _ in range(2))
    assert first == second


def test_a_picture_too_wide_for_any_jpeg_is_undecodable() -> None:
    strip = np.zeros((1, 70_000, 3), dtype=np.uint8)
    with pytest.raises(SourceError, match="no JPEG can hold 70000x1"):
        Encoder().encode(picture_of(strip))


def noise(width: int, height: int) -> Image:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("max_bytes", [4_000, 10_000, 40_000, 100_000, 300_000])
def test_a_byte_budget_is_kept_even_by_noise(max_bytes: int) -> None:
    encoded = Encoder(max_bytes=max_bytes).encode(picture_of(noise(640, 480)))
    assert len(encoded.jpeg) <= max_bytes
    assert decoded(encoded).shape[:2] == (encoded.height, encoded.width)


def test_within_its_budget_a_picture_is_as_good_as_it_can_be() -> None:
    picture = picture_of(noise(320, 240))
    whole = Encoder().encode(picture)
    assert Encoder(max_bytes=len(whole.jpeg)).encode(picture) == whole
    tight = Encoder(max_bytes=len(whole.jpeg) * 9 // 10).encode(picture)
    assert tight.width == 320  # coarser, not smaller
    assert len(tight.jpeg) > len(whole.jpeg) * 8 // 10


def test_a_cameras_own_jpeg_that_is_too_large_is_made_anew() -> None:
    image = noise(320, 240)
    own = Encoder(quality=95).encode(picture_of(image)).jpeg
    assert Encoder(max_bytes=len(own)).encode(picture_of(image, own)).jpeg == own
    assert len(Encoder(max_bytes=20_000).encode(picture_of(image, own)).jpeg) <= 20_000


# ---------------------------------------------------------------- signatures


def test_a_frame_is_signed_only_where_it_is_asked_for() -> None:
    assert Encoder().encode(picture_of(numbered(1))).signature is None


@pytest.mark.parametrize(
    "encoder",
    [
        Encoder(95, signed=True),
        Encoder(95, longest_side=80, signed=True),
        Encoder(95, masks=[LEFT_HALF], signed=True),
        Encoder(95, masks=[LEFT_HALF], mask_style="blur", signed=True),
        Encoder(95, max_bytes=4_000, signed=True),
    ],
)
def test_a_signature_is_of_what_is_in_the_jpeg(encoder: Encoder) -> None:
    encoded = encoder.encode(picture_of(numbered(77, 320, 192)))
    assert encoded.signature is not None
    signed = decode_signature(encoded.signature, encoded.width, encoded.height)
    sent = decode_luma(encoded.jpeg, inspect(encoded.jpeg))
    assert np.abs(signed.astype(int) - sent).mean() < 2.5


def test_a_cameras_own_jpeg_is_signed_without_another_decode() -> None:
    jpeg = encode_bgr(numbered(77), 90)
    picture = jpeg_picture(jpeg)

    def never() -> Image:
        raise AssertionError

    signed = Encoder(signed=True).encode(replace(picture, pixels=never))
    assert signed.jpeg == jpeg
    assert signed.signature == encode_signature(decode_luma(jpeg, inspect(jpeg)))
