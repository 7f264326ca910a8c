"""A model through the admission test on every engine that is here, with the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from inference_worker.admission import NotFit, Reference, Verdict, admit, synthetic_pictures
from inference_worker.admission.parity import Parity
from inference_worker.admission.reference import arithmetic_of, boxes_on, make_reference
from inference_worker.admission.trial import agree
from inference_worker.backends.base import Image
from inference_worker.backends.choice import READS, installed_engines
from inference_worker.detector import Boxes, Detector
from inference_worker.loading import open_detector
from inference_worker.settings import InferSettings
from inference_worker.store import AssetPath, Store
from runtime.errors import FatalError, UserError

_PICTURES = 8
# What each engine can compute in on a CPU; the first must be fit.
_PRECISIONS = {"openvino": ("float32", "bfloat16"), "onnxruntime": ("float32",)}


@dataclass(frozen=True)
class Check:
    """How a model did on one engine, in one precision."""

    engine: str
    precision: str
    refusal: str  # empty: it passed
    verdict: Verdict | None = None
    parity: Parity | None = None
    # On the reference's frames, from its threshold on; on synthetic pictures where there are none,
    # with low scores too.
    boxes: tuple[Boxes, ...] = ()
    score_threshold: float = 0.0

    @property
    def needed(self) -> bool:
        """Whether a refusal speaks against the model, and not just against a faster precision."""
        return self.precision == "float32"


def reference_detector(settings: InferSettings, asset_path: AssetPath) -> Detector:
    """The model on the engine that others are compared with: ONNX Runtime, else OpenVINO; float32.

    Raises UserError if there is no such model, or neither reads it.
    """
    manifest = Store(asset_path, settings.model_folders).manifest(settings.model)
    suffixes = {Path(form.file).suffix for form in manifest.weights}
    installed = installed_engines()
    able = [one for one in reversed(installed) if suffixes & set(READS[one])]
    able = [one for one in able if one not in manifest.not_on]
    fixed = {"backend": "auto", "device": "cpu", "precision": "float32", "max_batch": 1}
    refusals: list[UserError] = []
    for engine in able:
        try:
            chosen = settings.model_copy(update={**fixed, "backend": engine})
            return open_detector(chosen, asset_path)
        except UserError as error:
            refusals.append(error)
    if not refusals:  # none is installed: that says so
        return open_detector(settings.model_copy(update=fixed), asset_path)
    raise refusals[0]


def reference_for(
    settings: InferSettings,
    asset_path: AssetPath,
    pictures: Sequence[Image],
    against: str | None = None,
    folders: tuple[Path, ...] | None = None,
) -> Reference:
    """What `against` (None: the model itself) sees on the pictures, on the reference engine.

    `folders`: where `against` is, if not where the model is. Raises UserError if there is no such
    model, or it fails on a picture.
    """
    found_in = settings.model_folders if folders is None else folders
    judge = settings.model_copy(
        update={"model": against or settings.model, "model_folders": found_in}
    )
    detector = reference_detector(judge, asset_path)
    suffixes = READS["openvino"]
    weights = Store(asset_path, settings.model_folders).model(settings.model, suffixes).weights
    try:
        return make_reference(detector, pictures, arithmetic_of(weights))
    except FatalError as error:
        raise UserError(f"{detector.name} can't be a reference: {error}") from error


def check(settings: InferSettings, asset_path: AssetPath, reference: Reference) -> list[Check]:
    """One for each engine that `auto` may take, and each precision of it.

    Raises UserError if there is no such model, or none of them reads it.
    """
    left_out = Store(asset_path, settings.model_folders).manifest(settings.model).not_on
    able = [engine for engine in installed_engines() if engine not in left_out]
    engines = [settings.backend] if settings.backend != "auto" else able
    checks = []
    for engine in engines:
        for precision in _PRECISIONS.get(engine, ("float32",)):
            wanted = {"backend": engine, "precision": precision}
            one = _check(settings.model_copy(update=wanted), asset_path, reference)
            if one is not None:
                checks.append(one)
    return checks


def disagreements(checks: Sequence[Check]) -> list[int]:
    """The numbers of the synthetic pictures on which float32 engines see different boxes."""
    passed = [one.boxes for one in checks if one.verdict and one.needed and not one.parity]
    return [
        number
        for number, boxes in enumerate(zip(*passed, strict=True))
        if not all(agree(boxes[0], other) and agree(other, boxes[0]) for other in boxes[1:])
    ]


def _check(settings: InferSettings, asset_path: AssetPath, reference: Reference) -> Check | None:
    """None if the engine would compute in another precision than it is asked for."""
    blank = Check(settings.backend, settings.precision, "")
    try:
        detector = open_detector(settings, asset_path)
    except UserError as error:
        return replace(blank, refusal=str(error))
    if detector.backend.precision != settings.precision:
        return None
    blank = replace(blank, score_threshold=detector.score_threshold)
    try:
        verdict = admit(detector, reference)
    except NotFit as error:
        seen = _boxes(detector, reference) if error.parity else ()
        return replace(blank, refusal=str(error), parity=error.parity, boxes=seen)
    seen = _boxes(detector, reference)
    return replace(blank, verdict=verdict, parity=verdict.parity, boxes=seen)


def _boxes(detector: Detector, reference: Reference) -> tuple[Boxes, ...]:
    if not reference.pictures:
        return tuple(boxes_on(detector, synthetic_pictures(_PICTURES)))
    seen = boxes_on(detector, [one.picture for one in reference.pictures])
    least = detector.score_threshold
    return tuple(tuple(box for box in boxes if box.score >= least) for boxes in seen)
