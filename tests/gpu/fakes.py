"""The GPU suites on the tests' fake pair: a small model, a few pictures, seconds.

python -m tests.gpu.fakes -m MODULE ARGUMENTS…     runs a module as `python -m` would, on the pair
"""

from __future__ import annotations

import os
import runpy
import sys
import types
from dataclasses import replace
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from benchmarks.gpu import host
from benchmarks.gpu.models import KINDS, Kinds
from benchmarks.gpu.site import MODELS, Site, site
from inference_worker.backends import choice
from inference_worker.metering import nvml
from onehertz.cli.models import bench
from tests.inference_worker.backends.fake_gpu import kernels
from tests.inference_worker.backends.fake_gpu.install import MODULES, become
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu, set_gpu
from tests.inference_worker.metering.fake_nvml import FakeNvml
from tests.inference_worker.onnx_models import small_ssd
from tests.inference_worker.own_models import add_model

_MIB = 1 << 20


class FakePair:
    """The pair, for as long as this process lives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder  # for what is made and found
        self.machine = FakeGpu(memory_bytes=4096 * _MIB, pinned_bytes=4096 * _MIB)
        self.nvml = FakeNvml()
        self._patch = pytest.MonkeyPatch()

    def install(self) -> None:
        for name, module in MODULES.items():
            self._patch.setitem(sys.modules, name, module)
        # The kernel as C++ takes a second to compile, in each process; tests of its own run that.
        self._patch.setattr(kernels, "host_kernels", lambda: None)
        for module in (choice, host, bench):
            self._patch.setattr(module, "cuda_problem", lambda: "")
        package = types.ModuleType("pynvml", "A fake: see tests/inference_worker/metering.")
        vars(package).update({name: getattr(self.nvml, name) for name in nvml.USED})
        self._patch.setitem(sys.modules, "pynvml", package)
        become(self.machine)
        from inference_worker.backends.tensorrt import backend  # on the pair that is there now

        # Simulated memory costs real time; and so one frame of the suite is larger than all of it.
        self._patch.setattr(backend, "_FULL_HD_BYTES", 640 * 360 * 3)

    def uninstall(self) -> None:
        set_gpu(None)
        self._patch.undo()

    def site(self, cache: Path) -> Site:
        """A model of the tests' own, float and, in name only, INT8; or those that are named."""
        if MODELS in os.environ:
            return replace(site(cache), max_batch=8)
        models, pictures = self.folder / "models", self.folder / "pictures"
        if not models.exists():
            for name in ("small", "small-int8"):
                add_model(models, name, small_ssd())
            kinds = Kinds(("small",), {"small-int8": "small"})
            (models / KINDS).write_bytes(msgspec.json.encode(kinds))
            _write_pictures(pictures)
        python = (sys.executable, "-m", "tests.gpu.fakes")
        return Site(models, pictures, cache, load_s=0.6, max_batch=4, python=python)


def _write_pictures(folder: Path) -> None:
    """A person and a car somewhere on noise."""
    chance = np.random.default_rng(7)
    for place in ("images", "labels"):
        (folder / place).mkdir(parents=True)
    for number in range(4):
        picture = chance.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / "images" / f"{number}.png"), picture)
        rows = "0 0.3 0.4 0.3 0.5\n2 0.6 0.5 0.5 0.6\n"
        (folder / "labels" / f"{number}.txt").write_text(rows)


if __name__ == "__main__":
    _, _, module, *arguments = sys.argv
    FakePair(Path()).install()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
