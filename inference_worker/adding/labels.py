"""Where a model's labels come from: a file, COCO, or what the exporter wrote into the graph."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

from runtime.errors import UserError

# The 80 of the detection task, in the order in which everybody numbers them from 0: the 91 numbers
# of the annotation files, without the gaps.
COCO = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange",
    "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant",
    "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors",
    "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip

# Numbers of COCO's annotation files, of 90, that no class has. TensorFlow's models and DETR have a
# place for them.
_LEFT_OUT = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)


def _coco90() -> tuple[str, ...]:
    labels = iter(COCO)
    return tuple(f"unused {n}" if n in _LEFT_OUT else next(labels) for n in range(1, 91))


COCO90 = _coco90()


def labels_in_metadata(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """`names` as Ultralytics writes them, {0: 'person', …} or ['person', …]; None: none there."""
    try:
        names = ast.literal_eval(metadata.get("names", ""))
    except (ValueError, SyntaxError):
        return None
    if isinstance(names, dict) and sorted(names) == list(range(len(names))):
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list) or not names:
        return None
    return tuple(map(str, names))


def read_labels(source: str) -> tuple[str, ...]:
    """`coco`, `coco90` (its 90 numbers from 1, with those that no class has), or a text file.

    The file has one label per line, in the order of the classes. Raises UserError if it can't be
    read, has an empty line or too long a label.
    """
    if source == "coco":
        return COCO
    if source == "coco90":
        return COCO90
    try:
        lines = Path(source).read_text(encoding="utf-8").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--labels {source}: can't be read: {error}") from error
    labels = tuple(line.strip() for line in lines)
    for number, label in enumerate(labels, start=1):
        if not 1 <= len(label) <= 64:
            raise UserError(f"{source}:{number}: expected a label of 1 to 64 characters")
    if not labels:
        raise UserError(f"{source}: has no labels; expected one per line")
    return labels
