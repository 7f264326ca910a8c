"""Images in, boxes out: preprocessing, engine, decoder and suppression as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from inference_worker.backends.base import (
    Backend,
    EngineOptions,
    Image,
    Outputs,
    PictureBackend,
    Pictures,
    Tensor,
)
from inference_worker.decoders import Candidates, decoder_of
from inference_worker.manifest import Manifest
from inference_worker.preprocess import Preprocessor, also_told, placed
from runtime.errors import FatalError
from schemas.messages import Box
from vision.boxes import Placement, area, clip, nms

Boxes = tuple[Box, ...]

# A hundredth of a pixel of a 1080p frame is 5e-6 of its width.
COORDINATE_DECIMALS = 5
SCORE_DECIMALS = 4
_UNKNOWN = EngineOptions(threads=0, max_batch=0)


class Prepared(NamedTuple):
    """A batch as the engine takes it, and where each image lies on its input."""

    inputs: dict[str, Tensor]
    placements: list[Placement]
    pictures: Pictures | None = None  # of which the engine makes the input that `inputs` lacks


class Detector:
    """One model on one engine.

    `run`, and what calls it, is used by as many threads at a time as the engine has lanes;
    `prepare` and `boxes_of` by any.
    """

    def __init__(
        self,
        manifest: Manifest,
        backend: Backend,
        score_threshold: float | None = None,
        batch_ms: Mapping[int, float] | None = None,
        options: EngineOptions = _UNKNOWN,
    ) -> None:
        """`score_threshold`: instead of the manifest's. `batch_ms`: by size, if it was measured.
        `options`: how its engine was opened.

        Raises FatalError if the engine's inputs are not those of the manifest.
        """
        self.manifest = manifest
        self.backend = backend
        # What `run` took for batches of some sizes, in ms, when the engine was chosen.
        self.batch_ms = batch_ms
        self.options = options
        self.images_per_s: float | None = None  # that its admission test saw, once it has passed
        self.score_threshold = score_threshold or manifest.score_threshold
        self._by_pictures: PictureBackend | None = None
        if options.frames is not None and isinstance(backend, PictureBackend):
            self._by_pictures = backend
        self._preprocess = Preprocessor(manifest.input)
        self._decoder = decoder_of(manifest)
        told = [*also_told(manifest.input, 1)]
        others = [name for name in backend.input_names if name not in told]
        self._input = manifest.input.name or (others[0] if others else "")
        named = [self._input, *told]
        if sorted(backend.input_names) != sorted(named):
            raise FatalError(
                f"{manifest.name}: its manifest names the input {' and '.join(map(repr, named))},"
                f" the model has: {', '.join(backend.input_names)}"
            )

    @property
    def name(self) -> str:
        """The model's, as it stands in `Inferred.model`."""
        return self.manifest.name

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """What is on each image: boxes in fractions of the image, the best score first.

        `images`: any number, each (height, width, 3) uint8, BGR. Equal scores are in the order of
        label and coordinates; coordinates and scores are rounded, so that payloads are stable.
        Raises FatalError if the engine fails or gives numbers that are not finite.
        """
        found: list[Boxes] = []
        for start in range(0, len(images), self.backend.max_batch):
            outputs, placements = self.infer(images[start : start + self.backend.max_batch])
            found += self.boxes_of(outputs, placements, self.score_threshold)
        return found

    def infer(self, images: Sequence[Image]) -> tuple[Outputs, list[Placement]]:
        """The engine's raw outputs for one batch, and where each image lay on its input."""
        prepared = self.prepare(images)
        return self.run(prepared), prepared.placements

    def prepare(self, images: Sequence[Image]) -> Prepared:
        """One batch for `run`."""
        spec = self.manifest.input
        told = also_told(spec, len(images))
        if self._by_pictures is not None:
            pictures = [np.ascontiguousarray(image) for image in images]
            placements = [placed(spec, image) for image in images]
            return Prepared(told, placements, Pictures(pictures, placements))
        tensor, placements = self._preprocess(images)
        return Prepared({self._input: tensor, **told}, placements)

    def run(self, prepared: Prepared) -> Outputs:
        """The engine's raw outputs. Raises FatalError as `detect` does."""
        if self._by_pictures is None or prepared.pictures is None:
            outputs = self.backend.infer(prepared.inputs)
        else:
            outputs = self._by_pictures.infer_pictures(prepared.pictures, prepared.inputs)
        for name, array in outputs.items():
            # A NaN passes no threshold: it would look like an empty frame.
            if not np.isfinite(array).all():
                raise FatalError(
                    f"{self.name} on {self.backend.name} ({self.backend.precision}) gave numbers"
                    f" that are not finite in its output {name!r}"
                )
        return outputs

    def close(self) -> None:
        """Give back what its engine holds; see `Backend.close`."""
        self.backend.close()

    def boxes_of(
        self, outputs: Outputs, placements: Sequence[Placement], score_floor: float
    ) -> list[Boxes]:
        """The boxes with a score above `score_floor` that raw outputs stand for."""
        decoded = self._decoder.decode(outputs, score_floor)
        return [
            self._finish(candidates, placement)
            for candidates, placement in zip(decoded, placements, strict=True)
        ]

    def _finish(self, candidates: Candidates, placement: Placement) -> Boxes:
        candidates = self._suppress(_sorted(candidates))
        corners = clip(placement.to_frame(candidates.boxes))
        # Rounded as float64: a rounded float32 would print with all its digits.
        corners = np.round(corners.astype(np.float64), COORDINATE_DECIMALS)
        scores = np.round(candidates.scores.astype(np.float64), SCORE_DECIMALS)
        boxes = [
            Box(label=self.manifest.labels[index], score=score, x1=x1, y1=y1, x2=x2, y2=y2)
            for index, score, (x1, y1, x2, y2), size in zip(
                candidates.classes.tolist(),
                scores.tolist(),
                corners.tolist(),
                area(corners).tolist(),
                strict=True,
            )
            if size > 0  # nothing is left of it within the frame
        ]
        return tuple(sorted(boxes, key=rank))

    def _suppress(self, candidates: Candidates) -> Candidates:
        spec = self.manifest.nms
        if spec is None:
            return candidates
        best = _take(candidates, slice(spec.max_candidates))
        stays = nms(best.boxes, best.scores, best.classes, spec.iou_threshold)
        return _take(best, stays[: spec.max_boxes])


def rank(box: Box) -> tuple[float, str, float, float, float, float]:
    """Sorts boxes: the best score first, then by label and coordinates."""
    return -box.score, box.label, box.x1, box.y1, box.x2, box.y2


def _take(
    candidates: Candidates, which: slice | np.ndarray[tuple[int], np.dtype[np.intp]]
) -> Candidates:
    return Candidates(candidates.boxes[which], candidates.scores[which], candidates.classes[which])


def _sorted(candidates: Candidates) -> Candidates:
    """Best score first, ties by class and coordinates: whatever order the decoder has."""
    keys = (*candidates.boxes.T[::-1], candidates.classes, -candidates.scores)
    return _take(candidates, np.lexsort(keys))
