"""What is to be seen on known frames: made once by a float32 engine, kept in the model's folder.

    <model>/reference.json      boxes, and where each picture is
    <model>/reference/*.png     the pictures, where they are no frames of an asset

So a worker only compares: it needs neither the engine that made the reference nor a network.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import cv2
import msgspec
import numpy as np
from msgspec import Meta

from inference_worker.admission.frames import numbered_frames
from inference_worker.admission.parity import TOLERANCES
from inference_worker.backends.base import Image
from inference_worker.detector import Boxes, Detector
from runtime.errors import UserError
from schemas.messages import Box
from vision.draw import write_png

REFERENCE = "reference.json"
# Frames that are kept: the ones with most to see. Each costs an inference at every start.
FRAMES = 12
_PICTURES = "reference"
_INT8_OPERATORS = (
    b"DequantizeLinear", b"QLinearConv", b"QLinearMatMul", b"ConvInteger", b"MatMulInteger",
)  # fmt: skip
# The lowest threshold in use, .25, less the widest tolerance.
LEAST_SCORE = 0.1
_MOST_BOXES = 100


@dataclass(frozen=True)
class Known:
    """A picture, and what is to be seen on it."""

    picture: Image
    boxes: Boxes  # with a low score too


@dataclass(frozen=True)
class Reference:
    """Known frames, with the boxes that a model at float32 sees on them."""

    pictures: tuple[Known, ...]
    of: str  # the model that saw them: another one's parent, where that is quantised
    made_by: str  # model, engine and precision
    # Of the graph that is to be compared: a quantised one is INT8 on every engine.
    arithmetic: Literal["float32", "int8"] = "float32"
    absent: str = ""  # why there are no pictures


NO_REFERENCE = Reference((), "", "", absent="no known frames are kept with the model")


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One picture in `reference.json`: a file beside it, or a frame of an asset."""

    boxes: tuple[Box, ...]
    file: str = ""
    sha256: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$")] = ""
    asset: str = ""
    frame: Annotated[int, Meta(ge=0)] = 0


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    of: str
    made_by: str
    arithmetic: Literal["float32", "int8"]
    pictures: tuple[_Kept, ...]


def arithmetic_of(weights: Path) -> Literal["float32", "int8"]:
    """By the names of the operators in the file, which stand there as they are."""
    content = weights.read_bytes()
    return "int8" if any(name in content for name in _INT8_OPERATORS) else "float32"


def boxes_on(detector: Detector, pictures: Sequence[Image]) -> list[Boxes]:
    """The best boxes of each picture, down to a low score."""
    found = []
    for picture in pictures:
        outputs, placements = detector.infer([picture])
        (boxes,) = detector.boxes_of(outputs, placements, LEAST_SCORE)
        found.append(boxes[:_MOST_BOXES])
    return found


def make_reference(
    detector: Detector, pictures: Sequence[Image], arithmetic: Literal["float32", "int8"]
) -> Reference:
    """Of those pictures on which the detector is sure of most boxes, in their order."""
    made_by = f"{detector.name} on {detector.backend.name}, {detector.backend.precision}"
    found = boxes_on(detector, pictures)
    chosen = telling(found, detector.score_threshold)
    known = tuple(Known(pictures[at], found[at]) for at in chosen)
    absent = "" if known else "no known frames were given"
    return Reference(known, detector.name, made_by, arithmetic, absent)


def telling(found: Sequence[Boxes], score_threshold: float, count: int = FRAMES) -> list[int]:
    """The numbers of the pictures with most boxes that are in no doubt, rising."""
    margin = TOLERANCES["int8"].score
    sure = [sum(box.score >= score_threshold + margin for box in boxes) for boxes in found]
    return sorted(sorted(range(len(found)), key=lambda at: -sure[at])[:count])


def write_reference(folder: Path, reference: Reference) -> Reference:
    """Keep it in a model's folder, in place of an earlier one."""
    pictures = folder / _PICTURES
    shutil.rmtree(pictures, ignore_errors=True)
    kept = []
    for number, known in enumerate(reference.pictures):
        file = pictures / f"{number:02}.png"
        write_png(file, known.picture)
        kept.append(_Kept(known.boxes, f"{_PICTURES}/{file.name}", _sha256(file.read_bytes())))
    _write(folder, reference, kept)
    return reference


def write_reference_to_asset(
    folder: Path, reference: Reference, asset: str, numbers: Sequence[int]
) -> None:
    """The same for frames of an asset, which are named and not copied."""
    pairs = zip(reference.pictures, numbers, strict=True)
    _write(folder, reference, [_Kept(one.boxes, asset=asset, frame=at) for one, at in pairs])


def read_reference(folder: Path, asset_path: Callable[[str], Path] | None = None) -> Reference:
    """What a model's folder holds; without pictures where it has none, or their asset is not here.

    `asset_path`: where an asset is; it should not fetch any. Raises UserError for a file that is
    not as it was written.
    """
    path = folder / REFERENCE
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return NO_REFERENCE
    except (OSError, msgspec.DecodeError) as error:
        raise UserError(
            f"{path}: {error}; make it anew: onehertz models check {folder.name} --renew"
        ) from error
    if not (assets := sorted({kept.asset for kept in file.pictures if kept.asset})):
        known = tuple(Known(_read(folder, kept), kept.boxes) for kept in file.pictures)
        absent = "" if known else "it was made without known frames"
        return _reference(file, known, absent)
    try:
        if asset_path is None:
            raise UserError("assets are not looked for here")
        frames = _frames_of(asset_path(assets[0]), file.pictures)
    except UserError as error:
        why = f"the known frames of asset {assets[0]} are not here: {error}"
        return _reference(file, (), why)
    pairs = zip(frames, file.pictures, strict=True)
    return _reference(file, tuple(Known(frame, kept.boxes) for frame, kept in pairs))


def _reference(file: _File, known: tuple[Known, ...], absent: str = "") -> Reference:
    return Reference(known, file.of, file.made_by, file.arithmetic, absent)


def _write(folder: Path, reference: Reference, kept: Sequence[_Kept]) -> None:
    file = _File(reference.of, reference.made_by, reference.arithmetic, tuple(kept))
    # A picture a line, so that a change of the file can be read.
    text = msgspec.json.encode(file).replace(b'{"boxes":', b'\n{"boxes":')
    (folder / REFERENCE).write_bytes(text + b"\n")


def _frames_of(path: Path, pictures: Sequence[_Kept]) -> list[Image]:
    return numbered_frames(path, tuple(kept.frame for kept in pictures))


def _read(folder: Path, kept: _Kept) -> Image:
    path = folder / kept.file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror or error}") from error
    if _sha256(data) != kept.sha256:
        raise UserError(
            f"{path}: is not the picture that {folder / REFERENCE} was made with;"
            f" make it anew: onehertz models check {folder.name} --renew"
        )
    picture = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(picture, dtype=np.uint8)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
