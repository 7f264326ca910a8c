"""Pictures in files and folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.errors import UserError

SUFFIXES: Final = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
Image = NDArray[np.uint8]


def pictures_in(folder: Path) -> list[Path]:
    """The pictures in a folder and those below it. Raises UserError as `files_in`."""
    return files_in(folder, SUFFIXES)


def files_in(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The files with these suffixes in a folder and those below it, sorted.

    Hidden files and folders are left out. Raises UserError if one can't be looked into.
    """
    found = []
    for path, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        visible = (name for name in names if not name.startswith("."))
        found += [Path(path) / name for name in visible if name.lower().endswith(suffixes)]
    return sorted(found)


def read_picture(path: Path) -> Image | None:
    """(height, width, 3) BGR, turned as its EXIF says; None if it is no picture."""
    try:
        image = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):  # unreadable; empty, or more pixels than OpenCV takes
        return None
    return None if image is None else np.asarray(image, dtype=np.uint8)


def _refuse(error: OSError) -> None:
    raise UserError(f"{error.filename}: can't be read: {error.strerror}") from error
