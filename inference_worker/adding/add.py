"""Makes a model's folder of somebody's file, and lets it in only after the admission test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from inference_worker.adding.folder import new_folder, write_manifest, write_model
from inference_worker.adding.propose import Proposal
from inference_worker.admission import NotFit, Reference, Verdict, admit
from inference_worker.admission.checking import reference_for
from inference_worker.admission.reference import write_reference
from inference_worker.backends.base import Backend, Image
from inference_worker.loading import Opener, open_detector
from inference_worker.settings import InferSettings
from inference_worker.store import AssetPath
from runtime.errors import UserError


@dataclass(frozen=True)
class Added:
    """A model that was written and passed."""

    folder: Path
    backend: Backend
    verdict: Verdict
    only_single: str  # why it can't be run in batches though it says so; empty: it can
    left_out: Mapping[str, str]  # engines that `auto` will not take, and why
    reference: Reference  # what it was compared with


def add_model(
    proposal: Proposal,
    root: Path,
    settings: InferSettings,
    *,
    replace: bool = False,
    pictures: Sequence[Image] = (),
    against: str | None = None,
    asset_path: AssetPath | None = None,
) -> Added:
    """Write `root / name` with copies of the weights, tested with an engine of the settings.

    What the model sees on `pictures`, or what the model `against` sees, is kept with it, to be
    compared with at every start. `asset_path`: for the weights of that one. A graph that fails in
    batches and not alone gets `max_batch: 1` in its manifest; an engine that fails before the one
    that passes gets into `not_on`. Raises UserError, and leaves nothing behind, if it is fit to
    serve on none.
    """
    manifest = proposal.manifest
    with new_folder(root, manifest.name, replace=replace) as folder:
        write_model(folder, manifest, proposal.graph.weights)
        others = settings.model_folders if against else None
        chosen = {"model": manifest.name, "model_folders": (folder.parent,)}
        settings = settings.model_copy(update=chosen)
        reference = reference_for(settings, asset_path or _no_asset, pictures, against, others)
        if reference.pictures:
            write_reference(folder, reference)
        added = _first_fit(root / manifest.name, settings, reference)
        most = 1 if added.only_single else None
        if added.only_single or added.left_out:
            known = msgspec.structs.replace(manifest, max_batch=most, not_on=tuple(added.left_out))
            write_manifest(folder, msgspec.convert(msgspec.to_builtins(known), type(manifest)))
    return added


def _first_fit(folder: Path, settings: InferSettings, reference: Reference) -> Added:
    """On the first engine that passes, in the order in which `auto` prefers them."""
    refusals: dict[str, UserError] = {}
    engines = [plan.engine for plan in Opener(settings, _no_asset).plans]
    for engine in dict.fromkeys(engines):
        try:
            tried = _try(settings.model_copy(update={"backend": engine}), reference)
        except UserError as error:
            refusals[engine] = error
            continue
        left_out = {name: _why(error) for name, error in refusals.items()}
        return Added(folder, *tried, left_out, reference)
    raise next(iter(refusals.values()))


def _why(error: UserError) -> str:
    return (error.why if isinstance(error, NotFit) else str(error)).splitlines()[0]


def _try(settings: InferSettings, reference: Reference) -> tuple[Backend, Verdict, str]:
    detector = open_detector(settings, _no_asset)
    try:
        return detector.backend, admit(detector, reference), ""
    except NotFit as error:
        if detector.backend.max_batch == 1:
            raise
        detector = open_detector(settings.model_copy(update={"max_batch": 1}), _no_asset)
        return detector.backend, admit(detector, reference), _why(error)


def _no_asset(name: str) -> Path:
    raise UserError(f"the asset {name} is not there: its weights lie beside the manifest")
