"""The fake GPU is worth something: each of these mistakes in the backend is caught by it."""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.inference_worker.backends.fake_gpu import kernels as kernels_of_the_fake
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu, gpu
from tests.inference_worker.backends.tensorrt import conformance
from tests.inference_worker.backends.tensorrt.conformance import (
    CONVOLUTIONS,
    FRAMES,
    Opened,
    conforms,
    frames,
    side_by_side,
)
from tests.inference_worker.backends.tensorrt.mutants import Edit, mutate

pytestmark = pytest.mark.usefixtures("nvrtc")

STREAM = "self._stream = cuda.Stream()"
DOWN = "cuda.memcpy_dtoh_async(array, buffer.address, self._stream)"
UP = "cuda.memcpy_htod_async(buffer.address, pinned, self._stream)"
STAGED = "cuda.memcpy_htod_async(self._staging.address, self._staging.host[:used], self._stream)"
EXECUTE = "context.execute_async_v3(self._stream.handle)"
REFUSED = "reason = self._loaded.log.errors()"
WAIT = "self._done.synchronize()"
RECORD = "self._done.record(self._stream)"
QUIETLY = "with suppress(cuda.Error)"
CONTEXT = "context = self.engine.create_execution_context()"
PINNED = "cuda.pagelocked_empty(size, np.uint8)"
UNORDERED = "use the same memory, and nothing orders them"
ENCODED = 'msgspec.json.encode(self, order="deterministic")'


class Mutant(NamedTuple):
    """A mistake, and what tells of it."""

    edits: tuple[Edit, ...]
    told: str


def lane(right: str, wrong: str, *others: Edit) -> tuple[Edit, ...]:
    return Edit("lane", right, wrong), *others


def without(field: str, empty: str) -> tuple[Edit, ...]:
    """An engine is found whatever this part of its key is."""
    anything = f"msgspec.structs.replace(self, {field}={empty})"
    return (
        Edit("engine_key", ENCODED, ENCODED.replace("self", anything, 1)),
        Edit("engine_key", "if getattr", f'if field != "{field}" and getattr'),
    )  # fmt: skip


ANOTHER = (
    Edit("lane", STREAM, f"{STREAM}; self._another = cuda.Stream()"),
    Edit("lane", '("_stream", "_done")', '("_stream", "_done", "_another")'),
)

MUTANTS = {
    "a buffer is freed while it is copied from": Mutant(
        lane(DOWN, f"{DOWN}; buffer.device.free()"), "was freed, and nobody has waited"
    ),
    "a buffer is freed before the engine runs": Mutant(
        lane(EXECUTE, f"(self._buffers['flat'].device.free() or {EXECUTE})"),
        r"the tensor \w+ of .* was freed",
    ),
    "pinned memory is nobody's while it is copied": Mutant(
        lane(UP, UP.replace("pinned", "_nobodys(pinned)"), Edit(
            "lane", "class Lane:",
            "def _nobodys(array):\n"
            "    copy = cuda.pagelocked_empty(array.shape, array.dtype)\n"
            "    copy[:] = array\n"
            "    return copy\n\n\nclass Lane:",
        )),
        "pinned memory was freed, and nobody has waited",
    ),
    "pageable memory is copied from": Mutant(
        lane(UP, UP.replace("pinned", "pinned.copy()")), "pageable"
    ),
    "nobody waits for the results": Mutant(lane(WAIT, "pass"), "wrong numbers|written to"),
    "the event is recorded before the results are copied": Mutant(
        lane(
            "        down = {port",
            f"        {RECORD}\n        down = {{port",
            Edit("lane", f"{RECORD}\n        {WAIT}", WAIT),
        ),
        "wrong numbers|written to|nobody has waited",
    ),
    "the engine runs on another stream": Mutant(
        lane(EXECUTE, EXECUTE.replace("_stream", "_another"), *ANOTHER),
        f"{UNORDERED}|nothing orders them",
    ),
    "inputs are copied on another stream, without an event": Mutant(
        lane(UP, UP.replace("_stream", "_another"), *ANOTHER), UNORDERED
    ),
    "results are copied on another stream, before they are there": Mutant(
        lane(DOWN, DOWN.replace("_stream", "_another"), *ANOTHER), UNORDERED
    ),
    "frames are copied on another stream than the kernel runs on": Mutant(
        lane(STAGED, STAGED.replace("_stream", "_another"), *ANOTHER),
        UNORDERED,
    ),
    "frames are not copied to the device": Mutant(lane(STAGED, "pass"), "descriptor"),
    "what is told beside frames is not copied": Mutant(
        lane("            self._upload(told, batch)", "            pass"), "wrong numbers of frames"
    ),
    "a batch that was refused leaves its copies under way": Mutant(
        lane(f"{REFUSED}\n            self._stream.synchronize()", REFUSED,
             Edit("lane", "with suppress(cuda.Error):\n                    self._stream.sync",
                  "with suppress(cuda.Error):\n                    pass  # ")),
        "written to before its copy",
    ),
    "a batch that was refused counts as done": Mutant(
        lane(f"if not {EXECUTE}:", f"if {EXECUTE} and False:"), "a failure is passed over"
    ),
    "the event is waited for on the stream, which the host doesn't see": Mutant(
        lane(WAIT, "self._stream.wait_for_event(self._done)"), "wrong numbers|written to"
    ),
    "a context is told of a batch of 1": Mutant(
        lane("            shape = (batch, *port.shape[1:])\n            if not",
             "            shape = (1, *port.shape[1:])\n            if not"),
        "outside of the profile|a batch of 3 gave",
    ),
    "the first profile for every batch": Mutant(
        lane("self._contexts[profile_for(batch, self._loaded.profiles)]", "self._contexts[0]"),
        "outside of the profile",
    ),
    "a profile is never chosen": Mutant(
        (Edit("loaded", "if self.free:", "if False:"),), "outside of the profile"
    ),
    "an address is not set": Mutant(
        lane("for name, buffer in self._buffers.items():",
             "for name, buffer in list(self._buffers.items())[1:]:"),
        "the address of .* has not been set",
    ),
    "addresses of two outputs are swapped": Mutant(
        lane("context.set_tensor_address(name, buffer.address)",
             "context.set_tensor_address({'half': 'whole', 'whole': 'half'}.get(name, name),"
             " buffer.address)"),
        "bytes at|wrong numbers",
    ),
    "memory is taken for a batch of 1": Mutant(
        lane("most = min(loaded.profiles[at].most, max_batch)", "most = loaded.profiles[at].least"),
        "bytes at|cannot reshape|outgrown",
    ),
    "two lanes share a context": Mutant(
        (Edit("loaded", CONTEXT,
              "context = vars(self).setdefault('kept', {}).get(profile)"
              " or self.engine.create_execution_context()\n"
              "        self.kept[profile] = context"),),
        "wrong numbers|uses the context that",
    ),
    "two lanes share pinned memory": Mutant(
        lane(PINNED, f"_SHARED.setdefault(size, {PINNED})",
             Edit("lane", "class Lane:", "_SHARED: dict = {}\n\n\nclass Lane:")),
        f"written to before its copy|{UNORDERED}",
    ),
    "two lanes share memory of the device": Mutant(
        lane("self.device = cuda.mem_alloc(size)",
             "self.device = _SHARED.setdefault(size, cuda.mem_alloc(size))",
             Edit("lane", "class Lane:", "_SHARED: dict = {}\n\n\nclass Lane:")),
        f"{UNORDERED}|invalid argument",
    ),
    "two threads are let into one lane": Mutant(
        (Edit("backend", "lane = self._held.free.get()", "lane = self._held.lanes[0]"),),
        "written to before its copy|nothing orders them|wrong numbers",
    ),
    "the context is not current in the thread": Mutant(
        (Edit("backend", "            with self._held.gpu.current():\n                return",
              "            if True:\n                return"),),
        "invalid device context|without a context",
    ),
    "the context stays on the thread's stack": Mutant(
        (Edit("device", "            cuda.Context.pop()", "            pass"),),
        "contexts on the stack",
    ),
    "half floats are taken for floats": Mutant(
        (Edit("loaded", "np.dtype(np.float16)", "np.dtype(np.float32)"),), "wrong numbers"
    ),
    "whole numbers are taken for short ones": Mutant(
        (Edit("loaded", "np.dtype(np.int64)", "np.dtype(np.int32)"),),
        "wrong numbers|same_kind|bytes at",
    ),
    "an answer lies in memory that the next batch uses": Mutant(
        lane(".astype(np.float32)", ".astype(np.float32, copy=False)"),
        "wrong numbers|pinned memory was freed",
    ),
    "memory of the device is kept when the backend is closed": Mutant(
        lane("self.device.free()", "_KEPT.append(self.device)",
             Edit("lane", "class Lane:", "_KEPT: list = []\n\n\nclass Lane:")),
        "bytes of the device",
    ),
    "pinned memory is kept when the backend is closed": Mutant(
        lane("del self.host", "_KEPT.append(self.host)",
             Edit("lane", "class Lane:", "_KEPT: list = []\n\n\nclass Lane:")),
        "bytes of pinned memory",
    ),
    "the device is not given back": Mutant(
        (Edit("device", f"{QUIETLY}, self.current():\n                self._context.detach()",
              "pass"),),
        "primary context",
    ),
    "the device is given back only by the thread that took it": Mutant(
        (Edit("device", f"{QUIETLY}, self.current():\n                self._context.detach",
              f"{QUIETLY}:\n                self._context.detach"),),
        "primary context",
    ),
    "TF32 is left on": Mutant(
        (Edit("build", "config.clear_flag(trt.BuilderFlag.TF32)", "pass"),), "wrong numbers"
    ),
    "the network is weakly typed": Mutant(
        (Edit("build", "create_network(strongly_typed)", "create_network(0)"),),
        "not strongly typed",
    ),
    "an engine of another model is served": Mutant(without("model", '""'), "model: 0 builds"),
    "an engine of another precision is served": Mutant(
        without("precision", '""'), "precision: 0 builds"
    ),
    "an engine with other profiles is served": Mutant(
        without("profiles", "()"), "profiles: 0 builds"
    ),
    "an engine of another TensorRT is tried": Mutant(
        without("tensorrt", '""'), "as it is: 1 builds"
    ),
    "an engine of another GPU is served": Mutant(without("gpu", '""'), "gpu: 0 builds"),
    "an engine of another compute capability is tried": Mutant(
        without("compute_capability", '""'), "as it is: 1 builds"
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture
def with_kernel(fake_gpu: FakeGpu, kernels: Path, tmp_path: Path) -> Path:
    """A cache that holds the kernel, and nothing else."""
    if not (kernels / "tensorrt").exists():
        with Opened(tmp_path / "first", CONVOLUTIONS, frames=FRAMES, max_batch=1, cache=kernels):
            pass
        for engine in (kernels / "tensorrt").iterdir():
            if engine.suffix != ".kernel":
                engine.unlink()
    return kernels


def test_the_backend_conforms(with_kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Made of its source as the mutants are, without a mistake."""
    modules = ("backend", "build", "device", "engine_key", "lane", "loaded")
    future = "from __future__ import annotations"
    mutate(monkeypatch, *(Edit(module, future, f"{future}\n") for module in modules))
    assert failure(tmp_path / "right", with_kernel) is None


def test_the_backend_conforms_where_there_is_no_compiler_for_the_kernel(
    with_kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(kernels_of_the_fake, "host_kernels", lambda: None)
    shutil.copytree(with_kernel, tmp_path / "cache")
    frames(tmp_path / "cache")


@pytest.mark.parametrize("mistake", MUTANTS)
def test_a_mistake_is_caught(
    mistake: str, with_kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    mutate(monkeypatch, *MUTANTS[mistake].edits)
    said = failure(tmp_path / "mutant", with_kernel)
    assert said is not None, "nobody noticed"
    assert re.search(MUTANTS[mistake].told, said), said


def test_batches_that_go_one_after_the_other_are_caught(
    fake_gpu: FakeGpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    mutate(monkeypatch, Edit("backend", "_LANES: Final = 2", "_LANES: Final = 1"))
    monkeypatch.setattr(conformance, "MEET_S", 0.2)  # they never will
    with pytest.raises(threading.BrokenBarrierError):
        side_by_side(tmp_path, FakeGpu())


def failure(folder: Path, kernels: Path) -> str | None:
    """Why a backend doesn't conform; None if it does."""
    try:
        conforms(folder, kernels)
    except Exception as error:
        return "\n".join([f"{type(error).__name__}: {error}", *gpu().misuse])
    return None
