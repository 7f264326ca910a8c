"""TensorRT on an NVIDIA GPU: reads ONNX."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Final

import numpy as np
import pycuda.driver as cuda

from inference_worker.backends.base import (
    EngineBroken,
    EngineOptions,
    Outputs,
    Pictures,
    Tensor,
    batch_size,
)
from inference_worker.backends.tensorrt.device import Device
from inference_worker.backends.tensorrt.engines import Engines
from inference_worker.backends.tensorrt.errors import OutOfMemory
from inference_worker.backends.tensorrt.lane import Frames, Lane
from inference_worker.backends.tensorrt.loaded import Loaded, Stale
from inference_worker.backends.tensorrt.log import Log
from inference_worker.backends.tensorrt.work import Work, joined, parts
from inference_worker.preprocess import Preprocessor, also_told
from runtime.errors import UserError

logger = logging.getLogger(__name__)

# One copies while the other computes. Nobody has measured more on a device yet.
_LANES: Final = 2
_FULL_HD_BYTES: Final = 1920 * 1080 * 3
_MOST_STAGING_BYTES: Final = 128_000_000  # of pinned memory, for each lane
_BESIDE_BYTES: Final = 512  # of a frame in the staging memory: its descriptor, alignment


class _Held:
    """What a backend has on the device."""

    def __init__(self) -> None:
        """Raises UserError if there is none that can be used."""
        self.gpu = Device()
        self.loaded: Loaded | None = None
        self.frames: Frames | None = None
        self.lanes: list[Lane] = []
        self.free: SimpleQueue[Lane] = SimpleQueue()

    def close(self) -> None:
        """Give it back, in the order that it takes. Never raises; twice is fine."""
        if not self.gpu.is_open:
            return
        with suppress(cuda.Error), self.gpu.current():
            for lane in self.lanes:
                lane.close()
            self.lanes.clear()
            self.free = SimpleQueue()
            self.frames = None
            if self.loaded is not None:  # after its contexts, before the device
                self.loaded.close()
                self.loaded = None
        self.gpu.close()


class TensorRtBackend:
    """One model on one GPU."""

    name = "tensorrt"
    device = "cuda"

    def __init__(self, weights: Path, options: EngineOptions) -> None:
        """Raises UserError if TensorRT or the GPU can't be used, or can't use this model."""
        self.precision = options.precision
        self._broken = ""
        self._held = _Held()
        # Also where nobody closes it, and before an interpreter that ends takes TensorRT apart.
        self._give_back = weakref.finalize(self, self._held.close)
        try:
            with self._held.gpu.current():
                self._open(weights, options)
        except OutOfMemory as error:
            self.close()
            raise UserError(
                f"{weights.name}: the GPU has no memory left for a batch of 1: stop what else uses"
                f" it (`nvidia-smi` shows it), or take a smaller model ({error})"
            ) from error
        except BaseException:
            self.close()
            raise

    @property
    def lanes(self) -> int:
        """See `Backend.lanes`."""
        return len(self._held.lanes)

    def infer(self, inputs: Mapping[str, Tensor]) -> Outputs:
        """See `Backend.infer`."""
        batch_size(inputs, self.input_names, self.max_batch)
        return self._infer(Work(inputs))

    def infer_pictures(self, pictures: Pictures, told: Mapping[str, Tensor]) -> Outputs:
        """See `PictureBackend.infer_pictures`."""
        count = len(pictures.images)
        if self._held.frames is None:
            raise ValueError("the engine was not told how frames become its input")
        batch_size(
            {**told, self._held.frames.port: np.empty(count)}, self.input_names, self.max_batch
        )
        return self._infer(Work(told, pictures))

    def close(self) -> None:
        """See `Backend.close`."""
        self._give_back()

    # ------------------------------------------------------------ set-up

    def _open(self, weights: Path, options: EngineOptions) -> None:
        held = self._held
        engines = Engines(weights, options, held.gpu)
        stored = engines.find()
        log = Log()
        try:
            held.loaded = Loaded(stored.engine, stored.about.profiles, log)
        except Stale as why:
            stored = engines.instead_of(stored, str(why))
            held.loaded = Loaded(stored.engine, stored.about.profiles, log)
        self.input_names = tuple(port.name for port in held.loaded.inputs)
        self._spec = options.frames
        held.frames = _frames(held.loaded, options, stored.about.max_batch)
        self.max_batch = stored.about.max_batch
        self._make_lanes(held.loaded)
        for lane in held.lanes:
            held.free.put(lane)

    def _make_lanes(self, loaded: Loaded) -> None:
        """As many as there is memory for; smaller batches rather than none. Raises OutOfMemory."""
        while True:
            try:
                while len(self._held.lanes) < _LANES:
                    self._held.lanes.append(Lane(loaded, self.max_batch, self._held.frames))
                return
            except OutOfMemory as error:
                if self._held.lanes:
                    logger.warning(
                        "the GPU has memory for %d of %d batches at once only (%s)",
                        len(self._held.lanes), _LANES, str(error),
                    )  # fmt: skip
                    return
                if self.max_batch == 1:
                    raise
                self.max_batch //= 2
                logger.warning(
                    "the GPU has too little memory: batches of at most %d (%s)",
                    self.max_batch, str(error),
                )  # fmt: skip

    # ------------------------------------------------------------ a batch

    def _infer(self, work: Work) -> Outputs:
        if self._broken:
            raise EngineBroken(self._broken)
        lane = self._held.free.get()
        try:
            with self._held.gpu.current():
                return self._in_parts(lane, work)
        except EngineBroken as error:
            self._broken = str(error)
            raise
        except cuda.Error as error:  # it can't even be made current
            self._broken = f"the GPU failed: {error}"
            raise EngineBroken(self._broken) from error
        finally:
            self._held.free.put(lane)

    def _in_parts(self, lane: Lane, work: Work) -> Outputs:
        """Frames that don't fit into the staging memory together go one part after the other."""
        frames = self._held.frames
        if work.pictures is None or frames is None:
            return self._halved(lane, work)
        sizes = [frames.letterbox.staging_bytes(one) for one in work.pictures_one_by_one()]
        found = [
            self._halved(lane, work.part(start, stop) if fits else self._on_cpu(work, start))
            for start, stop, fits in parts(sizes, frames.staging_bytes)
        ]
        return joined(found)

    def _halved(self, lane: Lane, work: Work) -> Outputs:
        """With too little memory on the device: in halves, down to single images."""
        try:
            if work.pictures is None:
                return lane.infer(work.inputs, work.count)
            return lane.infer_pictures(work.pictures, work.inputs)
        except OutOfMemory as error:
            if work.count == 1:
                raise EngineBroken(f"the GPU has no memory left for an image: {error}") from error
            logger.warning("the GPU has no memory left for a batch of %d: halved", work.count)
            middle = work.count // 2
        halves = work.part(0, middle), work.part(middle, work.count)
        return joined([self._halved(lane, half) for half in halves])

    def _on_cpu(self, work: Work, at: int) -> Work:
        """One frame that is larger than all of the staging memory, made ready here."""
        one = work.part(at, at + 1)
        if one.pictures is None or self._spec is None or self._held.frames is None:
            raise ValueError("there are no frames")
        tensor, _ = Preprocessor(self._spec)(one.pictures.images)
        return Work({**one.inputs, self._held.frames.port: tensor})


def _frames(loaded: Loaded, options: EngineOptions, max_batch: int) -> Frames | None:
    """How frames become the input; None: the engine is given tensors. Raises UserError."""
    spec = options.frames
    if spec is None:
        return None
    told = also_told(spec, 1)
    ports = [port for port in loaded.inputs if port.name not in told]
    named = [port for port in ports if port.name == (spec.name or port.name)]
    if len(named) != 1:
        return None  # the detector says what is wrong with the manifest
    if named[0].dtype != np.dtype(spec.dtype):
        raise UserError(
            f"the input {named[0].name!r} is {named[0].dtype}, the manifest says"
            f" `dtype: {spec.dtype}`"
        )
    # Imported here: only who makes the input of frames needs the kernel, and NVRTC.
    from inference_worker.backends.tensorrt.letterbox import Letterbox

    wanted = max_batch * (_FULL_HD_BYTES + _BESIDE_BYTES)
    staging = min(wanted, _MOST_STAGING_BYTES)
    return Frames(Letterbox(spec, options.cache), named[0].name, staging)
