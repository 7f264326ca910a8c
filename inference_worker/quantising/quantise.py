"""From a float model to an INT8 one that is fit to serve, or to a reason why there is none."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import onnx

from inference_worker.adding.folder import new_folder, write_model
from inference_worker.admission import NotFit, Reference, admit
from inference_worker.admission.reference import boxes_on, make_reference, telling, write_reference
from inference_worker.backends.base import EngineOptions
from inference_worker.backends.choice import Engine, installed_engines
from inference_worker.checking import reference_detector
from inference_worker.detector import Boxes, Detector
from inference_worker.manifest import Manifest, Weights
from inference_worker.preprocess import Image
from inference_worker.quantising.calibration import METHODS, Method, Range, ranges
from inference_worker.quantising.graph import nodes_of, observe, prepared
from inference_worker.quantising.recipes import Recipe, Style
from inference_worker.quantising.report import Report
from inference_worker.quantising.search import Trial, settle
from inference_worker.quantising.speed import WORTH, Speed, gain, measure
from inference_worker.quantising.trials import Trials, feeds, opened, parity_with
from inference_worker.settings import InferSettings
from inference_worker.store import AssetPath, Store, sha256_of
from runtime.errors import FatalError, UserError

LEAST_PICTURES = 8
_BATCHES = (1, 4)
# Pictures on which forms are tried, of those for calibration.
_TRIED_ON = 24

Say = Callable[[str], None]


@dataclass(frozen=True)
class Task:
    """What is to be quantised, and how."""

    settings: InferSettings  # `model`: the float one
    asset_path: AssetPath
    recipe: Recipe
    pictures: Sequence[Image]
    name: str  # of the new model
    root: Path  # folder of models
    replace: bool = False
    anyway: bool = False  # keep it too where it doesn't pay
    patience_s: float = 600.0  # for finding what must stay float


@dataclass(frozen=True)
class _Form:
    """A way to quantise that was settled on."""

    style: Style
    method: Method
    ranges: Mapping[str, Range]
    able: Sequence[str]
    nodes: Sequence[str]
    trial: Trial


def split(pictures: Sequence[Image]) -> tuple[list[Image], list[Image]]:
    """Those for calibration, and those that are held out: by turns, so always the same.

    Raises UserError if there are too few.
    """
    if len(pictures) < LEAST_PICTURES:
        raise UserError(
            f"--calibrate: {len(pictures)} pictures are too few, {LEAST_PICTURES} are needed"
            " (and 64 are better); half of them are kept for measuring"
        )
    return list(pictures[::2]), list(pictures[1::2])


def quantise(
    task: Task, say: Say = lambda _: None, now: Callable[[], float] = time.monotonic
) -> Report:
    """Make it, measure it, and write its folder if it is fit to serve and pays.

    Raises UserError if the model has no ONNX, or it can't be quantised at all.
    """
    settings = task.settings
    found = Store(task.asset_path, settings.model_folders).model(settings.model, (".onnx",))
    parent = reference_detector(settings, task.asset_path)
    calibration, held_out = split(task.pictures)
    model = prepared(found.weights)
    with tempfile.TemporaryDirectory(prefix="onehertz-") as scratch:
        seen = _seen(parent, calibration)
        chosen = telling(seen, parent.score_threshold, _TRIED_ON)
        trials = Trials(
            model,
            found.manifest,
            task.recipe,
            _engine(task.recipe),
            [calibration[at] for at in chosen],
            [seen[at] for at in chosen],
            Path(scratch),
            settings.engine_threads,
        )
        form = _settled(task, model, found.manifest, calibration, trials, say, now)
        weights = trials.write(form.ranges, form.nodes, inputs_only=form.style.inputs_only)
        return _finish(task, found.manifest, found.weights, parent, weights, form, held_out, say)


def _seen(parent: Detector, pictures: Sequence[Image]) -> list[Boxes]:
    try:
        seen = boxes_on(parent, pictures)
    except FatalError as error:
        raise UserError(f"{parent.name} fails on a picture: {error}") from error
    if not any(box.score >= parent.score_threshold for boxes in seen for box in boxes):
        raise UserError(
            f"--calibrate: {parent.name} sees nothing on these pictures: give some with objects"
        )
    return seen


def _engine(recipe: Recipe) -> Engine:
    """On which forms are tried: that which a worker prefers; ONNX Runtime for another machine's."""
    installed = installed_engines()
    return "onnxruntime" if recipe.name == "tensorrt" else installed[0]


def _settled(
    task: Task,
    model: onnx.ModelProto,
    manifest: Manifest,
    pictures: Sequence[Image],
    trials: Trials,
    say: Say,
    now: Callable[[], float],
) -> _Form:
    """Raises UserError if nothing in the graph can be quantised."""
    recipe = task.recipe
    say(f"ranges of activations on {len(pictures)} pictures")
    names = [port.name for port in model.graph.input]
    observed = observe(model, feeds(manifest, names, pictures), recipe.operators)
    until = now() + task.patience_s
    forms = []
    for style in recipe.styles:
        nodes = nodes_of(model, style.operators)
        if not nodes:
            raise UserError(f"{manifest.name}: has nothing that can be quantised")
        for method in METHODS:
            say(f"trying {method} with {len(nodes)} nodes")
            found = ranges(observed, method, symmetric=recipe.symmetric)
            trial = trials(found, nodes, inputs_only=style.inputs_only)
            forms.append(_Form(style, method, found, nodes, nodes, trial))
        if fit := [form for form in forms if not form.trial.complaint]:
            return min(fit, key=lambda form: form.trial.loss)
    best = min(forms, key=lambda form: form.trial.loss)

    def attempt(nodes: Sequence[str]) -> Trial:
        say(f"looking for what must stay float: {len(best.able) - len(nodes)} nodes")
        return trials(best.ranges, nodes, inputs_only=best.style.inputs_only)

    kept, trial = settle(best.able, attempt, lambda: now() > until)
    return dataclasses.replace(best, nodes=kept, trial=trial)


def _finish(
    task: Task,
    manifest: Manifest,
    float_weights: Path,
    parent: Detector,
    weights: Path,
    form: _Form,
    held_out: Sequence[Image],
    say: Say,
) -> Report:
    say(f"measuring on {len(held_out)} pictures that were held out")
    new = _manifest_of(manifest, task, weights)
    options = _options(task.settings, manifest)
    reference = make_reference(parent, held_out, "int8")
    refusal, parity, speeds = "", None, []
    try:
        detector = opened(weights, new, _engine(task.recipe), options)
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
