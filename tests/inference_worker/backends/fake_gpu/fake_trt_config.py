"""Fake of what TensorRT's builder is told, and of its timing cache."""

from __future__ import annotations

import json

from tests.inference_worker.backends.fake_gpu.fake_trt_network import IOptimizationProfile
from tests.inference_worker.backends.fake_gpu.fake_trt_types import (
    BuilderFlag,
    IHostMemory,
    ILogger,
    IProgressMonitor,
    MemoryPoolType,
    Severity,
    checked,
)
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu

_TIMINGS = b"A FAKE TIMING CACHE\n"


class ITimingCache:
    def __init__(self, of: list[object]) -> None:
        self.of = of  # version, GPU

    def serialize(self) -> IHostMemory:
        return IHostMemory(_TIMINGS + json.dumps(self.of).encode())


class IBuilderConfig:
    def __init__(self, machine: FakeGpu, logger: ILogger) -> None:
        self._gpu, self._logger = machine, logger
        self.flags = {BuilderFlag.TF32}
        self.profiles: list[IOptimizationProfile] = []
        self._timings: ITimingCache | None = None
        self._workspace = machine.memory.total
        self._monitor: IProgressMonitor | None = None
        self.builder_optimization_level = 3

    @property
    def progress_monitor(self) -> IProgressMonitor | None:
        return self._monitor

    @progress_monitor.setter
    def progress_monitor(self, monitor: IProgressMonitor | None) -> None:
        if monitor is not None:
            checked(monitor, IProgressMonitor)
        self._monitor = monitor

    def set_flag(self, flag: BuilderFlag) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: BuilderFlag) -> None:
        self.flags.discard(flag)

    def get_flag(self, flag: BuilderFlag) -> bool:
        return flag in self.flags

    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        assert pool == MemoryPoolType.WORKSPACE
        self._workspace = pool_size
        self._gpu.workspace_bytes = pool_size

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache | None:
        data = self._gpu.timings = bytes(serialized_timing_cache)
        if not data:
            return ITimingCache(_timings_of(self._gpu))
        if not data.startswith(_TIMINGS):
            self._logger.log(Severity.ERROR, "the timing cache can't be read")
            return None
        return ITimingCache(json.loads(data.removeprefix(_TIMINGS)))

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        if cache.of != _timings_of(self._gpu) and not ignore_mismatch:
            self._logger.log(Severity.ERROR, "the timing cache is of another version or device")
            return False
        self._timings = cache
        return True

    def get_timing_cache(self) -> ITimingCache | None:
        return self._timings

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        self.profiles.append(profile)
        return len(self.profiles) - 1


def _timings_of(machine: FakeGpu) -> list[object]:
    return [machine.tensorrt, machine.name, list(machine.compute_capability)]
