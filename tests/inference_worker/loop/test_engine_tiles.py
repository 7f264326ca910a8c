"""Frames in tiles on their way through the engine, beside others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from prometheus_client import generate_latest

from inference_worker.detector import Detector
from inference_worker.loop.engine import Engine, Frame
from inference_worker.loop.ordering import CameraOrder, Ticket
from inference_worker.tile_grid import Grid
from inference_worker.tiles import detect_tiled
from runtime.metrics import Metrics
from schemas.errors import InvalidMessage
from schemas.messages import Kept
from vision.jpeg import decode_bgr, encode_bgr, inspect


def frame(camera: str, second: int, jpeg: bytes) -> Frame:
    at = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(seconds=second)
    record = Kept(
        camera=camera, captured_at=at, run="r", seq=second, width=768, height=576, jpeg=jpeg,
        because="changed", score=1.0,
    )  # fmt: skip
    ticket: Ticket = CameraOrder[int]().admit(0, second, camera, len(jpeg))
    return Frame(ticket, None, record, 0)  # type: ignore[arg-type] # the engine does not read it


@pytest.fixture
def jpegs(campus: list[np.ndarray]) -> list[bytes]:
    return [encode_bgr(image, 90) for image in campus[:3]]


def inferences(metrics: Metrics) -> float:
    lines = generate_latest(metrics.registry).decode().splitlines()
    [line] = [line for line in lines if line.startswith("onehertz_inferences_total{")]
    return float(line.rsplit(" ", 1)[1])


def test_each_camera_is_looked_at_by_its_own_grid_in_batches_that_the_engine_takes(
    real_detector: Detector, jpegs: list[bytes]
) -> None:
    metrics = Metrics()
    engine = Engine(real_detector, metrics, {"far": Grid(2, 3), "gate": Grid(1, 2)})
    try:
        cameras = ("near", "far", "gate", "near")
        frames = [frame(name, n, jpegs[n % 3]) for n, name in enumerate(cameras)]
        frames[3] = frame("near", 3, b"no picture")
        engine.start(tuple(frames))
        [finished] = engine.finished(None)
    finally:
        engine.close()
    images = [decode_bgr(jpeg, inspect(jpeg)) for jpeg in jpegs]
    grids = (Grid(1, 1), Grid(2, 3), Grid(1, 2))
    expected = [
        detect_tiled(real_detector, [image], grid)[0]
        for image, grid in zip(images, grids, strict=True)
    ]
    answers = [one.answer for one in finished.answered]
    assert answers[:3] == expected
    assert isinstance(answers[3], InvalidMessage)
    assert inferences(metrics) == 1 + 7 + 3


def test_a_batch_on_which_the_engine_fails_is_tried_again_in_tiles_too(
    small_detector: Callable[..., Detector], jpegs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = small_detector()
    whole_run, calls = detector.run, []

    def fails_once(prepared):
        calls.append(len(prepared.placements))
        if len(calls) == 1:
            raise RuntimeError("out of luck")
        return whole_run(prepared)

    [expected] = detect_tiled(detector, [decode_bgr(jpegs[0], inspect(jpegs[0]))], Grid(2, 2))
    monkeypatch.setattr(detector, "run", fails_once)
    engine = Engine(detector, Metrics(), {"far": Grid(2, 2)})
    try:
        engine.start((frame("far", 0, jpegs[0]),))
        [finished] = engine.finished(None)
    finally:
        engine.close()
    assert finished.answered[0].answer == expected
    assert calls == [4, 4, 1]
