"""Fake of TensorRT's builder."""

from __future__ import annotations

import threading
from typing import Any

from tests.inference_worker.backends.fake_gpu.errors import Error
from tests.inference_worker.backends.fake_gpu.fake_trt_compute import output_shapes
from tests.inference_worker.backends.fake_gpu.fake_trt_config import IBuilderConfig
from tests.inference_worker.backends.fake_gpu.fake_trt_entrance import current, opened
from tests.inference_worker.backends.fake_gpu.fake_trt_graph import ITensor
from tests.inference_worker.backends.fake_gpu.fake_trt_network import (
    INetworkDefinition,
    IOptimizationProfile,
)
from tests.inference_worker.backends.fake_gpu.fake_trt_plan import Plan, Profile
from tests.inference_worker.backends.fake_gpu.fake_trt_types import (
    BuilderFlag,
    IHostMemory,
    ILogger,
    IProgressMonitor,
    NetworkDefinitionCreationFlag,
    Severity,
)
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu
from tests.inference_worker.backends.fake_gpu.memory import OutOfMemoryError


class Builder:
    def __init__(self, logger: ILogger) -> None:
        self._gpu, self._logger = opened(logger)[0], logger

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        if not flags >> int(NetworkDefinitionCreationFlag.STRONGLY_TYPED) & 1:
            self._gpu.note("a network that is not strongly typed: 11 has no other, 10 would lower")
        return INetworkDefinition()

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig(self._gpu, self._logger)

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def build_serialized_network(
        self, network: INetworkDefinition, config: IBuilderConfig
    ) -> IHostMemory | None:
        current(self._gpu, "an engine is built")
        if reason := self._problem(network, config):
            # A thread of the builder's says why, and this one what comes of it.
            _in_a_thread(self._logger.log, Severity.ERROR, reason)
            text = "IBuilder::buildSerializedNetwork: Could not find any implementation for a node"
            self._logger.log(Severity.ERROR, text)
            return None
        if not _told(config.progress_monitor):
            self._logger.log(Severity.ERROR, "the build was cancelled by the progress monitor")
            return None
        self._gpu.builds += 1
        plan = Plan(
            self._gpu.tensorrt,
            self._gpu.name,
            self._gpu.compute_capability,
            BuilderFlag.TF32 in config.flags,
            [profile.shapes for profile in config.profiles],
            network.model,
        )
        return IHostMemory(plan.encode())

    def _problem(self, network: INetworkDefinition, config: IBuilderConfig) -> str:
        try:
            self._gpu.call("build")
            self._gpu.memory.free(self._gpu.memory.allocate(self._gpu.build_bytes, "a build"))
        except Error as error:
            return f"Cuda error: {error}"
        except OutOfMemoryError as error:
            return f"[virtualMemoryBuffer.cpp::resizePhysical] Error Code 2: OutOfMemory ({error})"
        if not network.model:
            return "Network must have at least one output"
        dynamic = [one for one in network.inputs if -1 in list(one.shape)]
        if dynamic and not config.profiles:
            return "Network has dynamic or shape inputs, but no optimization profile was defined"
        for profile in config.profiles:
            for one in dynamic:
                if reason := _unfit(one, profile.shapes, network, self._gpu):
                    return reason
        return ""


def _unfit(port: ITensor, shapes: Profile, network: INetworkDefinition, machine: FakeGpu) -> str:
    if port.name not in shapes:
        return f"the optimization profile lacks the input {port.name}"
    for shape in shapes[port.name]:
        pairs = list(zip(port.shape, shape, strict=False))
        if len(port.shape) != len(shape) or any(own not in (-1, size) for own, size in pairs):
            return f"the profile's shape {shape} of {port.name} is not {port.shape}"
    if machine.checks_shapes_at_build:
        for which in range(3):
            whole = [(one.name, tuple(shapes[one.name][which])) for one in network.inputs]
            if output_shapes(network.model, tuple(whole)) is None:
                return f"the network can't be run with {dict(whole)}"
    return ""


def _told(monitor: IProgressMonitor | None) -> bool:
    """Calls the monitor from threads of the build. False if it cancelled."""
    if monitor is None:
        return True
    answers: list[Any] = []

    def one_phase(name: str, parent: str | None, steps: int) -> None:
        monitor.phase_start(name, parent, steps)
        for step in range(steps):
            if parent is None:
                _in_a_thread(one_phase, f"{name} {step}", name, 2)
            answers.append(monitor.step_complete(name, step))
            if not answers[-1]:
                break
        monitor.phase_finish(name)

    _in_a_thread(one_phase, "Building Engine", None, 3)
    return all(answer is True for answer in answers)


def _in_a_thread(function: Any, *args: Any) -> None:
    thread = threading.Thread(target=function, args=args)
    thread.start()
    thread.join()
