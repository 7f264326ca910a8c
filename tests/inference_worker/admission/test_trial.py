"""No model serves that can't do what it will be asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import accumulate, count, pairwise
from typing import Any

import numpy as np
import pytest

from inference_worker.admission import admit, synthetic_pictures
from inference_worker.admission.trial import agree
from inference_worker.backends.base import Backend, Outputs, Tensor
from inference_worker.backends.choice import installed_engines
from inference_worker.detector import Boxes, Detector
from runtime.errors import UserError
from schemas.messages import Box


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

    def __init__(self, backend: Backend, off: float, sizes: Collection[int] = range(9)) -> None:
        self._backend, self._off, self._sizes = backend, off, sizes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def infer(self, inputs: Mapping[str, Tensor]) -> Outputs:
        batch = len(next(iter(inputs.values())))
        off = np.float32(self._off * batch if batch in self._sizes else 0.0)
        return {name: array + off for name, array in self._backend.infer(inputs).items()}


@pytest.mark.parametrize("sizes", [{2}, {4}, {1, 2, 3, 4}])
def test_last_bits_that_differ_with_the_batch_are_admitted_and_said(
    small_detector: Callable[..., Detector], sizes: set[int]
):
    detector = small_detector()
    detector.backend = Trembling(detector.backend, 1e-4, sizes)
    assert not admit(detector).repeats_bits


def test_boxes_that_differ_with_the_batch_are_refused(small_detector: Callable[..., Detector]):
    detector = small_detector()
    detector.backend = Trembling(detector.backend, 0.1)
    with pytest.raises(UserError, match="gets other boxes than alone"):
        admit(detector)


def somewhere(score: float = 0.9, label: str = "person") -> Box:
    return Box(label=label, score=score, x1=0.2, y1=0.2, x2=0.4, y2=0.4)


def test_a_box_more_in_a_batch_than_alone_is_refused(
    small_detector: Callable[..., Detector], monkeypatch: pytest.MonkeyPatch
):
    detector = small_detector(max_batch=2)
    detector.backend = Trembling(detector.backend, 1e-4, {2})
    own, alone = detector.boxes_of, count(1)

    def boxes_of(*given: Any) -> list[Boxes]:
        found = own(*given)
        return found if next(alone) <= 3 else [(somewhere(), *boxes) for boxes in found]

    monkeypatch.setattr(detector, "boxes_of", boxes_of)  # three pictures alone, then the batch's
    with pytest.raises(UserError, match="gets other boxes than alone"):
        admit(detector)


def test_a_box_near_the_floor_may_be_absent_and_no_other():
    assert agree([somewhere(0.029)], [], floor=0.02)
    assert not agree([somewhere(0.031)], [], floor=0.02)


def test_a_box_of_another_label_is_another_box():
    assert agree([somewhere()], [somewhere()])
    assert not agree([somewhere()], [somewhere(label="car")])


def took(*seconds: float) -> Callable[[], float]:
    """A clock by which one thing after the other takes so long."""
    ends = accumulate(seconds, initial=0.0)
    times = iter([time for begins, ended in pairwise(ends) for time in (begins, ended)])
    return lambda: next(times)


def test_a_machine_that_stalls_is_no_slow_model(small_detector: Callable[..., Detector]):
    detector = small_detector(max_batch=1)
    two = (0.1, 0.1)  # pictures alone, then as batches of one
    verdict = admit(
        detector, previous_images_per_s=lambda: 8.0, now=took(*two, 10.0, 10.0, 10.0, 0.25)
    )
    assert verdict.images_per_s == 4.0
    with pytest.raises(UserError, match=r"it does 0\.1 images/s, less than half of the 8\.0"):
        admit(detector, previous_images_per_s=lambda: 8.0, now=took(*two, 10.0, 10.0, 10.0, 10.0))


def test_a_liar_is_admitted_for_the_batches_that_it_can_do(small_detector: Callable[..., Detector]):
    assert admit(small_detector("liar-at-3", max_batch=2)).batch_sizes == (1, 2)


def test_a_liar_is_admitted_for_single_images(small_detector: Callable[..., Detector]):
    assert admit(small_detector("liar", max_batch=1)).batch_sizes == (1,)


def test_the_pictures_differ_and_are_the_same_in_every_run():
    pictures = synthetic_pictures(6)
    assert len({picture.tobytes() for picture in pictures}) == 6
    assert all(map(np.array_equal, pictures, synthetic_pictures(6)))
