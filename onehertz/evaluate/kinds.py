"""What kind of object a label stands for, and how large a box is."""

from __future__ import annotations

from typing import Final, Literal

from schemas.messages import Box

Size = Literal["small", "medium", "large"]

# COCO's: the area of a box in pixels of the source's frame, below 32² and below 96².
_SMALL_PX: Final = 32**2
_MEDIUM_PX: Final = 96**2

# Labels that a detector takes for each other from one frame to the next, in lower case.
_GROUPS: Final = {
    "person": {"person", "man", "woman", "boy", "girl", "human", "pedestrian", "human face"},
    "vehicle": {"car", "truck", "bus", "van", "vehicle", "land vehicle", "train", "taxi"},
    "cycle": {"bicycle", "motorcycle", "motorbike"},
    "animal": {"dog", "cat", "bird", "horse", "sheep", "cow", "bear", "animal"},
    "bottle": {"bottle", "wine glass", "cup"},
}
_GROUP_OF: Final = {label: group for group, labels in _GROUPS.items() for label in labels}


def group_of(label: str) -> str:
    """The group that the label belongs to; a label without one is a group of its own."""
    return _GROUP_OF.get(label.lower(), label.lower())


def size_of(box: Box, width: int, height: int) -> Size:
    """Of a box on a frame of that many pixels."""
    area_px = (box.x2 - box.x1) * width * (box.y2 - box.y1) * height
    if area_px < _SMALL_PX:
        return "small"
    return "medium" if area_px < _MEDIUM_PX else "large"
