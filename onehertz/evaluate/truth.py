"""Labelled pictures and what is on each: from a folder of YOLO's files, or COCO's JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onehertz.evaluate import coco, yolo
from onehertz.pictures import SUFFIXES, pictures_in
from runtime.errors import UserError


@dataclass(frozen=True)
class Labelled:
    """One picture and its objects.

    boxes: (g, 4) float64 xyxy, in pixels, or in fractions of the picture.
    areas: (g,) in px², or None: those of the boxes.
    """

    path: Path
    boxes: NDArray[np.float64]
    classes: NDArray[np.intp]  # (g,) places in `Truth.names`
    crowd: NDArray[np.bool_]  # (g,)
    ignored: NDArray[np.bool_]  # (g,)
    areas: NDArray[np.float64] | None = None
    in_pixels: bool = True


@dataclass(frozen=True)
class Truth:
    """What a set of labelled pictures shows."""

    names: tuple[str, ...]  # of the classes
    pictures: tuple[Labelled, ...]
    remarks: tuple[str, ...]  # what was assumed or left out, for the user


def read_truth(images: Path, labels: Path, names: Sequence[str] | None) -> Truth:
    """`labels`: a folder with a text file per picture (YOLO), or a file like COCO's instances.json.

    `names`: of the classes, in their order, for YOLO's; else those of `classes.txt` or `data.yaml`
    beside the labels, else COCO's. Raises UserError where there is nothing to compare with.
    """
    found = {path.relative_to(images).as_posix(): path for path in pictures_in(images)}
    if not found:
        raise UserError(f"{images}: holds no picture ({', '.join(SUFFIXES)})")
    if labels.is_dir():
        return _of_yolo(found, labels, names)
    if names is not None:
        raise UserError("--names: COCO's file names its classes itself; leave it out")
    return _of_coco(found, labels)


def _of_yolo(found: dict[str, Path], labels: Path, names: Sequence[str] | None) -> Truth:
    read = yolo.read_folder(labels)
    remarks = []
    if names is None:
        names, told = yolo.names_beside(labels)
        remarks += [told] if told else []
    yolo.check_classes(read, names)
    pictures = []
    for name, path in found.items():
        rows = read.rows.get(Path(name).with_suffix("").as_posix(), [])
        numbers = np.array([row.class_number for row in rows], np.intp)
        corners = np.array([row.corners for row in rows], np.float64).reshape(-1, 4)
        none = np.zeros(len(rows), bool)
        pictures.append(Labelled(path, corners, numbers, none, none, in_pixels=False))
    stems = {Path(name).with_suffix("").as_posix() for name in found}
    if not stems & set(read.rows):
        raise UserError(f"{labels}: no file there has the name of a picture")
    if bare := len(stems - set(read.rows)):
        remarks.append(f"{bare} pictures have no file of labels: nothing is on them")
    if lone := len(set(read.rows) - stems):
        remarks.append(f"{lone} files of labels have no picture: left out")
    return Truth(tuple(names), tuple(pictures), tuple(remarks))


def _of_coco(found: dict[str, Path], labels: Path) -> Truth:
    read = coco.read_file(labels)
    places = {number: place for place, number in enumerate(read.categories)}
    pictures = []
    for image in read.images:
        if image.file_name not in found:
            continue
        here = read.annotations.get(image.id, [])
        x, y, width, height = np.array([one.bbox for one in here], np.float64).reshape(-1, 4).T
        pictures.append(
            Labelled(
                found[image.file_name],
                np.stack([x, y, x + width, y + height], axis=1),
                np.array([places[one.category_id] for one in here], np.intp),
                np.array([one.iscrowd for one in here], bool),
                np.array([one.ignore for one in here], bool),
                np.array([one.size for one in here], np.float64),
            )
        )
    if not pictures:
        raise UserError(f"{labels}: none of its pictures is in the folder")
    remarks = []
    if absent := len(read.images) - len(pictures):
        remarks.append(
            f"{absent} of the {len(read.images)} labelled pictures are not in the folder"
        )
    if extra := len(found) - len(pictures):
        remarks.append(f"{extra} pictures in the folder are not labelled: left out")
    return Truth(tuple(read.categories.values()), tuple(pictures), tuple(remarks))
