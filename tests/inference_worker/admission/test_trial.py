"""No model serves that can't do what it will be asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from inference_worker.admission import admit, synthetic_pictures
from inference_worker.backends.base import Backend, Outputs, Tensor
from inference_worker.backends.choice import installed_engines
from inference_worker.detector import Detector
from runtime.errors import UserError


def test_the_default_detector_is_admitted_and_repeats_its_bits(real_detector: Detector):
    verdict = admit(real_detector)
    assert verdict.batch_sizes == (1, 2, 3, 4, 5, 6, 7, 8)
    assert verdict.repeats_bits
    assert verdict.boxes > 100  # so that there was something to compare


@pytest.mark.parametrize("engine", installed_engines())
@pytest.mark.parametrize("max_batch", [1, 4])
def test_an_honest_model_is_admitted(
    small_detector: Callable[..., Detector], engine: str, max_batch: int
):
    verdict = admit(small_detector(engine=engine, max_batch=max_batch))
    assert verdict.batch_sizes == tuple(range(1, max_batch + 1))
    assert verdict.boxes > 0


@pytest.mark.parametrize("engine", installed_engines())
@pytest.mark.parametrize(
    ("variant", "complaint"),
    [
        ("liar", "a batch of 2 failed"),
        ("liar-at-3", "(a batch of 3 failed|in a batch of 3 a picture gets other boxes)"),
        ("mixes", "in a batch of 2 a picture gets other boxes than alone"),
        ("not-a-number", "not finite"),
        ("dead", "the same answer whatever the picture"),
        ("wrong-shape", r"its manifest asks for \(batch, 14, 4\)"),
    ],
)
def test_a_bad_model_is_refused_with_the_check_that_failed(
    small_detector: Callable[..., Detector], engine: str, variant: str, complaint: str
):
    with pytest.raises(UserError, match=f"small-ssd is not fit to serve on {engine} .*{complaint}"):
        admit(small_detector(variant, engine=engine))


class Trembling:
    """An engine whose last bits, or more, differ with the batch size, as a GPU's may."""

    def __init__(self, backend: Backend, off: float) -> None:
        self._backend, self._off = backend, off

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def infer(self, inputs: Mapping[str, Tensor]) -> Outputs:
        batch = len(next(iter(inputs.values())))
        outputs = self._backend.infer(inputs)
        return {name: array + np.float32(self._off * batch) for name, array in outputs.items()}


def test_last_bits_that_differ_with_the_batch_are_admitted_and_said(
    small_detector: Callable[..., Detector],
):
    detector = small_detector()
    detector.backend = Trembling(detector.backend, 1e-4)
    assert not admit(detector).repeats_bits


def test_boxes_that_differ_with_the_batch_are_refused(small_detector: Callable[..., Detector]):
    detector = small_detector()
    detector.backend = Trembling(detector.backend, 0.1)
    with pytest.raises(UserError, match="gets other boxes than alone"):
        admit(detector)


def test_a_liar_is_admitted_for_the_batches_that_it_can_do(small_detector: Callable[..., Detector]):
    assert admit(small_detector("liar-at-3", max_batch=2)).batch_sizes == (1, 2)


def test_a_liar_is_admitted_for_single_images(small_detector: Callable[..., Detector]):
    assert admit(small_detector("liar", max_batch=1)).batch_sizes == (1,)


def test_the_pictures_differ_and_are_the_same_in_every_run():
    pictures = synthetic_pictures(6)
    assert len({picture.tobytes() for picture in pictures}) == 6
    assert all(map(np.array_equal, pictures, synthetic_pictures(6)))
