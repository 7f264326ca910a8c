"""The backend's conformance on PyCUDA itself; the process that has the stand-in as its libcuda."""

from __future__ import annotations

import ctypes
import itertools
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pycuda.driver as cuda
from pycuda import VERSION_TEXT

from inference_worker.backends.base import EngineBroken, Outputs
from tests.inference_worker.backends.fake_gpu.install import MODULES, become
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu
from tests.inference_worker.backends.fake_gpu.memory import Bytes
from tests.inference_worker.backends.tensorrt import conformance as suite

_COUNTED = ("device memory", "pinned memory", "streams", "events", "modules", "contexts")
_Call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_driver = ctypes.CDLL("libcuda.so.1")
_driver.standin_enqueue.argtypes = [ctypes.c_void_p, _Call, ctypes.c_void_p]
_numbers = itertools.count(1)
_enqueued: dict[int, Callable[[], None]] = {}


@_Call
def _run(number: int) -> None:
    _enqueued.pop(number)()


class _Contexts:
    """PyCUDA's own stack."""

    def current(self) -> Any:
        return cuda.Context.get_current()

    def left_behind(self) -> list[str]:
        return []


class OnStandIn(FakeGpu):
    """What the fake TensorRT sees of the machine: the stand-in's streams, contexts and memory."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.initialised = True
        self.contexts = _Contexts()  # type: ignore[assignment] # as much of it as TensorRT's asks

    def enqueue(  # type: ignore[override] # who else needs it, the driver sees for itself
        self, what: str, stream: int, run: Callable[[], None], **_: object
    ) -> None:
        def noted() -> None:
            try:
                run()
            except BaseException as error:  # in a thread of the stand-in
                self.misuse.append(f"{what}: {error!r}")

        _enqueued[number := next(_numbers)] = noted
        if code := _driver.standin_enqueue(stream, _run, number):
            self.note(f"{what}: the stand-in gives {code}")

    def view(self, address: int, size: int) -> Bytes:
        memory = (ctypes.c_uint8 * max(1, size)).from_address(address)
        return np.ctypeslib.as_array(memory)[:size]

    def leaks(self) -> list[str]:
        counts = (ctypes.c_size_t * len(_COUNTED))()
        _driver.standin_left(counts)
        return [f"{left} {what}" for what, left in zip(_COUNTED, counts, strict=True) if left]


def _at_once(_: suite.Opened, calls: list[Callable[[], Outputs]]) -> list[Outputs]:
    found: dict[int, Outputs] = {}

    def run(at: int) -> None:
        found[at] = calls[at]()

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[at] for at in range(len(calls))]


def _many_threads(folder: Path) -> None:
    with suite.Opened(folder, suite.CONVOLUTIONS) as one:
        given = [{"x": suite.some_input(seed, 1 + seed % 8, 3, 32, 32)} for seed in range(40)]
        found = _at_once(one, [lambda x=x: one.backend.infer(x) for x in given])
        wanted = [suite.right(suite.CONVOLUTIONS, x) for x in given]
        assert all(map(suite.same, found, wanted)), "wrong numbers in many threads"


def _broken(folder: Path) -> None:
    """The last: the device stays so. A thread that sees it, and then the process, end in peace."""
    one = suite.Opened(folder, suite.CONVOLUTIONS)
    _driver.standin_break()
    raised: list[BaseException] = []

    def infer() -> None:
        try:
            one.backend.infer({"x": suite.some_input(1, 2, 3, 32, 32)})
        except EngineBroken as error:
            raised.append(error)

    thread = threading.Thread(target=infer)
    thread.start()
    thread.join()
    infer()
    one.backend.close()
    assert len(raised) == 2, "a device that failed is passed over"


def main() -> None:
    """Raises AssertionError, or whatever the backend or PyCUDA raise."""
    warnings.simplefilter("error")
    sys.modules["tensorrt"] = MODULES["tensorrt"]
    machines = {"FakeGpu": OnStandIn, "at_once": _at_once}
    vars(suite).update(machines, become=lambda _: become(OnStandIn()))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        suite.one_after_the_other(folder / "1", OnStandIn())
        suite.side_by_side(folder / "2", OnStandIn())
        suite.closed_by_another_thread(folder / "3")
        suite.after_a_failure(folder / "4")
        suite.kinds_of_numbers(folder / "5")
        (folder / "6").mkdir()
        suite.frames(folder / "6")
        _many_threads(folder / "7")
        _broken(folder / "8")
    sys.stdout.write(f"PyCUDA {VERSION_TEXT} on the stand-in: all is as it should be\n")


if __name__ == "__main__":
    main()
