"""What TensorRT's backend must do on the fake GPU, in short: a mistake in it must fail this.

The suite of all engines and the backend's own tests say more. Here the worst is tried at once: two
threads that both wait, every schedule, and caches that hold an engine for something else.
"""

from __future__ import annotations

import gc
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from inference_worker.backends.base import EngineOptions, Image, Outputs, Pictures, Tensor
from inference_worker.manifest import Input, Letterbox
from inference_worker.preprocess import Preprocessor, also_told, placed
from runtime.errors import FatalError
from tests.inference_worker import onnx_models
from tests.inference_worker.backends.fake_gpu.fake_trt_compute import session
from tests.inference_worker.backends.fake_gpu.install import become
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu
from tests.inference_worker.backends.fake_gpu.schedule import POLICIES

MAX_BATCH = 8
MEET_S = 5.0
FRAMES = Input(
    width=32,
    height=32,
    layout="nchw",
    colour="rgb",
    std=(255.0, 255.0, 255.0),
    letterbox=Letterbox("centre", 114),
)
AFFINE, CONVOLUTIONS, TYPED = onnx_models.affine(), onnx_models.convolutions(), onnx_models.typed()
DETR = onnx_models.small_detr()
CACHED = {
    "tensorrt": FakeGpu(tensorrt="11.2.1.2"),
    "gpu": FakeGpu(name="Another Fake GPU"),
    "compute_capability": FakeGpu(compute_capability=(8, 6)),
}


def conforms(folder: Path, kernels: Path) -> None:
    """Raises whatever a backend that is wrong raises, or AssertionError.

    `kernels`: a cache with the letterbox kernel in it, which takes .2 s to compile.
    """
    for policy in POLICIES:
        one_after_the_other(folder / policy, FakeGpu(policy=policy, seed=5))
    for policy in POLICIES:
        side_by_side(folder, FakeGpu(policy=policy, seed=5))
    closed_by_another_thread(folder)
    after_a_failure(folder)
    kinds_of_numbers(folder)
    shutil.copytree(kernels, folder / "frames")
    frames(folder / "frames")
    engines_for_something_else(folder)


class Opened:
    """A backend on a machine of its own; once it is closed nothing may be left, or be wrong."""

    def __init__(
        self, folder: Path, model: bytes, machine: FakeGpu | None = None, **options: Any
    ) -> None:
        from inference_worker.backends.tensorrt.backend import TensorRtBackend

        self.machine = become(machine or FakeGpu())
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "model.onnx"
        path.write_bytes(model)
        self.backend = TensorRtBackend(
            path, EngineOptions(**{"threads": 1, "max_batch": MAX_BATCH, **options})
        )

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.backend.close()
        del self.backend
        gc.collect()
        if kind is None:
            assert not (left := self.machine.leaks()), f"left: {left}"
            assert not (misuse := self.machine.misuse), f"misuse: {misuse}"


def right(model: bytes, inputs: Mapping[str, np.ndarray]) -> Outputs:
    running = session(model)
    names = [port.name for port in running.get_outputs()]
    found = zip(names, running.run(names, dict(inputs)), strict=True)
    return {name: array.astype(np.float32) for name, array in found}


def same(found: Outputs, wanted: Outputs, atol: float = 1e-5) -> bool:
    return set(found) == set(wanted) and all(
        found[name].shape == array.shape and np.allclose(found[name], array, atol=atol)
        for name, array in wanted.items()
    )


def some_input(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def one_after_the_other(folder: Path, machine: FakeGpu) -> None:
    with Opened(folder, AFFINE, machine) as one:
        kept = []
        for batch in (3, MAX_BATCH, 1, 2, 7):
            inputs = {"x": some_input(batch, batch, 3, 2, 2)}
            kept.append((one.backend.infer(inputs), right(AFFINE, inputs)))
        for found, wanted in kept:  # they are the caller's
            assert same(found, wanted), "wrong numbers"


def side_by_side(folder: Path, machine: FakeGpu) -> None:
    """Two batches are both enqueued before the host waits for either."""
    with Opened(folder, CONVOLUTIONS, machine) as one:
        given = [{"x": some_input(seed, 8 - seed, 3, 32, 32)} for seed in range(2)]
        found = at_once(one, [lambda x=x: one.backend.infer(x) for x in given])
        wanted = [right(CONVOLUTIONS, x) for x in given]
        assert all(map(same, found, wanted)), "wrong numbers side by side"


def closed_by_another_thread(folder: Path) -> None:
    """As a model is that was loaded beside one that served."""
    with Opened(folder, AFFINE) as one:
        thread = threading.Thread(target=one.backend.close)
        thread.start()
        thread.join()


def at_once(one: Opened, calls: list[Callable[[], Outputs]]) -> list[Outputs]:
    found: dict[int, Outputs] = {}
    raised: list[BaseException] = []

    def run(at: int) -> None:
        try:
            found[at] = calls[at]()
        except BaseException as error:  # raised below
            raised.append(error)

    meet = threading.Barrier(len(calls))
    one.machine.before_wait = lambda: meet.wait(MEET_S)
    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one.machine.before_wait = lambda: None
    if raised:  # who waits for the other one in vain has done nothing wrong
        raise sorted(raised, key=lambda error: isinstance(error, threading.BrokenBarrierError))[0]
    return [found[at] for at in range(len(calls))]


def kinds_of_numbers(folder: Path) -> None:
    with Opened(folder, TYPED) as one:
        inputs = {
            "x": np.array([[0.5, -2.0], [1.5, 4.0]], dtype=np.float16),
            "size": np.array([[3], [1 << 33]]),
        }
        assert same(one.backend.infer(inputs), right(TYPED, inputs)), "wrong numbers of a kind"


def frames(folder: Path) -> None:
    """`folder` is the cache, too. One graph takes only frames, the other one their size too."""
    sizes = [[(40, 60), (32, 32), (100, 31)], [(64, 64), (20, 90)]]
    batches = [[_noise(*size) for size in some] for some in sizes]
    for model, spec in ((CONVOLUTIONS, FRAMES), (DETR, onnx_models.SMALL_DETR.input)):
        with Opened(folder, model, frames=spec, max_batch=3, cache=folder) as one:
            given = [_prepared(spec, them) for them in batches]
            calls = [lambda this=this: one.backend.infer_pictures(*this) for this in given]
            name = next(name for name in one.backend.input_names if name not in given[0][1])
            wanted = [
                right(model, {name: Preprocessor(spec)(them)[0], **told})
                for them, (_, told) in zip(batches, given, strict=True)
            ]
            for one_found, one_wanted in zip(at_once(one, calls), wanted, strict=True):
                assert same(one_found, one_wanted, atol=1e-2), "wrong numbers of frames"
                for output, array in one_wanted.items():  # a grey level apart, here and there
                    assert np.abs(one_found[output] - array).mean() < 1e-3, "wrong frames"


def _prepared(spec: Input, images: list[Image]) -> tuple[Pictures, dict[str, Tensor]]:
    places = [placed(spec, image) for image in images]
    return Pictures(images, places), also_told(spec, len(images))


def after_a_failure(folder: Path) -> None:
    """The copies of a batch that TensorRT then refuses are under way, and the next batch comes."""
    with Opened(folder, AFFINE) as one:
        one.machine.fails["enqueueV3"] = "UNKNOWN"
        given = {"x": some_input(1, 2, 3, 2, 2)}
        try:
            one.backend.infer({"x": some_input(2, 2, 3, 2, 2)})
        except FatalError:
            for _ in range(one.backend.lanes):
                assert same(one.backend.infer(given), right(AFFINE, given)), "wrong afterwards"
        else:
            raise AssertionError("a failure is passed over")


def _noise(height: int, width: int) -> np.ndarray:
    chance = np.random.default_rng(height * width)
    return chance.integers(0, 256, (height, width, 3), dtype=np.uint8)


Way = tuple[bytes, FakeGpu, dict[str, Any]]


def _ways() -> dict[str, Way]:
    """For each part of an engine's key, something that differs in it alone."""
    return {
        "as it is": (CONVOLUTIONS, FakeGpu(), {}),
        "model": (onnx_models.convolutions(seed=9), FakeGpu(), {}),
        "precision": (CONVOLUTIONS, FakeGpu(), {"precision": "float16"}),
        "profiles": (CONVOLUTIONS, FakeGpu(), {"max_batch": 2}),
        **{name: (CONVOLUTIONS, machine, {}) for name, machine in CACHED.items()},
    }


def engines_for_something_else(folder: Path) -> None:
    """One cache for all: each finds its own engine there, and a second time too."""
    ways = _ways()
    x = {"x": some_input(4, 2, 3, 32, 32)}
    for builds in (1, 0):
        for name, (model, machine, options) in ways.items():
            with Opened(folder / name, model, replace(machine), cache=folder, **options) as one:
                assert one.machine.builds == builds, f"{name}: {one.machine.builds} builds"
                batch = one.backend.max_batch
                assert batch == options.get("max_batch", MAX_BATCH), f"{name}: {batch}"
                full = {"x": some_input(5, batch, 3, 32, 32)}
                half = one.backend.precision == "float16"
                for given in (x, full):
                    found, wanted = one.backend.infer(given), right(model, given)
                    assert same(found, wanted, atol=1e-2 if half else 1e-5), (
                        f"{name}: wrong numbers"
                    )
                    assert half != np.allclose(found["y"], wanted["y"], atol=1e-6), (
                        f"{name}: too good"
                    )
