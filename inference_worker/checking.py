"""A model through the admission test on every engine that is here, and whether they agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inference_worker.admission import SCORE_FLOOR, Verdict, admit, agree, synthetic_pictures
from inference_worker.backends.choice import installed_engines
from inference_worker.detector import Boxes, Detector
from inference_worker.loading import open_detector
from inference_worker.settings import InferSettings
from inference_worker.store import AssetPath
from runtime.errors import UserError

_PICTURES = 8


@dataclass(frozen=True)
class Check:
    """How a model did on one engine."""

    engine: str
    refusal: str  # empty: it passed
    verdict: Verdict | None = None
    boxes: tuple[Boxes, ...] = ()  # on each of the known pictures, above a low score


def check(settings: InferSettings, asset_path: AssetPath) -> list[Check]:
    """One for each engine that is installed and reads the model.

    Raises UserError if there is no such model, or none of them reads it.
    """
    engines = [settings.backend] if settings.backend != "auto" else installed_engines()
    checks = []
    for engine in engines:
        chosen = settings.model_copy(update={"backend": engine})
        try:
            detector = open_detector(chosen, asset_path)
            checks.append(Check(engine, "", admit(detector), _boxes(detector)))
        except UserError as error:
            checks.append(Check(engine, str(error)))
    return checks


def disagreements(checks: Sequence[Check]) -> list[int]:
    """The numbers of the known pictures on which the engines that passed see different boxes."""
    passed = [one.boxes for one in checks if one.verdict is not None]
    return [
        number
        for number, boxes in enumerate(zip(*passed, strict=True))
        if not all(agree(boxes[0], other) and agree(other, boxes[0]) for other in boxes[1:])
    ]


def _boxes(detector: Detector) -> tuple[Boxes, ...]:
    found: list[Boxes] = []
    for picture in synthetic_pictures(_PICTURES):
        outputs, placements = detector.infer([picture])
        found += detector.boxes_of(outputs, placements, SCORE_FLOOR)
    return tuple(found)
