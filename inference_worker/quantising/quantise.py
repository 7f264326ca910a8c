"""From a float model to an INT8 one that is fit to serve, or to a reason why there is none."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx

from inference_worker.admission.checking import reference_detector
from inference_worker.admission.reference import boxes_on, telling
from inference_worker.backends.base import Image
from inference_worker.detector import Boxes, Detector
from inference_worker.manifest import Manifest
from inference_worker.quantising.calibration import METHODS, ranges
from inference_worker.quantising.graph import nodes_of, observe, prepared
from inference_worker.quantising.judge import engine_for, finish
from inference_worker.quantising.report import Report
from inference_worker.quantising.search import Trial, settle
from inference_worker.quantising.task import Form, Say, Task
from inference_worker.quantising.trials import Trials, feeds
from inference_worker.store import Store
from runtime.errors import FatalError, UserError

LEAST_PICTURES = 8
# Pictures on which forms are tried, of those for calibration.
_TRIED_ON = 24


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
            engine_for(task.recipe),
            [calibration[at] for at in chosen],
            [seen[at] for at in chosen],
            Path(scratch),
            settings.engine_threads,
        )
        form = _settled(task, model, found.manifest, calibration, trials, say, now)
        weights = trials.write(form.ranges, form.nodes, inputs_only=form.style.inputs_only)
        return finish(task, found.manifest, found.weights, parent, weights, form, held_out, say)


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


def _settled(
    task: Task,
    model: onnx.ModelProto,
    manifest: Manifest,
    pictures: Sequence[Image],
    trials: Trials,
    say: Say,
    now: Callable[[], float],
) -> Form:
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
            forms.append(Form(style, method, found, nodes, nodes, trial))
        if fit := [form for form in forms if not form.trial.complaint]:
            return min(fit, key=lambda form: form.trial.loss)
    best = min(forms, key=lambda form: form.trial.loss)

    def attempt(nodes: Sequence[str]) -> Trial:
        say(f"looking for what must stay float: {len(best.able) - len(nodes)} nodes")
        return trials(best.ranges, nodes, inputs_only=best.style.inputs_only)

    kept, trial = settle(best.able, attempt, lambda: now() > until)
    return dataclasses.replace(best, nodes=kept, trial=trial)
