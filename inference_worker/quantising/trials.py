"""Quantised forms of one model, held against its float form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import onnx

from inference_worker.admission.parity import Parity, compare, tolerance_for
from inference_worker.admission.reference import boxes_on
from inference_worker.backends.base import EngineOptions, Image, Tensor
from inference_worker.backends.choice import Engine, Place, open_backend
from inference_worker.detector import Boxes, Detector
from inference_worker.manifest import Manifest
from inference_worker.preprocess import Preprocessor, also_told
from inference_worker.quantising.calibration import Range
from inference_worker.quantising.graph import quantised
from inference_worker.quantising.recipes import Recipe
from inference_worker.quantising.search import Trial
from runtime.errors import FatalError, UserError

_FAILED = 1e9  # a loss that nothing else has


def opened(weights: Path, manifest: Manifest, engine: Engine, options: EngineOptions) -> Detector:
    """Raises UserError if the engine can't use the file."""
    return Detector(manifest, open_backend(Place(engine, "cpu"), weights, options))


def parity_with(detector: Detector, pictures: Sequence[Image], expected: Sequence[Boxes]) -> Parity:
    """Of a quantised detector with what its float form sees."""
    found = boxes_on(detector, pictures)
    return compare(found, expected, detector.score_threshold, tolerance_for("int8"))


def feeds(
    manifest: Manifest, names: Sequence[str], pictures: Sequence[Image]
) -> Iterator[Mapping[str, Tensor]]:
    """What the graph is given for each picture. `names`: of its inputs."""
    preprocess, told = Preprocessor(manifest.input), also_told(manifest.input, 1)
    own = manifest.input.name or next(name for name in names if name not in told)
    for picture in pictures:
        tensor, _ = preprocess([picture])
        yield {own: tensor, **told}


class Trials:
    """Tries quantised forms on one engine, on some pictures."""

    def __init__(
        self,
        model: onnx.ModelProto,
        manifest: Manifest,
        recipe: Recipe,
        engine: Engine,
        pictures: Sequence[Image],
        expected: Sequence[Boxes],
        scratch: Path,
        threads: int,
    ) -> None:
        self._model, self._manifest, self._recipe = model, manifest, recipe
        self._engine: Engine = engine
        self._pictures, self._expected = pictures, expected
        self._scratch = scratch
        self._number = 0
        self._path = scratch / "none"
        self._options = EngineOptions(threads=threads, max_batch=1)

    def __call__(
        self, ranges: Mapping[str, Range], nodes: Sequence[str], *, inputs_only: bool
    ) -> Trial:
        """A form that the engine can't run is as far off as can be."""
        path = self.write(ranges, nodes, inputs_only=inputs_only)
        try:
            detector = opened(path, self._manifest, self._engine, self._options)
            parity = parity_with(detector, self._pictures, self._expected)
        except (UserError, FatalError) as error:
            return Trial(_FAILED, str(error))
        return Trial(sum(parity.apart) / len(parity.apart), parity.complaint)

    def write(
        self, ranges: Mapping[str, Range], nodes: Sequence[str], *, inputs_only: bool
    ) -> Path:
        """The form as a file, in place of the one before.

        Under a new name: an engine may have mapped the earlier file, which must not change then.
        """
        self._path.unlink(missing_ok=True)
        self._number += 1
        path = self._path = self._scratch / f"trial-{self._number}.onnx"
        file = quantised(self._model, ranges, self._recipe, nodes, inputs_only=inputs_only)
        path.write_bytes(file)
        return path
