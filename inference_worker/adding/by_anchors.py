"""Heads that the graph leaves undecoded: their anchors have to be said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inference_worker.adding.candidate import Candidate, Outlook, boxes_and_others, grid_text
from inference_worker.decoders.grid import cell_count
from inference_worker.decoders.ssd import make_anchors
from inference_worker.formats import Ssd, SsdAnchors, YoloAnchors

Sides = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class YoloPreset:
    """Anchors in pixels, stride by stride, and how boxes are coded against them."""

    strides: tuple[int, ...]
    anchors: Sides
    coding: str = "yolov5"
    shared_classes: bool = False


# From the repositories' configurations; YOLOv7-tiny has YOLOv5's, and these are YOLOv3's too.
_V5: Sides = (
    (10, 13, 16, 30, 33, 23),
    (30, 61, 62, 45, 59, 119),
    (116, 90, 156, 198, 373, 326),
)
_V7: Sides = ((12, 16, 19, 36, 40, 28), (36, 75, 76, 55, 72, 146), (142, 110, 192, 243, 459, 401))
_FASTEST: Sides = (
    (12.64, 19.39, 37.88, 51.48, 55.71, 138.31),
    (126.91, 78.23, 131.57, 214.55, 279.92, 258.87),
)
_V3_TINY: Sides = ((10, 14, 23, 27, 37, 58), (81, 82, 135, 169, 344, 319))
YOLO_PRESETS = {
    "yolov3": YoloPreset((8, 16, 32), _V5, coding="yolov3"),
    "yolov3-tiny": YoloPreset((16, 32), _V3_TINY, coding="yolov3"),
    "yolov5": YoloPreset((8, 16, 32), _V5),
    "yolov7": YoloPreset((8, 16, 32), _V7),
    "yolov7-tiny": YoloPreset((8, 16, 32), _V5),
    "yolo-fastestv2": YoloPreset((16, 32), _FASTEST, shared_classes=True),
}
# The anchor generator of TensorFlow's SSD MobileNet v1 and v2 at 300 x 300, and MediaPipe's of
# Objectron; the lowest layer begins at another scale.
_MOBILENET = SsdAnchors((16, 32, 64, 128, 256, 512), 0.2, 0.95, (1.0, 2.0, 0.5, 3.0, 0.3333), 0.1)
SSD_PRESETS = {"ssd-mobilenet": _MOBILENET}
# The longest first: those of a shorter one are among those of a longer one.
_STRIDES: tuple[tuple[int, ...], ...] = ((8, 16, 32, 64), (8, 16, 32), (16, 32))
_PER_CELL = 3
_ASK = (
    "no graph has its anchors in it: say which they are by --anchors yolov5, yolov7, yolov7-tiny,"
    " yolov3, yolov3-tiny, yolo-fastestv2, or a file with a line of widths and heights per stride"
)


def anchor_heads(seen: Outlook) -> Iterator[Candidate]:
    """Of YOLOv3, v5, v7, Yolo-FastestV2: an output per stride or one for all, in their layouts."""
    for layout in ("anchors-first", "values-first", "values-last", "shared", "joined"):
        for strides in _STRIDES:
            names = _heads(seen, strides, layout)
            if len(names) == (1 if layout == "joined" else len(strides)):
                yield _candidate(seen, names, strides, layout)
                break


def _heads(seen: Outlook, strides: Sequence[int], layout: str) -> list[str]:
    """Those that are there, in the order of the strides; one, if it is for all of them."""
    wanted: list[tuple[int, ...]]
    if layout == "joined":
        wanted = [(_PER_CELL * cell_count(strides, *seen.size), 5 + seen.labels)]
    else:
        wanted = [_shape(seen, stride, layout) for stride in strides]
    found = [[name for name, shape in seen.shapes.items() if shape == one] for one in wanted]
    return [names[0] for names in found if len(names) == 1]


def _shape(seen: Outlook, stride: int, layout: str) -> tuple[int, ...]:
    """What a head of this stride has, without the batch."""
    width, height = seen.size
    grid = (-(-height // stride), -(-width // stride))
    values = 5 + seen.labels
    return {
        "anchors-first": (_PER_CELL, *grid, values),
        "values-first": (_PER_CELL * values, *grid),
        "values-last": (*grid, _PER_CELL * values),
        "shared": (*grid, _PER_CELL * 5 + seen.labels),
    }[layout]


def _candidate(
    seen: Outlook,
    names: Sequence[str],
    strides: tuple[int, ...],
    layout: str,
) -> Candidate:
    shared = layout == "shared"
    preset, missing = _anchors(seen, strides)
    if preset.shared_classes != shared and seen.wishes.anchors in YOLO_PRESETS:
        missing = (f"--anchors {seen.wishes.anchors} is for heads of another form",)
    spec = YoloAnchors(
        outputs=tuple(names),
        strides=strides,
        anchors=preset.anchors,
        layout="values-last" if shared else layout,  # type: ignore[arg-type] # one of its words
        coding="yolov5" if shared else preset.coding,  # type: ignore[arg-type] # as above
        shared_classes=shared,
    )
    per = "classes for each cell" if shared else "classes for each of 3 anchors a cell"
    why = (
        f"{', '.join(map(repr, names))} have 5 + {seen.labels} {per} of"
        f" {grid_text(strides, seen.size)}, with boxes undecoded"
    )
    return Candidate("yolo-anchors", spec, why, seen.labels, strides, _PER_CELL, missing)


def _anchors(seen: Outlook, strides: tuple[int, ...]) -> tuple[YoloPreset, tuple[str, ...]]:
    """What `--anchors` says, and what is wrong with it."""
    said = seen.wishes.anchors
    nothing = YoloPreset(strides, ((1.0,) * 2 * _PER_CELL,) * len(strides))
    if said is None:
        return nothing, (_ASK,)
    preset = YOLO_PRESETS.get(said) if isinstance(said, str) else YoloPreset(strides, said)
    if preset is None or len(preset.anchors) != len(strides) or preset.strides != strides:
        return nothing, (f"--anchors: are not for {grid_text(strides, seen.size)}",)
    if any(len(sides) != 2 * _PER_CELL for sides in preset.anchors):
        return nothing, (f"--anchors: expected {_PER_CELL} widths and heights for each stride",)
    return preset, ()


def raw_ssd(seen: Outlook) -> Iterator[Candidate]:
    """Of SSD: boxes (anchors, 4), class scores (anchors, classes and background)."""
    for boxes, scores in boxes_and_others(seen.shapes):
        if seen.shapes[boxes][1:] == (4,):
            yield from _raw_ssd(seen, boxes, scores)


def _raw_ssd(seen: Outlook, boxes: str, scores: str) -> Iterator[Candidate]:
    places, shape = seen.shapes[boxes][0], seen.shapes[scores]
    if len(shape) != 2 or shape[0] != places or shape[1] < 2:
        return
    why = f"{boxes!r} has {places} boxes, {scores!r} as many times {shape[1]} scores"
    for name, anchors in SSD_PRESETS.items():
        if len(make_anchors(anchors, *seen.size)) != places:
            continue
        given = seen.wishes.anchors == name
        ask = f"no graph has its anchors in it: as many has --anchors {name}; say so if it is one"
        yield Candidate(
            "ssd",
            Ssd(boxes=boxes, scores=scores, anchors=anchors, background=shape[1] > seen.labels),
            f"{why}, the anchors of {name}",
            seen.labels if shape[1] - seen.labels in (0, 1) else shape[1] - 1,
            missing=() if given else (ask,),
            assumed=("boxes are coded as y x height width, divided by 10 10 5 5",),
        )
