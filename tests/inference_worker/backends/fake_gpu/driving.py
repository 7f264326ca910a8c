"""Short ways to drive the fake pair, for tests of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from tests.inference_worker import onnx_models
from tests.inference_worker.backends.fake_gpu.install import MODULES
from tests.inference_worker.backends.fake_gpu.machine import gpu

cuda: Any = MODULES["pycuda.driver"]
trt: Any = MODULES["tensorrt"]
STRONGLY_TYPED = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
Shapes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
EIGHT: Shapes = ((1, 3, 2, 2), (4, 3, 2, 2), (8, 3, 2, 2))
AFFINE = onnx_models.affine()


class Log(trt.ILogger):
    """Keeps what it is told."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self.told: list[str] = []

    def log(self, severity: Any, msg: str) -> None:
        self.told.append(f"{severity.name}: {msg}")


@contextmanager
def context() -> Iterator[Any]:
    """The device's primary context, current in this thread."""
    cuda.init()
    made = cuda.Device(0).retain_primary_context()
    made.push()
    try:
        yield made
    finally:
        with suppress(cuda.Error):  # of a device that is broken
            cuda.Context.pop()
        made.detach()


def pinned(*shape: int, dtype: Any = np.float32, value: float | None = None) -> np.ndarray:
    array = cuda.pagelocked_empty(shape, dtype)
    if value is not None:
        array[:] = value
    return array


def build(
    model: bytes,
    profiles: list[dict[str, Shapes]],
    log: Log,
    *,
    flags: int = STRONGLY_TYPED,
    tf32: bool = False,
    monitor: Any = None,
) -> bytes | None:
    builder = trt.Builder(log)
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, log)
    if not parser.parse(model):
        return None
    config = builder.create_builder_config()
    if not tf32:
        config.clear_flag(trt.BuilderFlag.TF32)
    config.progress_monitor = monitor
    for shapes in profiles:
        profile = builder.create_optimization_profile()
        for name, three in shapes.items():
            profile.set_shape(name, *three)
        config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    return None if plan is None else bytes(plan)


def plan_of(model: bytes = AFFINE, shapes: Shapes = EIGHT, **how: Any) -> bytes:
    log = Log()
    plan = build(model, [{"x": shapes}], log, **how)
    assert plan is not None, log.told
    return plan


def loaded(plan: bytes, log: Log) -> Any:
    return trt.Runtime(log).deserialize_cuda_engine(plan)


class Running:
    """An engine with its context, a stream, and device memory for every tensor."""

    def __init__(self, plan: bytes, batch: int, *, size: int = 4096) -> None:
        self.log = Log()
        engine = trt.Runtime(self.log).deserialize_cuda_engine(plan)
        assert engine is not None, self.log.told
        self.context = engine.create_execution_context()
        self.stream = cuda.Stream()
        self.buffers = {}
        self.context.set_optimization_profile_async(0, self.stream.handle)
        for at in range(engine.num_io_tensors):
            name = engine.get_tensor_name(at)
            if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT:
                shape = (batch, *list(engine.get_tensor_shape(name))[1:])
                assert self.context.set_input_shape(name, shape)
            self.buffers[name] = cuda.mem_alloc(size)
            assert self.context.set_tensor_address(name, int(self.buffers[name]))

    def execute(self, stream: Any = None) -> bool:
        return self.context.execute_async_v3((stream or self.stream).handle)

    def close(self) -> None:
        self.stream.synchronize()
        for buffer in self.buffers.values():
            buffer.free()


def misused() -> list[str]:
    """What was found wrong; from now on that is forgotten."""
    found = list(gpu().misuse)
    gpu().misuse.clear()
    return found
