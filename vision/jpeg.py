"""Bounded JPEG handling: look at the header first, decode only what is sane, notice a cut picture.

Three things make OpenCV alone too trusting: it allocates before anyone has looked at the size, it
fills the rest of a cut picture with grey (some versions), and it decodes other formats too.
So `inspect` walks the markers itself and every decode below expects that it has been called.

EXIF orientation is ignored everywhere: boxes are fractions of the picture as it is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from schemas.errors import InvalidMessage

Luma = NDArray[np.uint8]  # (height, width), full range 0..255
Bgr = NDArray[np.uint8]  # (height, width, 3)

MIN_SIDE_PX = 16  # one JPEG macroblock; nothing smaller shows anything
MAX_SIDE_PX = 16_384  # twice 8K; longer ones are no camera's
MAX_PIXELS = 36_000_000  # 8K (7680x4320) fits; 108 MB as BGR
MIN_LUMA_WIDTH = 160
MAX_LUMA_PIXELS = 38_000  # what keeps a gate's state within 64 kB; 1080p at 1/8 has 32,640
LUMA_MULTIPLE_PX = 4  # the gate rounds each side up to it

_REDUCED_GREY = {
    1: cv2.IMREAD_GRAYSCALE,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
_REDUCED_BGR = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}

_SOI, _EOI, _SOS = b"\xff\xd8", b"\xff\xd9", b"\xff\xda"
# Start-of-frame markers of Huffman coding: baseline, extended, progressive (T.81, table B.1).
_SOF_DECODABLE = {0xC0, 0xC1, 0xC2}
_SOF_OTHER = {0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_MAX_SEGMENTS = 600  # an ICC profile may have 255 of them, a large EXIF or MPF block some more
_MAX_SCANS = 100  # progressive files have about 10; each costs a pass over the whole picture
_GREY = 128  # luma of a block without coefficients
# Bytes that Huffman-decode to something, whichever restart marker comes next: see `_is_cut_short`.
_FILLER = b"".join(bytes((*range(1, 255), 0xFF, restart)) for restart in range(0xD0, 0xD8))


class BadJpeg(InvalidMessage):
    """A picture that can't be used; `reason` is also the reason of the tick's rejection."""

    reason: Literal["undecodable", "too-large", "too-small"]


class Undecodable(BadJpeg):
    """No JPEG, or a cut or broken one."""

    def __init__(self, detail: str) -> None:
        super().__init__("undecodable", detail)


class TooLarge(BadJpeg):
    """More pixels than allowed; refused before anything is allocated."""

    def __init__(self, detail: str) -> None:
        super().__init__("too-large", detail)


class TooSmall(BadJpeg):
    """A side shorter than anything can be seen on."""

    def __init__(self, detail: str) -> None:
        super().__init__("too-small", detail)


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What the frame header says: size in pixels, 1 (grey) or 3 (colour) components."""

    width: int
    height: int
    components: int
    scan_at: int  # byte offset of the first start-of-scan marker

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), pixels."""
        return self.width, self.height


def inspect(
    data: bytes, *, min_side_px: int = MIN_SIDE_PX, max_pixels: int = MAX_PIXELS
) -> JpegHeader:
    """Reads the header without decoding, and checks size and completeness.

    Raises Undecodable (no JPEG, a process that OpenCV can't decode, no end-of-image marker),
    TooLarge or TooSmall. A size is judged before completeness: it is the more useful reason.
    """
    header = read_header(data)
    if max(header.size) > MAX_SIDE_PX or header.width * header.height > max_pixels:
        raise TooLarge(
            f"{header.width}x{header.height} pixels; decoded are at most {max_pixels:,} pixels, "
            f"{MAX_SIDE_PX:,} on a side"
        )
    if min(header.width, header.height) < min_side_px:
        raise TooSmall(
            f"{header.width}x{header.height} pixels; each side needs at least {min_side_px}"
        )
    # Stuffing keeps the marker out of the coded data, and a thumbnail's lies before the scan.
    if data.rfind(_EOI, header.scan_at) < 0:
        raise Undecodable(f"cut after {len(data):,} bytes: no end-of-image marker")
    if _count_scans(data, header.scan_at) > _MAX_SCANS:
        raise Undecodable(f"more than {_MAX_SCANS} scans")
    return header


def _count_scans(data: bytes, start: int) -> int:
    """Start-of-scan markers from there on; 0.05 ms of 300 kB, where `bytes.count` takes 0.3."""
    coded = np.frombuffer(data, np.uint8, offset=start)
    return int(np.count_nonzero((coded[:-1] == _SOS[0]) & (coded[1:] == _SOS[1])))


def read_header(data: bytes) -> JpegHeader:
    """Walks the marker segments up to the first scan. Raises Undecodable."""
    if not data:
        raise Undecodable("the value is empty")
    if not data.startswith(_SOI):
        raise Undecodable(f"no JPEG: begins with {data[:4].hex(' ')}")
    frame: tuple[int, int, int] | None = None
    at = 2
    for _ in range(_MAX_SEGMENTS):
        marker, length, at = _segment(data, at)
        if marker == _SOS[1]:
            if frame is None:
                raise Undecodable("no frame header before the first scan")
            width, height, components = frame
            return JpegHeader(width, height, components, at)
        if marker in _SOF_OTHER:
            raise Undecodable(f"coding process 0x{marker:02x} is not supported")
        if marker in _SOF_DECODABLE:
            if frame is not None:
                raise Undecodable("two frame headers")
            frame = _frame_header(data, at, length)
        at += 2 + length
    raise Undecodable(f"more than {_MAX_SEGMENTS} segments before the first scan")


def _segment(data: bytes, at: int) -> tuple[int, int, int]:
    """Marker, length and offset of the segment at `at`, behind fill bytes if there are some."""
    while data[at : at + 2] == b"\xff\xff":
        at += 1
    if at + 4 > len(data):
        raise Undecodable(f"cut after {len(data):,} bytes: the header is not complete")
    if data[at] != 0xFF:
        raise Undecodable(f"byte {at} should begin a marker")
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    if length < 2:
        raise Undecodable(f"byte {at} begins a segment of impossible length")
    return data[at + 1], length, at


def _frame_header(data: bytes, at: int, length: int) -> tuple[int, int, int]:
    if length < 8 or at + 10 > len(data):
        raise Undecodable(f"cut after {len(data):,} bytes: the frame header is not complete")
    precision, components = data[at + 4], data[at + 9]
    height = int.from_bytes(data[at + 5 : at + 7], "big")
    width = int.from_bytes(data[at + 7 : at + 9], "big")
    if precision != 8 or components not in (1, 3):
        raise Undecodable(f"{precision} bits, {components} components; wanted 8 bits and 1 or 3")
    if width == 0 or height == 0:
        raise Undecodable("a size of zero")
    return width, height, components


def decode_luma(data: bytes, header: JpegHeader) -> Luma:
    """The picture's luma at 1/8, or at the largest reduction that keeps the width >= 160.

    Scaled by the DCT itself (about a third of the cost of a full decode at 1080p); brought down
    further by area where that leaves more than MAX_LUMA_PIXELS. Deterministic. Raises Undecodable.
    """
    size = luma_size(header.width, header.height)
    luma = _imdecode(data, _REDUCED_GREY[size.reduction])
    if _is_cut_short(data, luma, size.reduction):
        raise Undecodable("cut: its lower part has no data")
    if size.final == size.reduced:
        return luma
    return np.asarray(cv2.resize(luma, size.final, interpolation=cv2.INTER_AREA), np.uint8)


class LumaSize(NamedTuple):
    """How a picture becomes its luma: reduced by 8, 4, 2 or 1, then by area. (width, height)."""

    reduction: int
    reduced: tuple[int, int]
    final: tuple[int, int]


def luma_size(width: int, height: int) -> LumaSize:
    """Of a picture of that size, pixels."""
    reduction = _largest_reduction(width, height, MIN_LUMA_WIDTH, 1)
    reduced = -(-width // reduction), -(-height // reduction)  # libjpeg rounds up
    if _padded_pixels(*reduced) <= MAX_LUMA_PIXELS:
        return LumaSize(reduction, reduced, reduced)
    scale = (MAX_LUMA_PIXELS / (reduced[0] * reduced[1])) ** 0.5
    columns, rows = (
        max(LUMA_MULTIPLE_PX, int(side * scale) // LUMA_MULTIPLE_PX * LUMA_MULTIPLE_PX)
        for side in reduced
    )
    return LumaSize(reduction, reduced, (columns, rows))


def padded_pixels(luma: Luma) -> int:
    """Pixels of `luma` once its sides are rounded up to the gate's tiles."""
    height, width = luma.shape
    return _padded_pixels(width, height)


def _padded_pixels(width: int, height: int) -> int:
    columns, rows = (-(-side // LUMA_MULTIPLE_PX) for side in (width, height))
    return int(rows * columns) * LUMA_MULTIPLE_PX**2


def _is_cut_short(data: bytes, luma: Luma, reduction: int) -> bool:
    """Whether the coded data ended early although an end-of-image marker follows.

    Decoders then leave the rest of the blocks without coefficients: exactly mid-grey. So may a
    painted mask be; what tells them apart is filler before the end marker: a complete picture
    ignores it, a cut one decodes it. Less than half a row of blocks missing goes unnoticed.
    """
    last = luma[-1, luma.shape[1] // 2 :]
    if not bool((last == _GREY).all()):
        return False
    end = data.rfind(_EOI)
    filled = _imdecode(data[:end] + _FILLER + data[end:], _REDUCED_GREY[reduction])
    return not np.array_equal(filled, luma)


def decode_bgr(data: bytes, header: JpegHeader, *, cover: tuple[int, int] | None = None) -> Bgr:
    """The picture in colour, BGR: whole, or reduced by 2, 4 or 8 as long as it covers `cover`.

    `cover` is (width, height) in pixels of what is wanted in the end; the DCT's own reduction
    costs half of a full decode at 1080p. Raises Undecodable.
    """
    reduction = 1 if cover is None else _largest_reduction(*header.size, *cover)
    return _imdecode(data, _REDUCED_BGR[reduction])


def encode_bgr(image: Bgr, quality: int) -> bytes:
    """`image` (height, width, 3) as a baseline JPEG; `quality` 1..100. Same input, same bytes."""
    done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"can't encode an image of shape {image.shape} as JPEG")
    return encoded.tobytes()


def _largest_reduction(width: int, height: int, least_width: int, least_height: int) -> int:
    for reduction in (8, 4, 2):
        # libjpeg rounds the reduced size up.
        if -(-width // reduction) >= least_width and -(-height // reduction) >= least_height:
            return reduction
    return 1


def _imdecode(data: bytes, flags: int) -> NDArray[np.uint8]:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise Undecodable(f"OpenCV: {str(error).strip().splitlines()[-1][:200]}") from error
    if image is None:
        raise Undecodable("broken: OpenCV can't decode it")
    return np.asarray(image, np.uint8)
