"""Verdicts of this machine, so that a large model is not put through the test at each start.

Only what was slow to come by is kept, only of CPUs (what a GPU does depends on a driver that can't
be told from here), and under a key of all that could change it, onehertz's own code too.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import time
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import msgspec
import numpy as np

from inference_worker.admission.reference import Reference
from inference_worker.admission.trial import Clock, Previous, admit, nothing_before
from inference_worker.admission.verdict import Verdict
from inference_worker.detector import Detector
from inference_worker.whole_file import write_whole

logger = logging.getLogger(__name__)

# A test that takes less is done each time.
LEAST_S = 2.0
_CODE = ("inference_worker", "vision")


def admit_once(
    detector: Detector,
    reference: Reference,
    cache: Path | None,
    machine: Mapping[str, str],
    how: str,
    previous_images_per_s: Previous = nothing_before,
    now: Clock = time.perf_counter,
) -> Verdict:
    """As `admit`, but for a verdict that is kept in the cache; None: none is.

    `machine`: what an engine's answers depend on besides the model. `how`: the engine's options.
    Raises NotFit; a refusal is never kept.
    """
    compared = previous_images_per_s() is not None  # by what both do now, not what one did once
    if compared or cache is None or detector.backend.device != "cpu":
        return admit(detector, reference, previous_images_per_s=previous_images_per_s)
    path = cache / "admitted" / f"{_key(detector, reference, machine, how)}.json"
    if (kept := _read(path)) is not None:
        return kept
    begins = now()
    verdict = admit(detector, reference)
    if now() - begins > LEAST_S:
        _write(path, verdict)
    return verdict


def _key(detector: Detector, reference: Reference, machine: Mapping[str, str], how: str) -> str:
    backend = detector.backend
    digest = hashlib.sha256()
    digest.update(_code_hash())
    digest.update(msgspec.json.encode(detector.manifest))  # it has the weights' hashes
    engine = [backend.name, backend.device, backend.precision, backend.max_batch, how]
    digest.update(msgspec.json.encode([engine, detector.score_threshold, sorted(machine.items())]))
    digest.update(msgspec.json.encode([reference.of, reference.arithmetic, reference.absent]))
    for known in reference.pictures:
        digest.update(msgspec.json.encode([known.picture.shape, known.boxes]))
        digest.update(np.ascontiguousarray(known.picture).tobytes())
    return digest.hexdigest()[:32]


@functools.cache
def _code_hash() -> bytes:
    digest = hashlib.sha256()
    for package in _CODE:
        for file in _sources(resources.files(package)):
            digest.update(file.name.encode())
            digest.update(file.read_bytes())
    return digest.digest()


def _sources(folder: Traversable) -> list[Traversable]:
    found: list[Traversable] = []
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            found += _sources(entry)
        elif entry.name.endswith(".py"):
            found.append(entry)
    return found


def _read(path: Path) -> Verdict | None:
    """None where there is none, or none that can be used: it is found anew."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Verdict)
    except (OSError, msgspec.DecodeError):
        return None


def _write(path: Path, verdict: Verdict) -> None:
    try:
        write_whole(path, msgspec.json.encode(verdict))
    except OSError as error:
        logger.warning("%s can't be written (%s): the next start tests anew", path, error)
