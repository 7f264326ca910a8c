"""From a graph that is ready to a serialised engine, for the GPU at hand. Takes minutes."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final, NamedTuple, TypeVar

import tensorrt as trt

from inference_worker.backends.tensorrt.device import Device, driver_version
from inference_worker.backends.tensorrt.errors import device_error, is_out_of_memory
from inference_worker.backends.tensorrt.graph import Ready
from inference_worker.backends.tensorrt.log import Log
from inference_worker.backends.tensorrt.profiles import Profile
from inference_worker.backends.tensorrt.progress import Monitor, Told
from runtime.errors import UserError

# Of the memory that is free: each context of each lane may take the workspace once more, and two
# lanes have two contexts each.
_WORKSPACE_SHARE: Final = 8
_BEAT_S: Final = 5.0

T = TypeVar("T")


class Built(NamedTuple):
    """What a build leaves."""

    engine: bytes
    timings: bytes  # how fast each kernel was, so that the next build need not try it again


def build(
    what: str,
    graph: Ready,
    profiles: Sequence[Profile],
    device: Device,
    timings: bytes,
    told: Told,
    beat: Callable[[], None],
) -> Built:
    """Build an engine, strongly typed: in the precisions of the graph, without TF32.

    `what`: the model, for messages. `timings`: what an earlier build left, or nothing. `beat`
    is called every few seconds meanwhile, by this thread.
    An exception that comes to this thread (KeyboardInterrupt, a signal's) ends the build first.
    Raises UserError that says what TensorRT can't do, or lacks.
    """
    return cancellable(
        lambda cancelled: _build(what, graph, profiles, device, timings, Monitor(told, cancelled)),
        beat,
    )


def cancellable(
    work: Callable[[threading.Event], T], beat: Callable[[], None], every_s: float = _BEAT_S
) -> T:
    """Do the work in a thread of its own, so that this one can be interrupted.

    An exception that a signal raises must not come up inside TensorRT's calls back to Python.
    """
    cancelled = threading.Event()
    with ThreadPoolExecutor(1, "build") as pool:
        future: Future[T] = pool.submit(work, cancelled)
        try:
            while True:
                try:
                    return future.result(every_s)
                except TimeoutError:
                    if future.done():  # it was the work's own
                        raise
                    beat()
        except BaseException:
            cancelled.set()
            wait([future])
            raise


def opened(factory: Callable[[Log], T], log: Log) -> T:
    """Make one of TensorRT's entrances to the device. Raises UserError if it can't be used."""
    log.clear()
    try:
        made = factory(log)
    except TypeError as error:  # pybind11's, for a null pointer
        raise device_error(log.errors(), driver_version()) from error
    reason = log.errors()
    if "initialization failure" in reason.lower():
        # TensorRT 11.2 gives a Runtime where no device can be used, too. To use that one, or to
        # delete it, were it as Python ends, crashes the process.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(made))
        raise device_error(reason, driver_version())
    return made


def _build(
    what: str,
    graph: Ready,
    profiles: Sequence[Profile],
    device: Device,
    timings: bytes,
    monitor: Monitor,
) -> Built:
    log = Log()
    with device.current():
        builder = opened(trt.Builder, log)
        strongly_typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        network = builder.create_network(strongly_typed)
        _parse(what, graph.model, network, log)
        config = builder.create_builder_config()
        config.clear_flag(trt.BuilderFlag.TF32)
        workspace = device.free_bytes() // _WORKSPACE_SHARE
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace)
        config.progress_monitor = monitor
        _add_profiles(builder, config, graph, profiles)
        _use_timings(config, timings)
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            # Those of the builder's own threads say why; this one's, that there is no engine.
            raise _failed(what, log.errors(of_all_threads=True))
        kept = config.get_timing_cache()
        return Built(bytes(plan), bytes(kept.serialize()) if kept is not None else b"")


def _parse(what: str, model: bytes, network: trt.INetworkDefinition, log: Log) -> None:
    parser = trt.OnnxParser(network, log)
    if parser.parse(model):
        return
    errors = [parser.get_error(at) for at in range(parser.num_errors)]
    if not errors:
        raise UserError(f"{what}: TensorRT can't use this model: {log.errors()}")
    first = errors[0]
    where = f"the node {first.node_name()!r} ({first.node_operator()})" if first.node() >= 0 else ""
    raise UserError(
        f"{what}: TensorRT can't use this model: {where + ': ' if where else ''}{first.desc()}"
        + (
            "; export the model without it (suppression, for instance, is done by onehertz), or use"
            " `backend: onnxruntime`"
            if where
            else ""
        )
    )


def _add_profiles(
    builder: trt.Builder, config: trt.IBuilderConfig, graph: Ready, profiles: Sequence[Profile]
) -> None:
    if not graph.free:
        return  # a graph with fixed shapes has none
    for one in profiles:
        profile = builder.create_optimization_profile()
        for name, shape in graph.shapes.items():
            sizes = one.least, one.best, one.most
            profile.set_shape(name, *((size, *shape) for size in sizes))
        config.add_optimization_profile(profile)


def _use_timings(config: trt.IBuilderConfig, timings: bytes) -> None:
    """Those of another GPU or version are not taken: TensorRT begins without any."""
    for content in (timings, b""):
        cache = config.create_timing_cache(content)
        if cache is not None and config.set_timing_cache(cache, False):
            return


def _failed(what: str, reason: str) -> UserError:
    if is_out_of_memory(reason):
        return UserError(
            f"{what}: the GPU has too little memory free to build an engine: stop what else uses it"
            f" (`nvidia-smi`), or lower infer.max_batch ({reason})"
        )
    return UserError(f"{what}: TensorRT can't build an engine of this model: {reason}")
