"""What no graph tells of a model: how it is fed, and from which score on it is believed.

The user says it, or what is usual for the format is assumed, and told. The usual, from the training
repositories: RT-DETR, D-FINE and DEIM (plain resize, pixels / 255), YOLOX since 0.1.1 (pixels as
OpenCV reads them), Ultralytics' YOLO and YOLOv7 (RGB / 255, centred letterbox), NanoDet (ImageNet's
mean and deviation in BGR; `keep_ratio` is on in NanoDet, off in NanoDet-Plus).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from inference_worker.formats import Detr, Nanodet, NanodetPlus, Output, YoloV5, YoloV10, Yolox
from inference_worker.manifest import Letterbox, Nms, PerChannel

_NO_MEAN: PerChannel = (0.0, 0.0, 0.0)
_AS_IS: PerChannel = (1.0, 1.0, 1.0)
_BY_255: PerChannel = (255.0, 255.0, 255.0)


@dataclass(frozen=True)
class Habits:
    """How models of a format are fed and read."""

    colour: Literal["rgb", "bgr"]
    mean: PerChannel
    std: PerChannel
    letterbox: Letterbox | None
    nms: Nms | None
    score_threshold: float = 0.4


@dataclass(frozen=True)
class Wishes:
    """What the user says of a model; None: what the graph shows, or what is usual."""

    name: str
    format: str | None = None
    labels: str | None = None
    size: tuple[int, int] | None = None  # width and height in pixels
    colour: Literal["rgb", "bgr"] | None = None
    mean: PerChannel | None = None
    std: PerChannel | None = None
    letterbox: Literal["centre", "top-left", "none"] | None = None
    padding: int | None = None
    nms_iou: float | None = None
    score_threshold: float | None = None
    licence: str | None = None
    origin: str | None = None
    about: str | None = None


_ULTRALYTICS = Habits("rgb", _NO_MEAN, _BY_255, Letterbox("centre", 114), Nms(iou_threshold=0.7))
_NANODET = Habits(
    "bgr",
    (103.53, 116.28, 123.675),
    (57.375, 57.12, 58.395),
    Letterbox("centre", 0),
    Nms(iou_threshold=0.6),
)


def habits_of(spec: Output, wishes: Wishes) -> Habits:
    """The usual ones of an output format, but for what the user says."""
    usual = _usual(spec)
    nms = usual.nms
    if nms is not None and wishes.nms_iou is not None:
        nms = msgspec.structs.replace(nms, iou_threshold=wishes.nms_iou)
    return Habits(
        colour=wishes.colour or usual.colour,
        mean=wishes.mean or usual.mean,
        std=wishes.std or usual.std,
        letterbox=_letterbox(usual.letterbox, wishes),
        nms=nms,
        score_threshold=wishes.score_threshold or usual.score_threshold,
    )


def assumptions(habits: Habits, wishes: Wishes) -> Iterator[str]:
    """A line for each habit that the user did not speak of, with the flag that changes it."""
    if wishes.colour is None:
        yield f"colours in the order {habits.colour.upper()} (--colour)"
    if wishes.mean is None or wishes.std is None:
        yield f"pixels: {_scale(habits.mean, habits.std)} (--mean, --std)"
    if wishes.letterbox is None:
        yield f"{_resize(habits.letterbox)} (--letterbox, --padding)"
    if habits.nms is not None and wishes.nms_iou is None:
        yield (
            f"of boxes of one class that overlap by more than {habits.nms.iou_threshold} (IoU)"
            " the best stays (--nms-iou)"
        )
    if wishes.score_threshold is None:
        yield f"boxes count from a score of {habits.score_threshold} on (--score-threshold)"


def _usual(spec: Output) -> Habits:
    match spec:
        case Detr():
            return Habits("rgb", _NO_MEAN, _BY_255, None, None)
        case Yolox():
            corner = Letterbox("top-left", 114)
            return Habits("bgr", _NO_MEAN, _AS_IS, corner, Nms(iou_threshold=0.65))
        case Nanodet():
            return _NANODET
        case NanodetPlus():
            return replace(_NANODET, letterbox=None)
        case YoloV5():
            return replace(_ULTRALYTICS, nms=Nms(iou_threshold=0.6))
        case YoloV10():
            return replace(_ULTRALYTICS, nms=None)
        case _:
            return _ULTRALYTICS


def _letterbox(usual: Letterbox | None, wishes: Wishes) -> Letterbox | None:
    if wishes.letterbox == "none" or (wishes.letterbox is None and usual is None):
        return None
    anchor = wishes.letterbox or (usual.anchor if usual else "centre")
    value = wishes.padding if wishes.padding is not None else usual.value if usual else 114
    return Letterbox(anchor, value)


def _scale(mean: PerChannel, std: PerChannel) -> str:
    if mean != _NO_MEAN:
        return f"(0 to 255 - {_numbers(mean)}) / {_numbers(std)}"
    return "0 to 255 as they are" if std == _AS_IS else f"0 to 255, divided by {_numbers(std)}"


def _numbers(values: PerChannel) -> str:
    return f"{values[0]:g}" if len(set(values)) == 1 else ", ".join(f"{v:g}" for v in values)


def _resize(letterbox: Letterbox | None) -> str:
    if letterbox is None:
        return "pictures are stretched to the input's size"
    where = {"centre": "in the middle", "top-left": "at the top left"}[letterbox.anchor]
    return f"pictures keep their shape, {where}, the rest is {letterbox.value}"
