"""A quantised form before it is let in: its boxes, its speed, and whether it is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import msgspec

from inference_worker.adding.folder import new_folder, write_model
from inference_worker.admission import NotFit, Reference, admit
from inference_worker.admission.reference import boxes_on, make_reference, write_reference
from inference_worker.backends.base import EngineOptions, Image
from inference_worker.backends.choice import Engine, installed_engines
from inference_worker.detector import Detector
from inference_worker.manifest import Manifest, Weights
from inference_worker.quantising.recipes import Recipe
from inference_worker.quantising.report import Report
from inference_worker.quantising.speed import WORTH, Speed, gain, measure
from inference_worker.quantising.task import Form, Say, Task
from inference_worker.quantising.trials import opened, parity_with
from inference_worker.settings import InferSettings
from inference_worker.store import sha256_of
from runtime.errors import FatalError, UserError

_BATCHES = (1, 4)


def finish(
    task: Task,
    manifest: Manifest,
    float_weights: Path,
    parent: Detector,
    weights: Path,
    form: Form,
    held_out: Sequence[Image],
    say: Say,
) -> Report:
    say(f"measuring on {len(held_out)} pictures that were held out")
    new = _manifest_of(manifest, task, weights)
    options = _options(task.settings, manifest)
    reference = make_reference(parent, held_out, "int8")
    refusal, parity, speeds = "", None, []
    try:
        detector = opened(weights, new, engine_for(task.recipe), options)
        parity = parity_with(detector, held_out, boxes_on(parent, held_out))
        refusal = parity.complaint
        admit(detector, reference)
    except NotFit as error:
        refusal = refusal or error.why
    except (UserError, FatalError) as error:
        refusal = str(error)
    worth = ""
    if not refusal and task.recipe.name == "cpu":
        speeds = _speeds(manifest, float_weights, new, weights, options, held_out, say)
        worth = _not_worth(speeds)
    keep = not refusal and (task.anyway or not worth)
    return Report(
        name=task.name,
        written=_write(task, new, weights, reference) if keep else None,
        refusal=refusal,
        worth=worth,
        method=form.method,
        nodes=len(form.nodes),
        float_nodes=len(form.able) - len(form.nodes),
        size_bytes=weights.stat().st_size,
        float_size_bytes=float_weights.stat().st_size,
        calibrated_on=len(task.pictures) - len(held_out),
        held_out=len(held_out),
        parity=parity,
        speeds=tuple(speeds),
    )


def _write(task: Task, manifest: Manifest, weights: Path, reference: Reference) -> Path:
    with new_folder(task.root, task.name, replace=task.replace) as folder:
        write_model(folder, manifest, weights)
        write_reference(folder, reference)
    return task.root / task.name


def _manifest_of(manifest: Manifest, task: Task, weights: Path) -> Manifest:
    about = f"{manifest.about}; INT8 by the recipe {task.recipe.name}"
    form = Weights(file=f"{task.name}.onnx", sha256=sha256_of(weights))
    return msgspec.structs.replace(manifest, name=task.name, about=about, weights=(form,))


def _options(settings: InferSettings, manifest: Manifest) -> EngineOptions:
    most = min(settings.max_batch, manifest.max_batch or settings.max_batch)
    return EngineOptions(settings.engine_threads, most)


def _speeds(
    manifest: Manifest,
    float_weights: Path,
    new: Manifest,
    weights: Path,
    options: EngineOptions,
    pictures: Sequence[Image],
    say: Say,
) -> list[Speed]:
    """On each engine, in each precision that it has here."""
    say("speed, by turns")
    detectors: list[tuple[str, Detector]] = []
    for engine in installed_engines():
        detectors.append(("float", opened(float_weights, manifest, engine, options)))
        detectors.append(("int8", opened(weights, new, engine, options)))
        if engine == "openvino":
            short = dataclasses.replace(options, precision="bfloat16")
            shorter = opened(float_weights, manifest, engine, short)
            if shorter.backend.precision == "bfloat16":
                detectors.append(("float", shorter))
    return [one for batch in _BATCHES for one in measure(detectors, pictures, batch)]


def _not_worth(speeds: Sequence[Speed]) -> str:
    gained = gain(speeds)
    if gained is None or gained >= WORTH:
        return ""
    return f"INT8 is {gained:.2f} times as fast as the best float form here, {WORTH} are wanted"


def engine_for(recipe: Recipe) -> Engine:
    """On which forms are tried: that which a worker prefers; ONNX Runtime for another machine's."""
    installed = installed_engines()
    return "onnxruntime" if recipe.name == "tensorrt" else installed[0]
