"""From settings to a detector that is fit to serve."""

from __future__ import annotations

import logging
from pathlib import Path

from inference_worker.admission import admit
from inference_worker.admission.reference import read_reference
from inference_worker.backends.base import EngineOptions
from inference_worker.backends.choice import choose, open_backend, this_machine
from inference_worker.detector import Detector
from inference_worker.settings import InferSettings
from inference_worker.store import AssetPath, Store

logger = logging.getLogger(__name__)


def open_detector(settings: InferSettings, asset_path: AssetPath) -> Detector:
    """Find the model, check its weights and open an engine. Nothing is run yet.

    Raises UserError if any of it fails.
    """
    store = Store(asset_path, settings.model_folders)
    forms = [Path(form.file).suffix for form in store.manifest(settings.model).weights]
    place = choose(settings.backend, settings.device, forms, this_machine())
    model = store.model(settings.model, place.reads)
    options = EngineOptions(
        threads=settings.engine_threads,
        max_batch=min(settings.max_batch, model.manifest.max_batch or settings.max_batch),
        precision=settings.precision,
    )
    backend = open_backend(place, model.weights, options)
    return Detector(model.manifest, backend, settings.score_threshold)


def load_detector(
    settings: InferSettings, asset_path: AssetPath, frames_path: AssetPath | None = None
) -> Detector:
    """Open a detector and put it through the admission test.

    `frames_path`: where assets with known frames are, without fetching any; None: they are not
    looked for. Raises UserError if any of it fails.
    """
    detector = open_detector(settings, asset_path)
    folder = Store(asset_path, settings.model_folders).folder(settings.model)
    verdict = admit(detector, read_reference(folder, frames_path))
    logger.info(
        "%s serves on %s (%s, %s) in batches of up to %d%s%s",
        detector.name,
        detector.backend.name,
        detector.backend.device,
        detector.backend.precision,
        detector.backend.max_batch,
        "" if verdict.repeats_bits else "; outputs depend a little on the batch, boxes hardly",
        f"; boxes not compared with a reference: {verdict.without_reference}"
        if verdict.without_reference
        else "",
    )
    return detector


def model_files(settings: InferSettings) -> list[Path]:
    """All files of the user's model, wherever it lies; what comes with onehertz never changes."""
    folders = [root / settings.model for root in settings.model_folders]
    return [path for folder in folders for path in sorted(folder.glob("*"))]
