"""Pictures to try a graph on."""

from __future__ import annotations

import cv2

from inference_worker.adding.wishes import Wishes
from inference_worker.admission import synthetic_pictures
from inference_worker.preprocess import Image
from runtime.errors import UserError

_PICTURES = 4


def pictures_for(wishes: Wishes) -> list[Image]:
    """The user's, or synthetic ones that are neither black nor white.

    Raises UserError if the user's can't be read.
    """
    if wishes.picture is None:
        return synthetic_pictures(2 + _PICTURES)[2:]
    picture = cv2.imread(str(wishes.picture))
    if picture is None:
        raise UserError(f"--picture {wishes.picture}: can't be read as a picture")
    return [picture]  # type: ignore[list-item] # cv2 says any number, imread gives bytes
