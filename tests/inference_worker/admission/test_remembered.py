"""A verdict is kept where it was slow to come by, and only while nothing has changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inference_worker.admission import NO_REFERENCE, NotFit, Reference
from inference_worker.admission.reference import Known, make_reference
from inference_worker.admission.remembered import LEAST_S, admit_once
from inference_worker.detector import Detector

MACHINE = {"model": "a processor", "openvino": "1"}


class Counted:
    """A detector whose inferences are counted."""

    def __init__(self, detector: Detector) -> None:
        self.detector, self.inferences = detector, 0
        infer = detector.backend.infer

        def counting(inputs):
            self.inferences += 1
            return infer(inputs)

        detector.backend.infer = counting

    def admitted(self, *arguments: object, took_s: float = LEAST_S + 1) -> int:
        """How many inferences this took."""
        times = iter([0.0, took_s])
        before = self.inferences
        admit_once(self.detector, *arguments, now=lambda: next(times))
        return self.inferences - before


@pytest.fixture
def model(small_detector: Callable[..., Detector]) -> Counted:
    return Counted(small_detector(max_batch=2))


@pytest.fixture
def reference(small_detector: Callable[..., Detector]) -> Reference:
    picture = np.random.default_rng(3).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return make_reference(small_detector(), [picture], "float32")


def test_a_slow_verdict_is_kept(model: Counted, reference: Reference, tmp_path: Path):
    assert model.admitted(reference, tmp_path, MACHINE, "1 thread") > 0
    assert model.admitted(reference, tmp_path, MACHINE, "1 thread") == 0
    times = iter([0.0, 9.0])
    kept = admit_once(
        model.detector, reference, tmp_path, MACHINE, "1 thread", now=lambda: next(times)
    )
    assert kept.batch_sizes == (1, 2)
    assert kept.parity is not None
    assert kept.parity.frames == 1


def test_a_quick_one_is_found_anew(model: Counted, reference: Reference, tmp_path: Path):
    for _ in range(2):
        assert model.admitted(reference, tmp_path, MACHINE, "", took_s=LEAST_S - 1) > 0


def test_without_a_cache_none_is_kept(model: Counted, reference: Reference):
    for _ in range(2):
        assert model.admitted(reference, None, MACHINE, "") > 0


def test_whatever_changes_is_tested_anew(model: Counted, reference: Reference, tmp_path: Path):
    model.admitted(reference, tmp_path, MACHINE, "1 thread")
    other = Known(255 - reference.pictures[0].picture, ())
    for changed in (
        (NO_REFERENCE, tmp_path, MACHINE, "1 thread"),
        (dataclasses.replace(reference, arithmetic="int8"), tmp_path, MACHINE, "1 thread"),
        (reference, tmp_path, MACHINE | {"openvino": "2"}, "1 thread"),
        (reference, tmp_path, MACHINE, "2 threads"),
    ):
        assert model.admitted(*changed) > 0
    with pytest.raises(NotFit):
        model.admitted(dataclasses.replace(reference, pictures=(other,)), tmp_path, MACHINE, "")
    model.detector.backend.max_batch = 1
    assert model.admitted(reference, tmp_path, MACHINE, "1 thread") > 0


def test_a_refusal_is_never_kept(
    small_detector: Callable[..., Detector], reference: Reference, tmp_path: Path
):
    blind = Counted(small_detector("blind", max_batch=2))
    for _ in range(2):
        with pytest.raises(NotFit):
            blind.admitted(reference, tmp_path, MACHINE, "")
    assert not list(tmp_path.rglob("*.json"))


def test_what_is_kept_and_broken_is_found_anew(
    model: Counted, reference: Reference, tmp_path: Path
):
    model.admitted(reference, tmp_path, MACHINE, "")
    (kept,) = (tmp_path / "admitted").glob("*.json")
    kept.write_text("{")
    assert model.admitted(reference, tmp_path, MACHINE, "") > 0
