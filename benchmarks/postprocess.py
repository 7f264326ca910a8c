"""From a YOLO head's raw output to boxes, in this process: decode, suppression, `Box`.

The head is YOLOv8's at 640 pixels, (batch, 84, 8400) float32, with a dozen objects per picture,
each seen by the places around its centre as trained heads have it. `postprocess.batch`: eight
pictures at a time; `postprocess.single`: one; both at the threshold of a model that serves, against
1 ms. `postprocess.low`: eight at a threshold of 0.05, with five times as many candidates.
`postprocess.plain`: eight, against plain numpy (transpose, argmax, suppression box by box).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.method.pairing import Pair, interleaved
from benchmarks.method.results import Result, result
from benchmarks.method.site import Site
from inference_worker.backends.base import Outputs, Tensor
from inference_worker.decoders.grid import make_grid
from inference_worker.detector import Detector
from inference_worker.formats import YoloV8
from inference_worker.manifest import Input, Manifest, Nms, Weights
from vision.boxes import stretched

CALLS = 60
ROUNDS = 7

_SIDE, _CLASSES, _BATCH, _OBJECTS = 640, 80, 8, 12
_LIMIT_MS = 1.0
_THRESHOLD, _LOW, _IOU = 0.4, 0.05, 0.7
_MANIFEST = Manifest(
    name="yolo-head",
    about="a raw output, made up",
    licence="Apache-2.0",
    origin="the benchmark",
    weights=(Weights(file="none.onnx", sha256="0" * 64),),
    input=Input(width=_SIDE, height=_SIDE, layout="nchw", colour="rgb"),
    output=YoloV8(),
    labels=tuple(f"class {index}" for index in range(_CLASSES)),
    score_threshold=_THRESHOLD,
    nms=Nms(iou_threshold=_IOU),
)


def run(site: Site, rounds: int) -> list[Result]:
    """CPU milliseconds for each picture."""
    detector = Detector(_MANIFEST, _NoEngine())
    raw = _raw_output()
    one = np.ascontiguousarray(raw[:1])
    calls = site.sized(CALLS)
    ways: dict[str, Callable[[], float]] = {
        "batch": lambda: _timed(lambda: _ours(detector, raw, _THRESHOLD), calls, _BATCH),
        "single": lambda: _timed(lambda: _ours(detector, one, _THRESHOLD), calls, 1),
        "low": lambda: _timed(lambda: _ours(detector, raw, _LOW), calls, _BATCH),
        "plain": lambda: _timed(lambda: _plain(raw, _THRESHOLD), calls // 4 or 1, _BATCH),
    }
    found = interleaved(rounds, ways)
    results = [
        result(
            f"postprocess.{name}", [Pair(timed[name], _LIMIT_MS) for timed in found],
            "CPU ms/picture", "1 ms", wanted=None if name == "low" else 1.0,
        )
        for name in ("batch", "single", "low")
    ]  # fmt: skip
    pairs = [Pair(timed["batch"], timed["plain"]) for timed in found]
    return [*results, result("postprocess.plain", pairs, "CPU ms/picture", "plain numpy")]


class _NoEngine:
    """Holds the place of one: its output is made up."""

    name, device, precision = "none", "cpu", "float32"
    input_names = ("images",)
    max_batch, lanes = _BATCH, 1

    def infer(self, inputs: Mapping[str, Tensor]) -> Outputs:
        raise NotImplementedError

    def close(self) -> None:
        pass


def _raw_output() -> np.ndarray:
    """(batch, 84, 8400): noise, and objects that the places around their centres see."""
    chance = np.random.default_rng(7)
    points, strides = make_grid((8, 16, 32), _SIDE, _SIDE, centre=0.5)
    centres = points * strides
    raw = np.empty((_BATCH, 4 + _CLASSES, len(centres)), dtype=np.float32)
    raw[:, :2] = centres.T
    raw[:, 2:4] = strides.T * chance.uniform(1, 8, (_BATCH, 2, len(centres)))
    raw[:, 4:] = chance.uniform(0, 0.003, (_BATCH, _CLASSES, len(centres)))
    for picture in raw:
        for _ in range(_OBJECTS):
            _put(picture, centres, strides[:, 0], chance)
    return raw


def _put(
    picture: np.ndarray, centres: np.ndarray, strides: np.ndarray, chance: np.random.Generator
) -> None:
    """One object: scores fall off with the distance in strides, at the stride of its size."""
    size = chance.uniform(30, 250, 2)
    stride = 8 if size.max() < 64 else 16 if size.max() < 128 else 32
    middle = chance.uniform(60, _SIDE - 60, 2)
    distances = np.linalg.norm((centres - middle) / stride, axis=1)
    seen = np.flatnonzero((strides == stride) & (distances < 2.5))
    label, best = 4 + chance.integers(_CLASSES), chance.uniform(0.5, 0.95)
    picture[:2, seen] = middle[:, None] + chance.normal(0, 1, (2, len(seen)))
    picture[2:4, seen] = size[:, None] * chance.normal(1, 0.03, (2, len(seen)))
    picture[label, seen] = best * np.exp(-((distances[seen] / 1.5) ** 2))


def _ours(detector: Detector, raw: np.ndarray, threshold: float) -> int:
    placements = [stretched(_SIDE, _SIDE)] * len(raw)
    return sum(map(len, detector.boxes_of({"output0": raw}, placements, threshold)))


def _plain(raw: np.ndarray, threshold: float) -> int:
    """As it stands in many a sample: transpose, argmax, one class after the other."""
    count = 0
    for rows in raw.transpose(0, 2, 1):
        scores, classes = rows[:, 4:].max(axis=1), rows[:, 4:].argmax(axis=1)
        stays = scores > threshold
        boxes, scores, classes = rows[stays, :4], scores[stays], classes[stays]
        corners = np.concatenate(
            [boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1
        )
        for label in np.unique(classes):
            of_it = classes == label
            count += len(_suppressed(corners[of_it], scores[of_it]))
    return count


def _suppressed(boxes: np.ndarray, scores: np.ndarray) -> list[int]:
    left, order = [], np.argsort(-scores)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    while len(order):
        first, rest = order[0], order[1:]
        left.append(int(first))
        low = np.maximum(boxes[first, :2], boxes[rest, :2])
        high = np.minimum(boxes[first, 2:], boxes[rest, 2:])
        shared = np.maximum(high - low, 0).prod(axis=1)
        order = rest[shared / (areas[first] + areas[rest] - shared) <= _IOU]
    return left


def _timed(call: Callable[[], int], calls: int, pictures: int) -> float:
    began_s = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - began_s) * 1000 / calls / pictures
