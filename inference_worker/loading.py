"""From settings to a detector that is fit to serve."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from inference_worker.admission import NotFit, Reference, Verdict, admit
from inference_worker.admission.reference import arithmetic_of, read_reference
from inference_worker.admission.remembered import admit_once
from inference_worker.admission.trial import Previous, nothing_before
from inference_worker.admission.verdict import TooSlow
from inference_worker.backends.base import EngineOptions
from inference_worker.backends.choice import Place, lost_gpu, open_backend, places, this_machine
from inference_worker.backends.compiled import prune
from inference_worker.choosing.measured import Measured, MeasuredStore, best, this_processor
from inference_worker.choosing.measuring import measure
from inference_worker.choosing.plans import Plan, plans
from inference_worker.choosing.telling import choice_reason
from inference_worker.detector import Detector
from inference_worker.manifest import Manifest
from inference_worker.settings import InferSettings
from inference_worker.store import AssetPath, Model, Store
from runtime.errors import UserError

logger = logging.getLogger(__name__)


class Opener:
    """The model of the settings, and the ways to run it here that they leave open."""

    def __init__(
        self,
        settings: InferSettings,
        asset_path: AssetPath,
        frames_path: AssetPath | None = None,
        cache: Path | None = None,
        engines: Path | None = None,
        pictures: int | None = None,
    ) -> None:
        """See `load_detector`. Raises UserError if there is no such model, or nothing to run it."""
        self.settings = settings
        self.cache = _writable(cache)
        # Built beforehand, they are of use where nothing can be written.
        self._engines = engines or cache
        self._pictures = pictures
        store = Store(asset_path, settings.model_folders)
        found = _places(settings, store.manifest(settings.model))
        self._models = _models(store, settings.model, [place.reads for place in found])
        able = [place for place in found if place.reads in self._models]
        self.plans = plans(settings, able, _half_precisions(settings, able[0], self.cache))
        self.reference = read_reference(store.folder(settings.model), frames_path)
        self.opened: Plan | None = None  # the last one
        self._refused: dict[Plan, str] = {}  # why
        self.why = ""  # it was chosen

    def open(self, plan: Plan, batch_ms: dict[int, float] | None = None) -> Detector:
        """Raises UserError if the engine can't do it."""
        self.opened = plan
        model, options = self.model_for(plan)
        backend = open_backend(plan.place, model.weights, options)
        threshold = self.settings.score_threshold
        try:
            return Detector(model.manifest, backend, threshold, batch_ms, options)
        except BaseException:
            backend.close()
            raise

    def model_for(self, plan: Plan) -> tuple[Model, EngineOptions]:
        """What `open` opens for a plan, and how."""
        model = self._models[plan.place.reads]
        most = self.settings.max_batch
        if not plan.streams:
            most = min(most, model.manifest.max_batch or most)
        if plan.engine == "tensorrt":  # an engine is built for a size: not anew for each number
            return model, plan.options(most, self._engines, model.manifest.input)
        most = min(most, self._pictures or most)
        return model, plan.options(most, self.cache, model.manifest.input)

    def choose(self) -> Detector:
        """The one to serve. Where the settings leave a choice and there is a cache: the fastest.

        Raises UserError if none can be opened.
        """
        first, most = self.plans[0], self.settings.max_batch
        rows = self._rows(self.cache) if self.cache and len(self.plans) > 1 else []
        chosen = best(rows, most)
        if chosen is None:  # nothing was measured; or all have failed, and the first says why
            self.why = "as set" if len(self.plans) == 1 else "not measured here"
            return self.open(first)
        self.why = choice_reason(chosen, rows, most)
        return self.open(chosen.plan, chosen.batch_ms)

    def refuse(self, error: NotFit) -> bool:
        """What was opened last is not fit, and not chosen again. Whether another way is left."""
        if self.cache is None or self.opened is None or len(self.plans) == 1:
            return False
        self._refused[self.opened] = error.why
        return best(self._rows(self.cache), self.settings.max_batch) is not None

    def settle(self) -> None:
        """What was opened last is fit: later starts need not try what was refused before it."""
        if self.cache is not None and self._refused:
            self.measured_store(self.cache).keep(self._rows(self.cache))

    def remembered(self) -> Plan | None:
        """What `choose` takes without measuring, opening nothing; None: it would measure."""
        if self.cache is None or len(self.plans) == 1:
            return self.plans[0]
        chosen = best(self.measured_store(self.cache).kept(self.plans), self.settings.max_batch)
        return chosen.plan if chosen else None

    def judge(self, detector: Detector) -> str:
        """Why fewer bits than float32 are not to be used; empty: they pass."""
        if not self.reference.pictures:
            return f"nothing to compare it with: {self.reference.absent}"
        try:
            admit(detector, self.reference)
        except NotFit as error:
            return error.why
        return ""

    @property
    def is_int8(self) -> bool:
        """Whether the model is quantised, in any form that may be opened here."""
        return any(arithmetic_of(one.weights) == "int8" for one in self._models.values())

    def measured_store(self, cache: Path) -> MeasuredStore:
        """Where what is measured of this model on this machine is kept."""
        manifests = [msgspec.json.encode(one.manifest) for one in self._models.values()]
        judged_by = _told(self.reference, self.settings.score_threshold)
        return MeasuredStore(cache, this_processor(), [*manifests, judged_by])

    def _rows(self, cache: Path) -> list[Measured]:
        return [
            msgspec.structs.replace(one, refusal=self._refused.get(one.plan, one.refusal))
            for one in self.measured_store(cache).rows(self.plans, self._measure)
        ]

    def _measure(self, wanted: Sequence[Plan]) -> list[Measured]:
        logger.info("trying %d ways to run the model, once on this machine", len(wanted))
        return measure(wanted, self.open, self.judge)


def open_detector(settings: InferSettings, asset_path: AssetPath) -> Detector:
    """Find the model, check its weights and open an engine. Nothing is run yet.

    What the settings leave open is not measured: float32, batches as one. Raises UserError if any
    of it fails.
    """
    return Opener(settings, asset_path).choose()


def load_detector(
    settings: InferSettings,
    asset_path: AssetPath,
    frames_path: AssetPath | None = None,
    cache: Path | None = None,
    previous_images_per_s: Previous = nothing_before,
    *,
    engines: Path | None = None,
    pictures: int | None = None,
) -> Detector:
    """Open a detector and put it through the admission test.

    `frames_path`: where assets with known frames are, without fetching any; None: they are not
    looked for. `cache`: the user's, for what is measured and compiled; None: nothing is measured.
    `previous_images_per_s`: see `admit`. `engines`: where those that are built for a GPU are kept;
    None: in `cache`. `pictures`: that there will be; batches need be no larger. Raises UserError if
    any of it fails, EngineBroken.
    """
    opener = Opener(settings, asset_path, frames_path, cache, engines, pictures)
    detector, verdict = _admitted(opener, previous_images_per_s)
    detector.images_per_s = verdict.images_per_s
    _tell(opener, detector, verdict)
    if opener.cache is not None:
        prune(opener.cache, time.time())
    return detector


def _admitted(opener: Opener, previous: Previous) -> tuple[Detector, Verdict]:
    """The fastest that passes the test. Raises UserError; the first refusal where all fail."""
    first: NotFit | None = None
    while True:
        detector, how = opener.choose(), str(opener.opened)
        try:
            verdict = admit_once(
                detector, opener.reference, opener.cache, this_processor(), how, previous
            )
        except NotFit as error:
            detector.close()
            if isinstance(error, TooSlow):
                raise
            first = first or error
            if not opener.refuse(error):
                raise first from None
            logger.error("%s; the next best way to run it is tried", error)
        except BaseException:
            detector.close()
            raise
        else:
            opener.settle()
            return detector, verdict


def _tell(opener: Opener, detector: Detector, verdict: Verdict) -> None:
    logger.info(
        "%s serves on %s, in batches of up to %d: %s%s%s",
        detector.name,
        opener.opened,
        detector.backend.max_batch,
        opener.why,
        "" if verdict.repeats_bits else "; outputs depend a little on the batch, boxes hardly",
        f"; boxes not compared with a reference: {verdict.without_reference}"
        if verdict.without_reference
        else "",
    )


def model_files(settings: InferSettings) -> list[Path]:
    """All files of the user's model, wherever it lies; what comes with onehertz never changes."""
    folders = [root / settings.model for root in settings.model_folders]
    return [path for folder in folders for path in sorted(folder.glob("*"))]


def _places(settings: InferSettings, manifest: Manifest) -> list[Place]:
    """Where it may run. Raises UserError if there is no engine for it."""
    forms = [Path(form.file).suffix for form in manifest.weights]
    machine = this_machine()
    found = places(
        settings.backend, settings.device, forms, machine, cpu_fallback=settings.cpu_fallback
    )
    if lost := lost_gpu(settings.backend, settings.device, machine):
        logger.error("no GPU can be used: %s; the CPU does it, slowly (infer.cpu_fallback)", lost)
    if settings.backend != "auto":
        return found
    able = [place for place in found if place.engine not in manifest.not_on]
    if not able:
        raise UserError(
            f"{manifest.name} is not for {', '.join(manifest.not_on)} (`not_on` in its manifest),"
            " and there is no other engine for it here: pip install 'onehertz[worker-cpu]'"
        )
    return able


def _told(reference: Reference, score_threshold: float | None) -> bytes:
    """All that a judgement on fewer bits depends on, besides the model."""
    boxes = [one.boxes for one in reference.pictures]
    return msgspec.json.encode([reference.absent, boxes, score_threshold])


def _writable(cache: Path | None) -> Path | None:
    """None, and a warning, where nothing can be kept: each start might choose otherwise."""
    if cache is None:
        return None
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            return cache
    except OSError as error:
        logger.warning(
            "%s can't be written (%s): no engine is measured; set ONEHERTZ_CACHE", cache, error
        )
        return None


def _models(
    store: Store, name: str, reads: Sequence[tuple[str, ...]]
) -> dict[tuple[str, ...], Model]:
    """In each form for which the weights are there. Raises UserError if they are for none."""
    models: dict[tuple[str, ...], Model] = {}
    refusals = []
    for suffixes in reads:
        try:
            models[suffixes] = store.model(name, suffixes)
        except UserError as error:
            refusals.append(error)
    if not models:
        raise refusals[0]
    return models


def _half_precisions(
    settings: InferSettings, preferred: Place, cache: Path | None
) -> tuple[str, ...]:
    """Those to try: none where nothing is measured, or the settings name one."""
    if cache is None or settings.precision != "auto" or preferred.engine != "openvino":
        return ()
    # Imported here: it need not be installed.
    from inference_worker.backends.openvino import half_precisions

    return half_precisions()
