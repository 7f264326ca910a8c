"""The fake of TensorRT, its names and its builder: each rule of it is broken once."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.inference_worker import onnx_models
from tests.inference_worker.backends.api_names import ROOT, common_names, typed_names
from tests.inference_worker.backends.fake_gpu.driving import (
    AFFINE,
    EIGHT,
    Log,
    Shapes,
    build,
    misused,
    trt,
)
from tests.inference_worker.backends.fake_gpu.errors import Misuse
from tests.inference_worker.backends.fake_gpu.install import MODULES
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu

# ------------------------------------------------------------------ the names


@pytest.mark.parametrize("module", ["tensorrt", "pycuda.driver"])
def test_the_fake_has_what_is_typed_and_nothing_that_a_version_lacks(module: str):
    stub = ROOT / "typings" / {"tensorrt": "tensorrt/__init__"}.get(module, "pycuda/driver")
    typed = typed_names(stub.with_suffix(".pyi"), tensorrt_11=True)
    common = common_names(module.partition(".")[0])
    for name, members in typed.items():
        if name == "module":
            continue
        has = {one for one in dir(getattr(MODULES[module], name)) if not one.startswith("_")}
        own = {"IHostMemory": set(dir(bytes)), "Context": {"thread", "valid"}}
        has -= own.get(name, set()) | set(dir(Exception))
        assert has <= common[name], name
        instance = {"IBuilderConfig": {"builder_optimization_level"}}
        assert members - {"name", "shape", "dtype"} - instance.get(name, set()) <= has, name


# ------------------------------------------------------------------ to build


def test_a_network_that_is_not_strongly_typed_is_refused(machine: FakeGpu, log: Log):
    with pytest.raises(Misuse, match="not strongly typed"):
        build(AFFINE, [{"x": EIGHT}], log, flags=0)
    assert misused()


def parsed(model: bytes, log: Log) -> list[Any]:
    parser = trt.OnnxParser(trt.Builder(log).create_network(2), log)
    assert not parser.parse(model)
    return [parser.get_error(at) for at in range(parser.num_errors)]


def one_node(node: onnx.NodeProto, *constants: onnx.TensorProto) -> bytes:
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in "xy"]
    graph = helper.make_graph([node], "one", ports[:1], ports[1:], constants)
    return helper.make_model(graph).SerializeToString()


def test_an_operator_that_it_lacks_is_told_of_with_its_node(machine: FakeGpu, log: Log):
    model = one_node(helper.make_node("Det", ["x"], ["y"], name="volume"))
    (error,) = parsed(model, log)
    assert (error.node(), error.node_name(), error.node_operator()) == (0, "volume", "Det")
    assert int(error.code()) > 0
    assert log.told == [f"ERROR: {error.desc()}"]
    other = helper.make_node("Own", ["x"], ["y"], domain="com.example")
    assert parsed(one_node(other), log)[0].node_operator() == "Own"


@pytest.mark.parametrize(
    ("operator", "zero", "said"),
    [
        ("QuantizeLinear", np.array(3, np.int8), "not all zeros"),
        ("DequantizeLinear", np.array(3, np.int8), "not all zeros"),
        ("QuantizeLinear", np.array(0, np.uint8), "UINT8"),
    ],
)
def test_quantisation_that_is_not_symmetric_is_refused(
    machine: FakeGpu, log: Log, operator: str, zero: np.ndarray, said: str
):
    node = helper.make_node(operator, ["x", "scale", "zero"], ["y"])
    scale = numpy_helper.from_array(np.array(0.1, np.float32), "scale")
    (error,) = parsed(one_node(node, scale, numpy_helper.from_array(zero, "zero")), log)
    assert said in error.desc()
    assert error.node_operator() == operator


def test_a_bias_of_int32_is_refused(machine: FakeGpu, log: Log):
    node = helper.make_node("DequantizeLinear", ["bias", "scale"], ["y"])
    scale = numpy_helper.from_array(np.array(0.1, np.float32), "scale")
    bias = numpy_helper.from_array(np.zeros(4, np.int32), "bias")
    assert "INT32" in parsed(one_node(node, scale, bias), log)[0].desc()


@pytest.mark.parametrize("model", [b"", b"no model at all"])
def test_what_is_no_onnx_is_an_error_of_no_node(machine: FakeGpu, log: Log, model: bytes):
    (error,) = parsed(model, log)
    assert error.node() == -1


@pytest.mark.parametrize(
    "shapes",
    [
        [],
        [{"y": EIGHT}],
        [{"x": ((1, 3, 2), (4, 3, 2), (8, 3, 2))}],
        [{"x": ((1, 3, 2, 2), (4, 3, 2, 2), (8, 3, 9, 2))}],
    ],
)
def test_a_profile_that_does_not_fit_the_network_fails_the_build(
    machine: FakeGpu, log: Log, shapes: list[dict[str, Shapes]]
):
    assert build(AFFINE, shapes, log) is None
    assert "profile" in log.told[-2]


@pytest.mark.parametrize("three", [(2, 1, 4), (0, 1, 4), (1, 5, 4)])
def test_a_profile_s_shapes_are_in_order(machine: FakeGpu, log: Log, three: tuple[int, ...]):
    profile = trt.Builder(log).create_optimization_profile()
    with pytest.raises(RuntimeError, match="inconsistent"):
        profile.set_shape("x", *((size, 4) for size in three))
    assert profile.get_shape("x") == []


def test_a_build_may_lack_memory_or_fail(machine: FakeGpu, log: Log):
    machine.build_bytes = machine.memory.total + 1
    assert build(AFFINE, [{"x": EIGHT}], log) is None
    assert "OutOfMemory" in log.told[-2]
    machine.build_bytes = 1
    machine.fails["build"] = "UNKNOWN"
    assert build(AFFINE, [{"x": EIGHT}], log) is None
    assert build(AFFINE, [{"x": EIGHT}], log) is not None
    assert machine.builds == 1


def test_shapes_that_the_graph_cannot_do_are_found_out_at_build_where_that_is_asked_for(
    machine: FakeGpu, log: Log
):
    liar = onnx_models.affine(reshape_to=1)
    assert build(liar, [{"x": EIGHT}], log) is not None
    machine.checks_shapes_at_build = True
    assert build(liar, [{"x": EIGHT}], log) is None
    assert build(AFFINE, [{"x": EIGHT}], log) is not None


class Steps(trt.IProgressMonitor):
    """Cancels at a step."""

    def __init__(self, cancel_at: int) -> None:
        trt.IProgressMonitor.__init__(self)
        self.left = cancel_at
        self.open: list[str] = []
        self.threads: set[str] = set()

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        self.open.append(phase_name)
        self.threads.add(threading.current_thread().name)

    def step_complete(self, phase_name: str, step: int) -> bool:
        self.left -= 1
        return self.left != 0

    def phase_finish(self, phase_name: str) -> None:
        self.open.remove(phase_name)


def test_progress_is_told_by_other_threads_and_may_cancel(machine: FakeGpu, log: Log):
    whole = Steps(0)
    assert build(AFFINE, [{"x": EIGHT}], log, monitor=whole) is not None
    assert whole.open == []
    assert "MainThread" not in whole.threads
    cancelling = Steps(2)
    assert build(AFFINE, [{"x": EIGHT}], log, monitor=cancelling) is None
    assert cancelling.open == []
    assert "cancelled" in log.told[-1]


def test_what_is_subclassed_must_call_the_init_that_it_replaces(machine: FakeGpu, log: Log):
    class Forgetful(trt.ILogger):
        def __init__(self) -> None:
            pass

    with pytest.raises(TypeError, match="must be called when overriding"):
        trt.Builder(Forgetful())
    with pytest.raises(TypeError, match="IProgressMonitor is wanted"):
        trt.Builder(log).create_builder_config().progress_monitor = object()


def test_a_timing_cache_is_for_one_version_and_gpu(machine: FakeGpu, log: Log):
    config = trt.Builder(log).create_builder_config()
    kept = bytes(config.create_timing_cache(b"").serialize())
    assert config.create_timing_cache(b"damaged") is None
    assert config.set_timing_cache(config.create_timing_cache(kept), False)
    assert bytes(config.get_timing_cache().serialize()) == kept
    machine.tensorrt = "10.15.1"
    assert not config.set_timing_cache(config.create_timing_cache(kept), False)
    assert config.set_timing_cache(config.create_timing_cache(kept), True)
