"""Puts the fake pair where `import tensorrt` and `import pycuda.driver` find it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from tests.inference_worker.backends.api_names import ROOT, typed_names
from tests.inference_worker.backends.fake_gpu import (
    errors,
    fake_pycuda_device,
    fake_pycuda_functions,
    fake_pycuda_memory,
    fake_pycuda_modules,
    fake_pycuda_streams,
    fake_trt_build,
    fake_trt_config,
    fake_trt_context,
    fake_trt_engine,
    fake_trt_graph,
    fake_trt_network,
    fake_trt_types,
)
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu, set_gpu

_PYCUDA = (
    errors,
    fake_pycuda_device,
    fake_pycuda_memory,
    fake_pycuda_streams,
    fake_pycuda_functions,
    fake_pycuda_modules,
)
_TENSORRT = (
    fake_trt_types,
    fake_trt_graph,
    fake_trt_network,
    fake_trt_config,
    fake_trt_build,
    fake_trt_context,
    fake_trt_engine,
)


def _module(name: str, stub: str, sources: Sequence[ModuleType]) -> ModuleType:
    """Has what the .pyi says that all versions have."""
    module = ModuleType(name, "A fake: see tests/inference_worker/backends/fake_gpu.")
    module.__spec__ = ModuleSpec(name, None)  # find_spec looks at it
    for wanted in typed_names(ROOT / "typings" / stub, tensorrt_11=True)["module"]:
        source = next(source for source in sources if hasattr(source, wanted))
        setattr(module, wanted, getattr(source, wanted))
    return module


def _modules() -> dict[str, ModuleType]:
    driver = _module("pycuda.driver", "pycuda/driver.pyi", _PYCUDA)
    pycuda = ModuleType("pycuda", driver.__doc__)
    pycuda.__spec__ = ModuleSpec("pycuda", None, is_package=True)
    vars(pycuda).update(VERSION=(2026, 1), VERSION_TEXT="2026.1", driver=driver, __path__=[])
    tensorrt = _module("tensorrt", "tensorrt/__init__.pyi", _TENSORRT)
    return {"tensorrt": tensorrt, "pycuda": pycuda, "pycuda.driver": driver}


# One for the whole process: a backend that was imported keeps what it has imported.
MODULES = _modules()


@contextmanager
def installed(machine: FakeGpu) -> Iterator[FakeGpu]:
    """The pair is there, and this is the machine that it runs on."""
    with pytest.MonkeyPatch.context() as patch:
        for name, module in MODULES.items():
            patch.setitem(sys.modules, name, module)
        become(machine)
        try:
            yield machine
        finally:
            set_gpu(None)


def become(machine: FakeGpu) -> FakeGpu:
    """From now on it is another machine: another GPU, another version of TensorRT."""
    vars(MODULES["tensorrt"])["__version__"] = machine.tensorrt
    set_gpu(machine)
    return machine
