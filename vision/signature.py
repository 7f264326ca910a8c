"""The luma that the gate looks at, small enough to travel in a header beside its frame.

Made where the frame is still at hand, so that a frame which is dropped is never decoded. Each value
is rounded to a table's steps, which are fine in the dark (where a person differs from a yard by 3
grey levels) and never wider than the table says, and packed as a grey PNG. How far a luma can be
off depends on the scene: 2 grey levels where it fits, and more (3, 4, 5, 6, 7, 9, 11) the busier it
is. What fits by no table, such as noise, has no signature. The picture's JPEG says the same but for
1 (rounding and its own loss at quality 90 and above): over four real scenes of which the first
table was enough, 2 % of all lumas were off by 3, none by more; the mean was 1.2 (0.2 in the dark).

Bytes: version, table, PNG.
"""

from __future__ import annotations

import struct
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from schemas.errors import InvalidMessage
from vision.jpeg import Bgr, Luma, luma_size
from vision.tiles import STABILISE

VERSION: Final = 1
# In its header, with seven bits to a byte and a mark before them, that is 8,000.
MAX_BYTES: Final = 6_999

# Widest steps by table: in stabilised luma, and in grey levels. Half a step is the largest error.
# A number, once written, means the same for ever; numbers 4 and 5 are read and no longer written.
_STEPS: Final = (
    (2.8, 5),
    (4.0, 7),
    (5.6, 9),
    (8.0, 15),
    (16.0, 31),
    (32.0, 63),
    (6.0, 11),
    (7.0, 13),
    (10.0, 19),
    (12.0, 23),
)
# From the finest to the coarsest with which a person still differs from a street. Real scenes at
# 1080p: four take the first (1.9 to 6.7 kB) or, a hall with fine patterns, the second; people on a
# pavement, in whom everything is fine detail, the sixth.
_FINEST_FIRST: Final = (0, 1, 2, 6, 7, 3, 8, 9)
# Runs suit what is dark or flat (a fifth smaller), the other one what is busy (8 % smaller at most:
# where that can't suffice, the next table is tried at once).
_RUNS: Final = (
    cv2.IMWRITE_PNG_COMPRESSION,
    6,
    cv2.IMWRITE_PNG_STRATEGY,
    cv2.IMWRITE_PNG_STRATEGY_RLE,
)
_NO_RUNS: Final = (*_RUNS[:3], cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY)
_WORTH_A_TRY: Final = 1.1
_PNG_HEAD = struct.Struct(">8sI4sIIBB")  # magic, length, IHDR, width, height, depth, colour
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


class BadSignature(InvalidMessage):
    """Another version's, damaged, or of another picture: the frame itself still says it all."""

    def __init__(self, detail: str) -> None:
        super().__init__("signature", detail)


def _table(widest: float, widest_grey: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Luma to code, and code back to the middle of its luma."""
    codes = np.zeros(256, np.uint8)
    first = 0  # luma of the step
    for luma in range(1, 256):
        same = STABILISE[luma] - STABILISE[first] <= widest and luma - first < widest_grey
        first = first if same else luma
        codes[luma] = codes[luma - 1] + (not same)
    middles = np.zeros(256, np.uint8)
    for code in range(256):
        lumas = np.flatnonzero(codes == min(code, codes[-1]))
        middles[code] = (lumas[0] + lumas[-1]) // 2
    return codes, middles


_TABLES: Final = [_table(*steps) for steps in _STEPS]


def luma_of(image: Bgr) -> Luma:
    """What `vision.jpeg.decode_luma` gives of the picture's JPEG, but for its coding losses."""
    height, width = image.shape[:2]
    size = luma_size(width, height)
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    # As JPEG fills up its blocks.
    below, right = -height % size.reduction, -width % size.reduction
    grey = cv2.copyMakeBorder(grey, 0, below, 0, right, cv2.BORDER_REPLICATE)
    for columns, rows in (size.reduced, size.final):
        grey = cv2.resize(grey, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)


def encode_signature(luma: Luma, max_bytes: int = MAX_BYTES) -> bytes | None:
    """By the finest table with which it is small enough; None where it is so by none of them.

    The same luma gives the same bytes.
    """
    for number in _FINEST_FIRST:
        rounded = np.asarray(cv2.LUT(luma, _TABLES[number][0]), np.uint8)
        packed = bytes([VERSION, number]) + _png(rounded, _RUNS)
        if max_bytes < len(packed) <= max_bytes * _WORTH_A_TRY:
            packed = bytes([VERSION, number]) + _png(rounded, _NO_RUNS)
        if len(packed) <= max_bytes:
            return packed
    return None


def _png(codes: NDArray[np.uint8], options: tuple[int, ...]) -> bytes:
    return bytes(cv2.imencode(".png", codes, options)[1])


def decode_signature(signature: bytes, width: int, height: int) -> Luma:
    """The luma of a frame of that size, pixels. Raises BadSignature."""
    if len(signature) < 2 + _PNG_HEAD.size:
        raise BadSignature(f"a signature of {len(signature)} bytes")
    version, number = signature[:2]
    if version != VERSION or number >= len(_TABLES):
        raise BadSignature(f"a signature of version {version}, table {number}")
    size = luma_size(width, height)
    magic, _, _, columns, rows, depth, colour = _PNG_HEAD.unpack_from(signature, 2)
    # Looked at before anything is decoded.
    if magic != _PNG_MAGIC or (depth, colour) != (8, 0) or (columns, rows) != size.final:
        raise BadSignature(f"a signature of {columns}x{rows}, not of a {width}x{height} frame")
    try:
        codes = cv2.imdecode(np.frombuffer(signature, np.uint8, offset=2), cv2.IMREAD_GRAYSCALE)
    except cv2.error as error:
        raise BadSignature("a damaged signature") from error
    if codes is None or codes.shape != (rows, columns):
        raise BadSignature("a damaged signature")
    return np.asarray(cv2.LUT(codes, _TABLES[number][1]), np.uint8)
