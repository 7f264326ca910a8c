"""Labels in YOLO's format: a text file per picture, a row `class centre_x centre_y width height`.

In fractions of the picture. A sixth number (a score) is left aside; a row of more numbers is an
outline, `class x y x y x y …`: its box is the one around it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import yaml

from inference_worker.adding.labels import COCO, read_labels
from runtime.errors import UserError

_CLASSES = "classes.txt"
_DESCRIPTIONS = ("data.yaml", "dataset.yaml")


class Row(NamedTuple):
    """One object: its class's number, and x1 y1 x2 y2 in fractions of the picture."""

    class_number: int
    corners: tuple[float, float, float, float]


@dataclass(frozen=True)
class Folder:
    """Rows by the file's path in the folder, without its suffix."""

    path: Path
    rows: Mapping[str, Sequence[Row]]


def read_folder(folder: Path) -> Folder:
    """Every text file under `folder`. Raises UserError that names file and line."""
    rows: dict[str, list[Row]] = {}
    for path in sorted(folder.rglob("*.txt")):
        if path.name == _CLASSES:
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        lines = enumerate(_text(path).splitlines(), start=1)
        rows[name] = [row_of(path, number, line) for number, line in lines if line.strip()]
    if not rows:
        raise UserError(f"{folder}: holds no labels (a .txt file for each picture)")
    return Folder(folder, rows)


def names_beside(folder: Path) -> tuple[tuple[str, ...], str]:
    """Names of the classes, and what the user should know of where they are from ("": nothing)."""
    for where in (folder, folder.parent):
        if (where / _CLASSES).is_file():
            return read_labels(str(where / _CLASSES)), ""
    # labels/train, labels/val … lie one deeper than the description.
    for where in (folder, folder.parent, folder.parent.parent):
        for name in _DESCRIPTIONS:
            if (where / name).is_file():
                return _described(where / name), ""
    return COCO, "the labels don't name their classes: taken for COCO's 80 (--names says otherwise)"


def check_classes(folder: Folder, names: Sequence[str]) -> None:
    """Raises UserError for a class that has no name."""
    for name, rows in folder.rows.items():
        for row in rows:
            if not 0 <= row.class_number < len(names):
                raise UserError(
                    f"{folder.path / name}.txt: class {row.class_number} has no name: there are"
                    f" {len(names)}, from 0; give them with --names FILE, one per line"
                )


def _described(path: Path) -> tuple[str, ...]:
    """`names` of Ultralytics' description of a data set: a list, or a mapping from 0."""
    try:
        content = yaml.safe_load(_text(path))
    except yaml.YAMLError as error:
        raise UserError(f"{path}: is not YAML: {error}") from error
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict) and sorted(names) == list(range(len(names))):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise UserError(f"{path}: expected `names`, a list of the classes or a mapping from 0")
    return tuple(map(str, names))


def row_of(path: Path, number: int, line: str) -> Row:
    """One line of a file. Raises UserError that names both."""
    words = line.split()
    try:
        kind, values = int(words[0]), [float(word) for word in words[1:]]
        if not all(map(math.isfinite, values)):
            raise ValueError(line)
        return Row(kind, _box(values[:4]) if len(values) in (4, 5) else _around(values))
    except (ValueError, IndexError):
        raise UserError(
            f"{path}, line {number}: expected class centre_x centre_y width height"
        ) from None


def _box(values: Sequence[float]) -> tuple[float, float, float, float]:
    x, y, width, height = values
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _around(outline: Sequence[float]) -> tuple[float, float, float, float]:
    if len(outline) < 6 or len(outline) % 2:
        raise ValueError(outline)
    xs, ys = outline[::2], outline[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: can't be read: {error}") from error
