"""One picture on which the detector fails must not take its batch along."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import numpy as np
import pytest

from inference_worker.backends.base import EngineBroken, Outputs, Tensor
from inference_worker.detector import Detector
from inference_worker.loop.engine import Engine, Frame
from inference_worker.loop.ordering import Ticket
from inference_worker.loop.poison import Uninferable, one_by_one
from runtime.errors import FatalError
from runtime.metrics import Metrics
from schemas.errors import InvalidMessage
from schemas.messages import Kept, from_us
from vision.jpeg import Undecodable, encode_bgr

MakeDetector = Callable[..., Detector]
POISON_LEVEL = 200  # a picture this bright makes the engine fail


class Allergic:
    """A backend that fails, or answers with NaN, on batches with a bright picture."""

    def __init__(self, detector: Detector, how: str) -> None:
        self._healthy, self._how, self.calls = detector.backend, how, 0
        for name in ("name", "device", "precision", "max_batch", "input_names", "lanes", "close"):
            setattr(self, name, getattr(self._healthy, name))

    def infer(self, inputs: Mapping[str, Tensor]) -> Outputs:
        outputs = self._healthy.infer(inputs)
        bright = inputs["images"].mean(axis=(1, 2, 3)) > POISON_LEVEL / 255
        if self._how == "broken" or (self._how == "fails" and bright.any()):
            raise FatalError("the engine gave up")
        if self._how == "lost":
            self.calls += 1
            raise EngineBroken("the device fell off the bus")
        if self._how == "nan":
            outputs["scores"][bright] = np.nan
        return outputs


def picture(level: int) -> np.ndarray:
    return np.full((32, 40, 3), level, dtype=np.uint8)


def frame(number: int, jpeg: bytes) -> Frame:
    at = from_us(1_800_000_000_000_000 + number)
    record = Kept(camera="a", captured_at=at, run="r", seq=number, jpeg=jpeg, because="changed")
    return Frame(Ticket("a", 0, number, 1), None, record, 0)  # type: ignore[arg-type] # no Kafka


def through(detector: Detector, jpegs: list[bytes]) -> list[object]:
    engine = Engine(detector, Metrics())
    try:
        engine.start(tuple(frame(number, jpeg) for number, jpeg in enumerate(jpegs)))
        [batch] = engine.finished(None)
        assert [one.frame.ticket.offset for one in batch.answered] == list(range(len(jpegs)))
        return [one.answer for one in batch.answered]
    finally:
        engine.close()


@pytest.fixture
def allergic(small_detector: MakeDetector) -> Callable[[str], Detector]:
    def make(how: str) -> Detector:
        detector = small_detector()
        detector.backend = Allergic(detector, how)
        return detector

    return make


@pytest.mark.parametrize("how", ["fails", "nan"])
def test_the_rest_of_a_batch_is_inferred_around_a_poisonous_picture(
    allergic: Callable[[str], Detector], small_detector: MakeDetector, how: str
):
    levels = [10, 250, 60]
    jpegs = [encode_bgr(picture(level), 90) for level in levels]
    healthy = small_detector()
    expected = through(healthy, jpegs)

    answers = through(allergic(how), jpegs)

    assert [answers[0], answers[2]] == [expected[0], expected[2]]
    assert isinstance(answers[1], Uninferable)
    assert answers[1].reason == "failed"
    assert "40x32" in answers[1].detail


def test_a_jpeg_that_does_not_decode_costs_its_batch_nothing(small_detector: MakeDetector):
    jpegs = [encode_bgr(picture(level), 90) for level in (10, 60)]
    expected = through(small_detector(), jpegs)

    answers = through(small_detector(), [jpegs[0], jpegs[1][:-40], jpegs[1]])

    assert [answers[0], answers[2]] == expected
    assert isinstance(answers[1], Undecodable)


def test_a_batch_without_one_sound_picture_does_not_trouble_the_engine(
    allergic: Callable[[str], Detector],
):
    answers = through(allergic("broken"), [b"", b"\xff\xd8"])
    assert all(isinstance(answer, Undecodable) for answer in answers)


def test_a_picture_alone_that_fails_is_poison_as_long_as_the_engine_lives(
    allergic: Callable[[str], Detector],
):
    [answer] = one_by_one(allergic("fails"), [picture(250)])
    assert isinstance(answer, InvalidMessage)


def test_an_engine_that_fails_on_every_picture_stops_the_worker(
    allergic: Callable[[str], Detector],
):
    with pytest.raises(FatalError, match="small-ssd fails on every picture: the engine gave up"):
        through(allergic("broken"), [encode_bgr(picture(10), 90)] * 2)


def test_an_engine_that_says_it_is_broken_is_not_tried_with_one_picture_more(
    allergic: Callable[[str], Detector],
):
    detector = allergic("lost")
    with pytest.raises(EngineBroken, match=r"^the device fell off the bus"):
        through(detector, [encode_bgr(picture(10), 90)] * 2)
    assert detector.backend.calls == 1
    with pytest.raises(EngineBroken):
        one_by_one(detector, [picture(10), picture(20)])
    assert detector.backend.calls == 2


def test_outputs_of_which_no_boxes_can_be_made_are_poison_too(
    small_detector: MakeDetector, monkeypatch: pytest.MonkeyPatch
):
    detector = small_detector()
    make = detector.boxes_of

    def fragile(outputs: Outputs, placements: list, floor: float) -> list:
        if len(placements) > 1:
            raise ValueError("an array too short")
        return make(outputs, placements, floor)

    monkeypatch.setattr(detector, "boxes_of", fragile)
    jpegs = [encode_bgr(picture(level), 90) for level in (10, 60)]
    assert through(detector, jpegs) == through(small_detector(), jpegs)


@pytest.mark.parametrize("shape", [(16, 16_000, 3), (16_000, 16, 3)])
def test_a_picture_of_absurd_shape_goes_through(small_detector: MakeDetector, shape: tuple):
    [answer] = through(small_detector(), [encode_bgr(np.zeros(shape, dtype=np.uint8), 90)])
    assert isinstance(answer, tuple)


def test_batches_come_back_in_order_each_from_the_model_it_began_with(
    small_detector: MakeDetector,
):
    first, second = small_detector(), small_detector()
    second.manifest = msgspec.structs.replace(second.manifest, name="the next")
    jpeg = encode_bgr(picture(10), 90)
    engine = Engine(first, Metrics())
    try:
        engine.start((frame(0, jpeg),))
        engine.use(second)
        engine.start((frame(1, jpeg), frame(2, jpeg)))
        assert engine.is_full
        assert engine.running == (1, 2)
        done = []
        while engine.running:
            done += engine.finished(None)
    finally:
        engine.close()
    answered = [one for batch in done for one in batch.answered]
    assert [(one.frame.ticket.offset, one.model) for one in answered] == [
        (0, "small-ssd"),
        (1, "the next"),
        (2, "the next"),
    ]
