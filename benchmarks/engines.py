"""What `auto` chooses on this CPU, against plain ONNX Runtime with its default options.

Ready tensors in batches of 8, all in this process, batch by batch in turn. `.float32`: the fastest
way at float32, whose boxes are held to the model's reference. `.chosen`: what `auto` takes of all,
fewer bits included where they pass the admission test. `.start`: from nothing to the first boxes,
with all that a worker has kept from earlier starts, admission test included; against a bare
session, and one inference.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnxruntime as ort

from benchmarks.method.metering import Stopwatch, Work, compared
from benchmarks.method.pairing import Pair, interleaved
from benchmarks.method.results import Result, result
from benchmarks.method.shared_models import FEMTO, with_femto
from benchmarks.method.site import Site
from inference_worker.admission import admit, synthetic_pictures
from inference_worker.choosing.measured import Measured, best
from inference_worker.choosing.measuring import measure
from inference_worker.choosing.plans import FLOAT32
from inference_worker.choosing.telling import choice_line
from inference_worker.detector import Detector
from inference_worker.loading import Opener
from inference_worker.settings import InferSettings
from inference_worker.store import Store
from onehertz.assets import fetch_one, path_of

BATCHES = 6
ROUNDS = 9
_START_ROUNDS = 3

_DEFAULT = "ssd-mobilenet-v2"
_PLAIN = "plain ONNX Runtime, its default options, the same tensors in batches of 8"


def run(site: Site, rounds: int) -> list[Result]:
    """Images/s and CPU per image of each model, and its start."""
    models = {_DEFAULT: InferSettings()}
    if (femto := with_femto(site.folder / "models")) is not None:
        models[FEMTO] = femto
    else:
        site.say("engines: no ../shared/data here, so no deimv2-femto")
    found: list[Result] = []
    for name, settings in models.items():
        found += _compare(site, name, settings, rounds)
    return found


def _compare(site: Site, name: str, settings: InferSettings, rounds: int) -> list[Result]:
    cache = site.folder / "cache"
    opener = Opener(settings, fetch_one, path_of, cache)
    rows = measure(opener.plans, opener.open, opener.judge)
    opener.measured_store(cache).keep(rows)
    exact = [one for one in rows if one.plan.precision == FLOAT32]
    site.say(choice_line(name, _best(rows), rows, settings.max_batch))
    float32, chosen = (opener.open(_best(some).plan) for some in (exact, rows))
    for detector in (float32, chosen):
        admit(detector, opener.reference)  # equal boxes: else it says which are not
    weights = Store(fetch_one, settings.model_folders).model(settings.model, (".onnx",)).weights
    batches = site.sized(BATCHES)
    timed = interleaved(
        rounds,
        {
            "plain": _plain(weights, float32, batches),
            "float32": _ours(float32, batches),
            "chosen": _ours(chosen, batches),
        },
    )
    sides: dict[str, float] = {"float32": 1.4, "chosen": 2.0}
    return [
        *(
            one
            for side, wanted in sides.items()
            for one in compared(
                f"engines.{name}.{side}", timed, (side, "plain"), "image", _PLAIN,
                wanted_rate=wanted,
            )
        ),
        _start(site, name, settings, weights, cache),
    ]  # fmt: skip


def _best(rows: list[Measured]) -> Measured:
    found = best(rows, 8)
    assert found is not None, rows
    return found


def _ours(detector: Detector, batches: int) -> Callable[[], Work]:
    pictures = synthetic_pictures(10)[2:]
    inputs = detector.prepare(pictures).inputs
    return _timed(lambda: detector.backend.infer(inputs), len(pictures), batches)


def _plain(weights: Path, fed_by: Detector, batches: int) -> Callable[[], Work]:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
    pictures = synthetic_pictures(10)[2:]
    inputs: Mapping[str, Any] = fed_by.prepare(pictures).inputs
    if not inputs.keys() >= {one.name for one in session.get_inputs()}:  # named by another form
        (tensor,) = inputs.values()
        inputs = {session.get_inputs()[0].name: tensor}
    return _timed(lambda: session.run(None, dict(inputs)), len(pictures), batches)


def _timed(infer: Callable[[], object], size: int, batches: int) -> Callable[[], Work]:
    infer()

    def work() -> Work:
        watch = Stopwatch()
        for _ in range(batches):
            infer()
        return watch.work(size * batches)

    return work


def _start(site: Site, name: str, settings: InferSettings, weights: Path, cache: Path) -> Result:
    folders = [str(folder) for folder in settings.model_folders]
    ours = {"model": settings.model, "folders": folders, "cache": str(cache)}

    def seconds(**arguments: Any) -> float:
        began_s = time.monotonic()
        site.bare_answer("start", **arguments)
        return time.monotonic() - began_s

    seconds(**ours)  # what is compiled is kept from here on
    timed = interleaved(
        _START_ROUNDS,
        {"ours": lambda: seconds(**ours), "plain": lambda: seconds(weights=str(weights))},
    )
    pairs = [Pair(one["ours"], one["plain"]) for one in timed]
    return result(
        f"engines.{name}.start", pairs, "s", "a process with a bare ONNX Runtime session, one image"
    )
