"""What every inference engine does, behind one small interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from inference_worker.manifest import Input
from runtime.errors import FatalError, UserError
from vision.boxes import Placement

Image = NDArray[np.uint8]
Tensor = NDArray[np.generic]
Outputs = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class EngineOptions:
    """How an engine is to run."""

    threads: int
    max_batch: int
    # "bfloat16", "float16": only if the processor has it; `Backend.precision` says what it became.
    precision: str = "float32"
    # How many images of a batch are inferred side by side, each alone, by `threads` in all;
    # 0: a batch is inferred as one.
    streams: int = 0
    # Folder for what an engine has compiled, so that it starts faster; None: nothing is kept.
    cache: Path | None = None
    # How a frame becomes the input, for an engine that makes it itself; None: it is given tensors.
    frames: Input | None = None


class Pictures(NamedTuple):
    """Frames as they were decoded, for an engine that makes its input of them."""

    images: Sequence[Image]  # each (height, width, 3), BGR, contiguous, of any size
    placements: Sequence[Placement]  # where each of them lies on the input


class EngineBroken(FatalError):
    """The device can't be used any more: no picture is to blame, and none is tried again."""


class Backend(Protocol):
    """One loaded model on one device. Used by `lanes` threads at a time.

    An engine of a CPU repeats its bits: the same input gives the same output, whatever it is
    batched with and on however many threads. `admission/` tests it before a model serves.
    """

    @property
    def name(self) -> str:
        """Of the engine: `openvino`, `onnxruntime`."""
        ...

    @property
    def device(self) -> str:
        """Where it runs: `cpu` …"""
        ...

    @property
    def precision(self) -> str:
        """In which it really computes: `float32`, `bfloat16` …"""
        ...

    @property
    def input_names(self) -> tuple[str, ...]: ...

    @property
    def max_batch(self) -> int:
        """The largest batch that it takes; 1 if the model takes no more at once."""
        ...

    @property
    def lanes(self) -> int:
        """How many batches it takes at once, each from a thread of its own."""
        ...

    def infer(self, inputs: Mapping[str, Tensor]) -> Outputs:
        """Run one batch of 1 to `max_batch` images; each input has the batch first.

        The arrays that come back, by name and with the batch first, belong to the caller. An output
        with several names is there under each of them.
        Raises ValueError for a missing input or a batch of the wrong size, FatalError if the
        engine fails, EngineBroken if it can do nothing more.
        """
        ...

    def close(self) -> None:
        """Give back what it holds. Nothing runs meanwhile, nothing is asked of it afterwards.

        Never raises; a second time does nothing.
        """
        ...


@runtime_checkable
class PictureBackend(Protocol):
    """A backend that can also make its input of frames itself, as `EngineOptions.frames` says."""

    def infer_pictures(self, pictures: Pictures, told: Mapping[str, Tensor]) -> Outputs:
        """As `infer`, for 1 to `max_batch` frames. `told`: the other inputs.

        A value of the input is within one grey level of what `Preprocessor` makes.
        """
        ...


def batch_size(inputs: Mapping[str, Tensor], names: tuple[str, ...], max_batch: int) -> int:
    """Check what `Backend.infer` was given. Raises ValueError."""
    if set(inputs) != set(names):
        raise ValueError(f"inputs {sorted(inputs)} given, the model has {sorted(names)}")
    sizes = {len(tensor) for tensor in inputs.values()}
    if len(sizes) != 1 or not 1 <= (size := sizes.pop()) <= max_batch:
        raise ValueError(f"batches of 1 to {max_batch} are taken, the same for all inputs")
    return size


def by_image(name: str, array: Tensor, batch: int) -> NDArray[np.float32]:
    """One output as float32, see `batch_first`."""
    return np.asarray(batch_first(name, array, batch), dtype=np.float32)


def batch_first(name: str, array: Tensor, batch: int) -> Tensor:
    """One output with the batch first even where the graph squeezes a batch of 1 away.

    Raises FatalError if it doesn't hold one entry per image.
    """
    if batch == 1 and (array.ndim == 0 or len(array) != 1):
        array = array[None]
    if array.ndim == 0 or len(array) != batch:
        raise FatalError(
            f"a batch of {batch} gave the output {name!r} of shape {array.shape}:"
            " the model can't be run in batches"
        )
    return array


def free_batch(path: Path, sizes: Sequence[int | None]) -> bool:
    """Whether the inputs' batch sizes are free (None) and not 1.

    Raises UserError for any other fixed size.
    """
    if fixed := sorted({size for size in sizes if size not in (None, 1)}, key=str):
        raise UserError(
            f"{path}: is made for batches of exactly {fixed[0]}; export it with a batch of 1,"
            " or with a dynamic one"
        )
    return all(size is None for size in sizes)
