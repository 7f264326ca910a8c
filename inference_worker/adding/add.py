"""Makes a model's folder of somebody's file, and lets it in only after the admission test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from inference_worker.adding.folder import new_folder, write_model
from inference_worker.adding.propose import Proposal
from inference_worker.admission import NotFit, Reference, Verdict, admit
from inference_worker.admission.checking import reference_for
from inference_worker.admission.reference import write_reference
from inference_worker.backends.base import Backend
from inference_worker.loading import open_detector
from inference_worker.preprocess import Image
from inference_worker.settings import InferSettings
from runtime.errors import UserError


@dataclass(frozen=True)
class Added:
    """A model that was written and passed."""

    folder: Path
    backend: Backend
    verdict: Verdict
    only_single: str  # why it can't be run in batches though it says so; empty: it can


def add_model(
    proposal: Proposal,
    root: Path,
    settings: InferSettings,
    *,
    replace: bool = False,
    pictures: Sequence[Image] = (),
) -> Added:
    """Write `root / name` with copies of the weights, tested with the engine of the settings.

    What the model sees on `pictures` is kept with it, to be compared with at every start. A graph
    that fails in batches and not alone gets `max_batch: 1` in its manifest. Raises UserError, and
    leaves nothing behind, if it is not fit to serve.
    """
    manifest = proposal.manifest
    with new_folder(root, manifest.name, replace=replace) as folder:
        write_model(folder, manifest, proposal.graph.weights)
        chosen = {"model": manifest.name, "model_folders": (folder.parent,)}
        settings = settings.model_copy(update=chosen)
        reference = reference_for(settings, _no_asset, pictures)
        if reference.pictures:
            write_reference(folder, reference)
        backend, verdict, only_single = _try(settings, reference)
        if only_single:
            write_model(
                folder, msgspec.structs.replace(manifest, max_batch=1), proposal.graph.weights
            )
    return Added(root / manifest.name, backend, verdict, only_single)


def _try(settings: InferSettings, reference: Reference) -> tuple[Backend, Verdict, str]:
    detector = open_detector(settings, _no_asset)
    try:
        return detector.backend, admit(detector, reference), ""
    except NotFit as error:
        if detector.backend.max_batch == 1:
            raise
        detector = open_detector(settings.model_copy(update={"max_batch": 1}), _no_asset)
        return detector.backend, admit(detector, reference), error.why.splitlines()[0]


def _no_asset(name: str) -> Path:
    raise UserError(f"the asset {name} is not there: its weights lie beside the manifest")
