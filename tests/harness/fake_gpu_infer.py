"""`python -m tests.harness.fake_gpu_infer infer …` is `onehertz infer …` on a fake GPU; so is
every other command.

The variable FAKE_GPU has a `Plan` as JSON. What the device went through is kept in its `report`.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from onehertz.cli.main import main
from tests.inference_worker.backends.fake_gpu import kernels
from tests.inference_worker.backends.fake_gpu.install import installed
from tests.inference_worker.backends.fake_gpu.machine import MIB, FakeGpu
from tests.inference_worker.backends.fake_gpu.memory import Allocation, Memory
from tests.waiting import eventually

VARIABLE = "FAKE_GPU"
NO_DRIVER = "the NVIDIA driver (libcuda.so.1) is not there"
_PATIENCE_S = 30.0


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the device is, and what goes wrong."""

    report: str  # a path
    has_driver: bool = True
    memory_bytes: int = 256 * MIB
    # Of "execute", "enqueueV3": the how manieth of a serving worker gives which result.
    fails: dict[str, dict[int, str]] = {}
    meets: bool = False  # batches that serve wait until two lanes have one
    builds_once: str = ""  # a file of this name is there


class Report(msgspec.Struct):
    """What the device went through. `leaks`: None where the process did not end by itself."""

    used_bytes: int = 0
    peak_bytes: int = 0
    builds: int = 0
    together: int = 0  # batches that were waited for at once, at most
    is_building: bool = False
    misuse: list[str] = []
    leaks: list[str] | None = None


def read_report(path: Path) -> Report:
    """Of a process, as it is now or was last."""
    return msgspec.json.decode(path.read_bytes(), type=Report) if path.exists() else Report()


class _Machine(FakeGpu):
    """Keeps its report whenever memory is taken or given back."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(memory_bytes=plan.memory_bytes, policy="random", before_wait=self._meet)
        self.plan = plan
        self.memory = _Memory(plan.memory_bytes, self.tell)
        self.fails = _Fails(self)
        self.is_building = False
        self._meeting = threading.Condition()
        self._inside = self.together = 0

    def tell(self, leaks: list[str] | None = None) -> None:
        used, peak = self.memory.used, self.memory.peak
        report = Report(
            used, peak, self.builds, self.together, self.is_building, self.misuse, leaks
        )
        whole = Path(self.plan.report)
        part = whole.with_suffix(f".{threading.get_native_id()}")
        part.write_bytes(msgspec.json.encode(report))
        part.replace(whole)

    def _meet(self) -> None:
        """Counts those that wait; has the first ones wait for another lane's."""
        if not _serves():
            return
        with self._meeting:
            self._inside += 1
            if self._inside > self.together:
                self.together = self._inside
                self.tell()
            self._meeting.notify_all()
            if self.plan.meets:
                self._meeting.wait_for(lambda: self.together > 1, timeout=5.0)
            self._inside -= 1


class _Memory(Memory):
    def __init__(self, total: int, tell: Any) -> None:
        super().__init__(total)
        self._tell = tell

    def allocate(self, size: int, owner: str) -> Allocation:
        made = super().allocate(size, owner)
        self._tell()
        return made

    def free(self, allocation: Allocation) -> None:
        super().free(allocation)
        self._tell()


class _Fails(dict[str, str]):
    """What is asked for when a routine is called: counts the calls."""

    def __init__(self, machine: _Machine) -> None:
        super().__init__()
        self._machine = machine
        self._calls: Counter[str] = Counter()

    def pop(self, routine: str, default: Any = None) -> Any:
        if routine == "build":
            self._build()
        if not _serves():
            return default
        self._calls[routine] += 1
        return self._machine.plan.fails.get(routine, {}).get(self._calls[routine], default)

    def _build(self) -> None:
        if not (path := self._machine.plan.builds_once):
            return
        self._machine.is_building = True
        self._machine.tell()
        eventually(Path(path).exists, _PATIENCE_S)


_for_good = ExitStack()  # until the process has ended


def _serves() -> bool:
    """Whether this is one of the threads of `loop/lanes.py`."""
    return threading.current_thread().name.startswith("engine")


def run(plan: Plan) -> None:
    machine = _Machine(plan)
    problem = "" if plan.has_driver else NO_DRIVER
    _for_good.enter_context(installed(machine))
    patch = pytest.MonkeyPatch()
    patch.setattr("inference_worker.backends.choice.cuda_problem", lambda: problem)
    patch.setattr("inference_worker.choosing.measured.gpu_name", lambda: machine.name)
    # To compile the kernel takes a second of each process: OpenCV's twin of it is as good here.
    patch.setattr(kernels, "host_kernels", lambda: None)
    # The first one made is the last one called: after what the product does as it ends.
    weakref.finalize(_for_good, lambda: machine.tell(machine.leaks()))
    main()


if __name__ == "__main__":
    run(msgspec.json.decode(os.environ[VARIABLE], type=Plan))
