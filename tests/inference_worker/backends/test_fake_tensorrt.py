"""The fake of TensorRT, where engines run: each rule of it is broken once."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.inference_worker import onnx_models
from tests.inference_worker.backends.fake_gpu.driving import (
    AFFINE,
    EIGHT,
    Log,
    Running,
    Shapes,
    build,
    cuda,
    loaded,
    misused,
    pinned,
    plan_of,
    trt,
)
from tests.inference_worker.backends.fake_gpu.errors import Misuse
from tests.inference_worker.backends.fake_gpu.install import become
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu


def run(running: Running, x: np.ndarray) -> np.ndarray:
    up, down = pinned(*x.shape), pinned(*x.shape)
    up[:] = x
    cuda.memcpy_htod_async(running.buffers["x"], up, running.stream)
    assert running.execute(), running.log.told
    cuda.memcpy_dtoh_async(down, running.buffers["twice"], running.stream)
    running.stream.synchronize()
    return down.copy()


def test_what_runs_is_what_the_graph_says(machine: FakeGpu):
    running = Running(plan_of(), 2)
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    assert (run(running, x) == 2 * x + 1).all()
    running.close()
    del running
    gc.collect()
    assert machine.leaks() == ["primary context", "1 contexts on the stack of MainThread"]


# ------------------------------------------------------------------ to load


@pytest.mark.parametrize(("driver", "number"), [(None, "100"), (11040, "35")])
def test_without_a_driver_that_fits_there_is_no_builder(
    machine: FakeGpu, log: Log, driver: int | None, number: str
):
    machine.driver = driver
    for kind in (trt.Builder, trt.Runtime):
        with pytest.raises(TypeError, match="factory function returned nullptr"):
            kind(log)
    wanted = f"API Usage Error (CUDA initialization failure with error: {number} In"
    assert [wanted in text for text in log.told] == [True, True]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tensorrt": "10.15.1"}, "expecting library version 10.15.1 got 10.3.0"),
        ({"compute_capability": (8, 6)}, "incompatible device"),
    ],
)
def test_an_engine_of_another_version_or_device_is_refused(
    machine: FakeGpu, log: Log, change: dict[str, Any], said: str
):
    plan = plan_of()
    for name, value in change.items():
        setattr(machine, name, value)
    assert loaded(plan, log) is None
    assert said in log.told[-1]


def test_an_engine_of_a_gpu_with_another_name_runs_and_is_found_out(machine: FakeGpu, log: Log):
    plan = plan_of()
    machine.name = "Another Fake GPU"
    assert loaded(plan, log) is not None
    assert "WARNING" in log.told[-1]
    assert misused()


def test_a_damaged_engine_is_refused(machine: FakeGpu, log: Log):
    plan = bytearray(plan_of())
    plan[len(plan) // 2] ^= 1
    assert loaded(bytes(plan), log) is None
    assert loaded(bytes(plan[:100]), log) is None
    assert loaded(b"", log) is None
    assert len(log.told) == 3


def test_weights_and_contexts_take_memory(machine: FakeGpu, log: Log):
    plan = plan_of()
    engine = loaded(plan, log)
    machine.memory.total = machine.memory.used
    assert engine.create_execution_context() is None
    assert loaded(plan, log) is None
    assert all("out of memory" in told for told in log.told)
    del engine
    assert machine.memory.used == 0


def test_tensorrt_wants_the_context_too(machine: FakeGpu):
    running, raised = Running(plan_of(), 2), []

    def execute() -> None:
        try:
            running.execute()
        except Misuse as error:
            raised.append(str(error))

    thread = threading.Thread(target=execute)
    thread.start()
    thread.join()
    assert raised == misused()
    assert len(raised) == 1
    running.close()


# ------------------------------------------------------------------ to run


@pytest.fixture
def running(machine: FakeGpu) -> Iterator[Running]:
    made = Running(plan_of(), 2)
    yield made
    if not machine.broken:
        made.close()


def test_a_context_wants_shapes_and_addresses(machine: FakeGpu, log: Log):
    fresh = loaded(plan_of(), log).create_execution_context()
    stream = cuda.Stream()
    with pytest.raises(RuntimeError, match="set optimization profile"):
        fresh.set_optimization_profile_async(1, stream.handle)
    assert fresh.set_optimization_profile_async(0, stream.handle)
    assert fresh.infer_shapes() == ["x"]
    assert not fresh.execute_async_v3(stream.handle)
    assert "shape of the inputs ['x'] has not been set" in log.told[-1]
    assert fresh.set_input_shape("x", (2, 3, 2, 2))
    assert not fresh.execute_async_v3(stream.handle)
    assert "address of ['x', 'twice', 'flat'] has not been set" in log.told[-1]
    stream.synchronize()


def test_a_new_context_has_the_first_profile_and_another_one_forgets_its_shapes(
    machine: FakeGpu, log: Log
):
    small: Shapes = ((1, 3, 2, 2), (1, 3, 2, 2), (2, 3, 2, 2))
    plan = build(AFFINE, [{"x": small}, {"x": EIGHT}], log)
    fresh, stream = loaded(plan, log).create_execution_context(), cuda.Stream()
    assert fresh.active_optimization_profile == 0
    assert fresh.set_input_shape("x", (2, 3, 2, 2))
    assert not fresh.set_input_shape("x", (8, 3, 2, 2))
    fresh.set_optimization_profile_async(1, stream.handle)
    assert tuple(fresh.get_tensor_shape("x")) == (-1, 3, 2, 2)
    assert fresh.set_input_shape("x", (8, 3, 2, 2))
    stream.synchronize()


@pytest.mark.parametrize("shape", [(9, 3, 2, 2), (0, 3, 2, 2), (2, 3, 2), (2, 3, 2, 3)])
def test_a_shape_outside_of_the_profile_is_refused(running: Running, shape: tuple[int, ...]):
    assert not running.context.set_input_shape("x", shape)
    assert "outside of the profile" in running.log.told[-1]
    assert tuple(running.context.get_tensor_shape("x")) == (2, 3, 2, 2)
    assert tuple(running.context.get_tensor_shape("flat")) == (2, 12)


def test_a_shape_that_the_graph_cannot_do_fails(machine: FakeGpu):
    running = Running(plan_of(onnx_models.affine(reshape_to=1)), 2)
    assert not running.execute()
    with pytest.raises(RuntimeError, match="infer_shapes"):
        running.context.infer_shapes()
    with pytest.raises(ValueError, match="__len__"):
        len(running.context.get_tensor_shape("flat"))
    running.close()


def test_names_that_the_engine_lacks(machine: FakeGpu, running: Running):
    assert not running.context.set_input_shape("z", (2, 3, 2, 2))
    assert not running.context.set_tensor_address("z", 0xD00000000)
    with pytest.raises(Misuse, match="no tensor 'z'"):
        running.context.engine.get_tensor_dtype("z")
    with pytest.raises(Misuse, match="only an input"):
        running.context.engine.get_tensor_profile_shape("flat", 0)
    assert len(misused()) == 2


def test_an_address_is_on_the_device_aligned_and_has_room(machine: FakeGpu, running: Running):
    with pytest.raises(Misuse, match="aligned to 256"):
        running.context.set_tensor_address("x", int(running.buffers["x"]) + 128)
    small = cuda.mem_alloc(95)
    for address in (int(small), pinned(1024, dtype=np.uint8).__array_interface__["data"][0]):
        running.context.set_tensor_address("x", address // 256 * 256)
        with pytest.raises(Misuse, match=r"the tensor x of \(2, 3, 2, 2\) float32"):
            running.execute()
    assert len(misused()) == 3
    small.free()


def test_a_buffer_that_was_freed_is_found_out_before_and_after_it_was_enqueued(
    machine: FakeGpu, running: Running
):
    running.execute()
    with pytest.raises(Misuse, match="was freed, and nobody has waited for execute"):
        running.buffers["flat"].free()
    with pytest.raises(Misuse, match="tensor flat"):
        running.execute()
    with pytest.raises(cuda.LogicError, match="illegal memory access"):
        running.stream.synchronize()
    misused()


def test_two_streams_may_not_use_one_context_unless_an_event_orders_them(
    machine: FakeGpu, running: Running
):
    other, event = cuda.Stream(), cuda.Event()
    running.execute()
    with pytest.raises(Misuse, match="uses the context that profile on stream"):
        running.execute(other)
    event.record(running.stream)
    other.wait_for_event(event)
    assert running.execute(other)
    other.synchronize()
    assert misused()


def test_two_contexts_on_two_streams_may_run_side_by_side(machine: FakeGpu):
    runs = [Running(plan_of(), 2) for _ in range(2)]
    assert all(run.execute() for run in runs)
    for one in reversed(runs):
        one.close()


def test_a_result_copied_on_another_stream_without_an_event_is_found_out(
    machine: FakeGpu, running: Running
):
    down, other = pinned(2, 3, 2, 2), cuda.Stream()
    running.execute()
    with pytest.raises(Misuse, match="use the same memory, and nothing orders them"):
        cuda.memcpy_dtoh_async(down, running.buffers["twice"], other)
    assert misused()


def test_a_context_that_is_gone_while_it_runs_is_found_out(machine: FakeGpu, running: Running):
    running.execute()
    running.context = None
    gc.collect()
    assert misused() == ["an execution context is gone, and nobody has waited for its work"]


def test_tf32_is_left_out_only_where_that_was_asked_for(machine: FakeGpu):
    x = np.random.default_rng(1).normal(0, 1, (1, 3, 32, 32)).astype(np.float32)
    shapes: Shapes = ((1, 3, 32, 32),) * 3
    answers = []
    for tf32 in (False, True):
        one = Running(plan_of(onnx_models.convolutions(), shapes, tf32=tf32), 1, size=1 << 14)
        up, down = pinned(*x.shape), pinned(1, 320)
        up[:] = x
        cuda.memcpy_htod_async(one.buffers["x"], up, one.stream)
        one.execute()
        cuda.memcpy_dtoh_async(down, one.buffers["y"], one.stream)
        one.stream.synchronize()
        answers.append(down.copy())
        one.close()
    apart = np.abs(answers[0] - answers[1]).max()
    assert 1e-5 < apart < 1e-2


@pytest.mark.parametrize("where", ["enqueueV3", "execute"])
def test_a_failing_engine_says_so_at_once_or_when_it_is_waited_for(
    machine: FakeGpu, running: Running, where: str
):
    machine.fails[where] = "LAUNCH_FAILED"
    if where == "enqueueV3":
        assert not running.execute()
        assert "LAUNCH_FAILED" in running.log.told[-1]
        assert running.execute()
        return
    assert running.execute()
    with pytest.raises(cuda.LaunchError, match="unspecified launch failure"):
        running.stream.synchronize()
    assert not running.execute()
    with pytest.raises(TypeError, match="nullptr"):
        trt.Builder(running.log)


@pytest.mark.parametrize("version", ["10.3.0", "10.15.1.29", "11.2.1.2"])
def test_it_poses_as_the_versions_that_we_support(fake_gpu: FakeGpu, version: str):
    become(FakeGpu(tensorrt=version, name="Fake Orin", compute_capability=(8, 7)))
    assert trt.__version__ == version
    cuda.init()
    assert cuda.Device(0).name() == "Fake Orin"
    assert cuda.Device(0).compute_capability() == (8, 7)
