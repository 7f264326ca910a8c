"""Labels as COCO's `instances_….json` holds them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from runtime.errors import UserError

Side = Annotated[float, Meta(ge=0, le=1e6)]
Place = Annotated[float, Meta(ge=-1e6, le=1e6)]


class Image(msgspec.Struct, frozen=True):
    """A picture, by its path in the folder of pictures."""

    id: int
    file_name: str


class Category(msgspec.Struct, frozen=True):
    """A class."""

    id: int
    name: str


class Annotation(msgspec.Struct, frozen=True):
    """An object."""

    image_id: int
    category_id: int
    bbox: tuple[Place, Place, Side, Side]  # left, top, width, height; pixels
    area: float | None = None  # of its outline, px²
    iscrowd: Annotated[int, Meta(ge=0, le=1)] = 0
    # pycocotools reads this and then goes by `iscrowd` alone; it is heeded here.
    ignore: int = 0

    @property
    def size(self) -> float:
        """px²; of the box where no outline was measured."""
        return self.bbox[2] * self.bbox[3] if self.area is None else self.area


class _File(msgspec.Struct, frozen=True):
    images: list[Image]
    categories: list[Category]
    annotations: list[Annotation]


@dataclass(frozen=True)
class Instances:
    """A file's content."""

    images: list[Image]
    categories: dict[int, str]  # names by id, in the file's order
    annotations: dict[int, list[Annotation]]  # by picture


def read_file(path: Path) -> Instances:
    """Raises UserError that says where the file is not as COCO's are."""
    try:
        content = msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror or error}") from error
    except msgspec.DecodeError as error:
        raise UserError(f"{path}: is not like COCO's instances.json: {error}") from error
    categories = {one.id: one.name for one in content.categories}
    images = {one.id for one in content.images}
    by_image: dict[int, list[Annotation]] = defaultdict(list)
    for number, one in enumerate(content.annotations):
        if one.category_id not in categories or one.image_id not in images:
            missing = "category" if one.category_id not in categories else "image"
            raise UserError(f"{path}: annotations[{number}]: the {missing} that it names is absent")
        by_image[one.image_id].append(one)
    return Instances(content.images, categories, by_image)
