"""What no graph tells of a model: how it is fed, and from which score on it is believed.

The user says it, or what is usual for the format is assumed, and told. The usual, from the training
repositories: RT-DETR, D-FINE and DEIM (plain resize, pixels / 255), YOLOX since 0.1.1 (pixels as
OpenCV reads them), Ultralytics' YOLO and YOLOv7 (RGB / 255, centred letterbox), NanoDet (ImageNet's
mean and deviation in BGR; `keep_ratio` is on in NanoDet, off in NanoDet-Plus), FastestDet and
Yolo-FastestV2 (BGR / 255, plain resize), RTMDet (as NanoDet, letterbox at the top left).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from inference_worker.adding.wishes import Wishes
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


_IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
_IMAGENET_BGR = ((103.53, 116.28, 123.675), (57.375, 57.12, 58.395))
_CENTRED, _CORNER = Letterbox("centre", 114), Letterbox("top-left", 114)

# What `--fed-as` takes: how the models of a repository are fed.
FEEDINGS: dict[str, Habits] = {
    "detr": Habits("rgb", *_IMAGENET, None, None),
    "fastestdet": Habits("bgr", _NO_MEAN, _BY_255, None, None),
    "mediapipe": Habits("rgb", (127.5,) * 3, (127.5,) * 3, None, None),
    "nanodet": Habits("bgr", *_IMAGENET_BGR, Letterbox("centre", 0), None),
    "nanodet-plus": Habits("bgr", *_IMAGENET_BGR, None, None),
    "picodet": Habits("rgb", *_IMAGENET, None, None),
    "rtdetr": Habits("rgb", _NO_MEAN, _BY_255, None, None),
    "rtmdet": Habits("bgr", *_IMAGENET_BGR, _CORNER, None),
    "tensorflow": Habits("rgb", _NO_MEAN, _AS_IS, None, None),
    "ultra-light-face": Habits("rgb", (127.0,) * 3, (128.0,) * 3, None, None),
    "ultralytics": Habits("rgb", _NO_MEAN, _BY_255, _CENTRED, None),
    "yolox": Habits("bgr", _NO_MEAN, _AS_IS, _CORNER, None),
}
# By format: how it is usually fed, None where that differs from repository to repository; and the
# IoU of suppression, None where there is none.
_USUAL: dict[str, tuple[str | None, float | None]] = {
    "boxes-scores": (None, 0.5),
    "detr": ("rtdetr", None),
    "detr-sigmoid": (None, None),
    "detr-softmax": ("detr", None),
    "fastestdet": ("fastestdet", 0.45),
    "finished": (None, None),
    "finished-yxyx": (None, None),
    "nanodet": ("nanodet", 0.6),
    "nanodet-plus": ("nanodet-plus", 0.6),
    "paddle": (None, None),
    "picodet": (None, 0.6),
    # Its queries need no suppression; the format may have some, so it gets what takes off doubles.
    "rtdetr-ultralytics": ("rtdetr", 0.9),
    "ssd": (None, 0.5),
    "tensorflow": (None, None),
    "yolo-anchors": (None, 0.6),
    "yolo-nas-flat": (None, None),
    "yolov10": ("ultralytics", None),
    "yolov5": ("ultralytics", 0.6),
    "yolov6": ("ultralytics", 0.65),
    "yolov7-end2end": ("ultralytics", None),
    "yolov8": ("ultralytics", 0.7),
    "yolov8-anchors-first": ("ultralytics", 0.7),
    "yolox": ("yolox", 0.65),
    "yolox-decoded": ("yolox", 0.65),
}
_BY_ANCHORS = {
    "yolov5": "ultralytics",
    "yolov7": "ultralytics",
    "yolov7-tiny": "ultralytics",
    "yolo-fastestv2": "fastestdet",
}


def feeding_of(form: str, wishes: Wishes, dtype: str) -> str | None:
    """The name in FEEDINGS that a format is fed as; None: nothing tells.

    `dtype`: of the input. A graph that takes whole bytes does the arithmetic itself.
    """
    if wishes.fed_as is not None:
        return wishes.fed_as
    usual, _ = _USUAL[form]
    if form == "yolo-anchors" and isinstance(wishes.anchors, str):
        return _BY_ANCHORS.get(wishes.anchors)
    if form in ("tensorflow", "ssd") and dtype == "uint8":
        return "tensorflow"
    return usual


def habits_of(form: str, wishes: Wishes, dtype: str) -> Habits:
    """The usual ones of an output format, but for what the user says."""
    usual = FEEDINGS[feeding_of(form, wishes, dtype) or "tensorflow"]
    _, overlap = _USUAL[form]
    nms = None if overlap is None else Nms(iou_threshold=overlap)
    if nms is not None and wishes.nms_iou is not None:
        nms = Nms(iou_threshold=wishes.nms_iou)
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
    if wishes.fed_as is None:
        yield from _fed(habits, wishes)
    if habits.nms is not None and wishes.nms_iou is None:
        yield (
            f"of boxes of one class that overlap by more than {habits.nms.iou_threshold} (IoU)"
            " the best stays (--nms-iou)"
        )
    if wishes.score_threshold is None:
        yield f"boxes count from a score of {habits.score_threshold} on (--score-threshold)"


def _fed(habits: Habits, wishes: Wishes) -> Iterator[str]:
    if wishes.colour is None:
        yield f"colours in the order {habits.colour.upper()} (--colour)"
    if wishes.mean is None or wishes.std is None:
        yield f"pixels: {_scale(habits.mean, habits.std)} (--mean, --std)"
    if wishes.letterbox is None:
        yield f"{_resize(habits.letterbox)} (--letterbox, --padding)"


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
