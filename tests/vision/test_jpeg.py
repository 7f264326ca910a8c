import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vision.scenes import picture
from vision import jpeg
from vision.jpeg import BadJpeg, TooLarge, TooSmall, Undecodable

WHOLE = jpeg.encode_bgr(picture(320, 240), 90)
EOI = b"\xff\xd9"


def with_size(data: bytes, width: int, height: int) -> bytes:
    """`data` with another size in its frame header: a small file that claims a large picture."""
    at = data.index(b"\xff\xc0")
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def with_segment(data: bytes, marker: int, payload: bytes) -> bytes:
    return data[:2] + struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload + data[2:]


def test_the_header_tells_size_and_components_without_decoding() -> None:
    header = jpeg.inspect(WHOLE)
    assert (header.width, header.height, header.components) == (320, 240, 3)
    assert WHOLE[header.scan_at : header.scan_at + 2] == b"\xff\xda"


def test_grey_and_progressive_pictures_are_accepted() -> None:
    grey = cv2.imencode(".jpg", picture(64, 48)[:, :, 0])[1].tobytes()
    progressive = cv2.imencode(".jpg", picture(64, 48), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1]
    assert jpeg.inspect(grey).components == 1
    assert jpeg.decode_bgr(grey, jpeg.inspect(grey)).shape == (48, 64, 3)
    header = jpeg.inspect(progressive.tobytes())
    assert jpeg.decode_luma(progressive.tobytes(), header).shape == (48, 64)


@pytest.mark.parametrize("keep", [0, 1, 2, 3, 20, 170, 400, len(WHOLE) // 2, len(WHOLE) - 1])
def test_a_truncated_jpeg_is_rejected_with_its_reason(keep: int) -> None:
    with pytest.raises(Undecodable) as caught:
        jpeg.inspect(WHOLE[:keep])
    assert caught.value.reason == "undecodable"


def test_a_cut_jpeg_whose_thumbnail_is_complete_is_rejected() -> None:
    thumbnail = b"Exif\0\0" + jpeg.encode_bgr(picture(32, 24), 50)
    assert EOI in thumbnail
    data = with_segment(WHOLE, 0xE1, thumbnail)
    jpeg.inspect(data)
    with pytest.raises(Undecodable, match="no end-of-image"):
        jpeg.inspect(data[:-500])


@pytest.mark.parametrize("size", [(320, 240), (1280, 720), (333, 251)])
@pytest.mark.parametrize("restarts", [0, 4])
def test_a_cut_jpeg_that_a_camera_has_closed_is_noticed(
    size: tuple[int, int], restarts: int
) -> None:
    parameters = [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_RST_INTERVAL, restarts]
    data = cv2.imencode(".jpg", picture(*size), parameters)[1].tobytes()
    header = jpeg.inspect(data)
    jpeg.decode_luma(data, header)
    scan = len(data) - header.scan_at
    for share in (0.3, 0.6, 0.9):
        cut = data[: header.scan_at + int(scan * share)].rstrip(b"\xff") + EOI
        with pytest.raises(Undecodable, match="cut"):
            jpeg.decode_luma(cut, jpeg.inspect(cut))


def test_a_picture_that_is_honestly_mid_grey_below_is_accepted() -> None:
    masked = picture(320, 240)
    masked[160:] = 128
    data = jpeg.encode_bgr(masked, 90)
    luma = jpeg.decode_luma(data, jpeg.inspect(data))
    assert (luma[-1] == 128).all(), "else this tests nothing"


def test_bytes_behind_the_picture_are_harmless() -> None:
    padded = WHOLE + b"\0" * 100
    header = jpeg.inspect(padded)
    assert np.array_equal(jpeg.decode_luma(padded, header), jpeg.decode_luma(WHOLE, header))


def test_a_decompression_bomb_is_refused_before_decoding() -> None:
    with pytest.raises(TooLarge) as caught:
        jpeg.inspect(with_size(WHOLE, 20_000, 20_000))
    assert caught.value.reason == "too-large"
    assert "20000x20000" in caught.value.detail


def test_an_image_of_20000_pixels_is_refused_however_flat_it_is() -> None:
    with pytest.raises(TooLarge):
        jpeg.inspect(with_size(WHOLE, 20_000, 100))


def test_the_largest_size_is_a_matter_of_settings() -> None:
    assert jpeg.inspect(WHOLE, max_pixels=320 * 240).size == (320, 240)
    with pytest.raises(TooLarge):
        jpeg.inspect(WHOLE, max_pixels=320 * 240 - 1)


@pytest.mark.parametrize("size", [(1, 1), (15, 400), (400, 15)])
def test_a_picture_of_a_pixel_or_a_sliver_is_too_small(size: tuple[int, int]) -> None:
    with pytest.raises(TooSmall) as caught:
        jpeg.inspect(jpeg.encode_bgr(np.zeros((size[1], size[0], 3), np.uint8), 90))
    assert caught.value.reason == "too-small"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (cv2.imencode(".png", picture(64, 48))[1].tobytes(), "no JPEG"),
        (b'{"status": "missing"}', "no JPEG"),
        (WHOLE.replace(b"\xff\xc0", b"\xff\xc3", 1), "not supported"),
        (with_size(WHOLE, 320, 0), "size of zero"),
        (WHOLE[: WHOLE.index(b"\xff\xc0")] + WHOLE[WHOLE.index(b"\xff\xda") :], "no frame header"),
        (b"\xff\xd8" + b"\xff\xe0\x00\x02" * 5000 + EOI, "segments"),
    ],
)
def test_what_is_no_usable_jpeg_is_undecodable_and_says_why(data: bytes, says: str) -> None:
    with pytest.raises(Undecodable, match=says):
        jpeg.inspect(data)


def test_a_file_with_absurdly_many_scans_is_refused() -> None:
    at = jpeg.inspect(WHOLE).scan_at
    scan = WHOLE[at : at + 14]
    with pytest.raises(Undecodable, match="scans"):
        jpeg.inspect(WHOLE[:-2] + scan * 100 + EOI)


@given(st.binary(max_size=300), st.integers(0, len(WHOLE)), st.integers(0, 300))
def test_arbitrary_bytes_give_a_typed_error_or_a_picture(
    noise: bytes, at: int, replaced: int
) -> None:
    data = WHOLE[:at] + noise + WHOLE[at + replaced :]
    try:
        # Small bounds: noise may well claim a large size, which then is honestly decoded.
        header = jpeg.inspect(data, max_pixels=200_000)
        luma = jpeg.decode_luma(data, header)
        image = jpeg.decode_bgr(data, header)
    except BadJpeg:
        return
    assert luma.ndim == 2
    assert image.shape == (header.height, header.width, 3)


@pytest.mark.parametrize(
    ("size", "luma"),
    [
        ((1920, 1080), (135, 240)),  # 1/8
        ((1280, 720), (90, 160)),  # 1/8 gives exactly 160
        ((768, 432), (108, 192)),  # 1/4
        ((320, 240), (120, 160)),  # 1/2
        ((200, 120), (120, 200)),  # 1/1: half would be narrower than 160
    ],
)
def test_luma_comes_at_the_largest_reduction_that_is_wide_enough(
    size: tuple[int, int], luma: tuple[int, int]
) -> None:
    data = jpeg.encode_bgr(picture(*size), 80)
    assert jpeg.decode_luma(data, jpeg.inspect(data)).shape == luma


@pytest.mark.parametrize("size", [(3840, 2160), (2560, 1920), (1080, 1920), (480, 360)])
def test_luma_never_has_more_pixels_than_a_gate_may_remember(size: tuple[int, int]) -> None:
    data = jpeg.encode_bgr(picture(*size), 50)
    luma = jpeg.decode_luma(data, jpeg.inspect(data))
    assert jpeg.padded_pixels(luma) <= jpeg.MAX_LUMA_PIXELS
    assert luma.shape[1] / luma.shape[0] == pytest.approx(size[0] / size[1], rel=0.03)


@pytest.mark.parametrize("size", [(16, 16_384), (16_384, 16), (16_384, 40), (161, 16_000)])
def test_not_even_the_luma_of_a_sliver_has(size: tuple[int, int]) -> None:
    data = jpeg.encode_bgr(picture(*size), 50)
    luma = jpeg.decode_luma(data, jpeg.inspect(data))
    assert jpeg.padded_pixels(luma) <= jpeg.MAX_LUMA_PIXELS


def test_reduced_luma_is_the_mean_of_the_full_one() -> None:
    image = picture(1280, 720)
    data = jpeg.encode_bgr(image, 95)
    luma = jpeg.decode_luma(data, jpeg.inspect(data)).astype(float)
    full = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    mean = cv2.resize(full, (160, 90), interpolation=cv2.INTER_AREA).astype(float)
    assert np.abs(luma - mean).mean() < 1.0


def test_a_reduced_colour_decode_still_covers_what_is_asked_for() -> None:
    data = jpeg.encode_bgr(picture(1280, 720), 90)
    header = jpeg.inspect(data)
    assert jpeg.decode_bgr(data, header).shape == (720, 1280, 3)
    assert jpeg.decode_bgr(data, header, cover=(640, 360)).shape == (360, 640, 3)
    assert jpeg.decode_bgr(data, header, cover=(641, 360)).shape == (720, 1280, 3)


def test_orientation_is_ignored_so_that_boxes_fit_the_stored_picture() -> None:
    turned = b"Exif\0\0" + b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    data = with_segment(WHOLE, 0xE1, turned)
    by_opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert by_opencv is not None
    assert by_opencv.shape == (320, 240, 3), "else this tests nothing"
    header = jpeg.inspect(data)
    assert jpeg.decode_bgr(data, header).shape == (240, 320, 3)
    assert jpeg.decode_luma(data, header).shape == (120, 160)


def test_the_same_picture_is_encoded_to_the_same_bytes() -> None:
    assert jpeg.encode_bgr(picture(320, 240), 90) == WHOLE
    assert len(jpeg.encode_bgr(picture(320, 240), 50)) < len(WHOLE)


def test_a_truncated_jpeg_leaves_no_line_of_libjpeg_on_stderr(
    capfd: pytest.CaptureFixture[str],
) -> None:
    for keep in range(0, len(WHOLE), 500):
        with pytest.raises(Undecodable):
            jpeg.inspect(WHOLE[:keep])
    assert capfd.readouterr().err == ""
