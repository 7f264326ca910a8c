"""What was measured of a model on this machine, and where that is kept.

Kept, so that a worker starts in no time, and all workers of a machine take the same choice: two
engines, or two precisions, differ in the last digits of a box.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from inference_worker.backends.cuda import TENSORRT_PACKAGES, gpu_name
from inference_worker.choosing.cores import cores
from inference_worker.choosing.plans import Plan
from inference_worker.whole_file import write_whole

logger = logging.getLogger(__name__)

_FORM = 1  # of the file; another one's is measured anew
_PACKAGES = ("openvino", "onnxruntime", "onnxruntime-gpu", *TENSORRT_PACKAGES, "pycuda")


class Power(msgspec.Struct, frozen=True):
    """What the GPU took for batches of one size; None: it does not tell."""

    watts: float | None
    joules_per_batch: float | None
    utilisation: float | None


class Measured(msgspec.Struct, frozen=True):
    """One plan, and what a batch of each size took: medians of some rounds, in ms.

    With several batches under way at once, `batch_ms` is what one takes of the engine, and
    `batch_latency_ms` what it takes from its own start to its end.
    """

    plan: Plan
    batch_ms: dict[int, float]  # wall clock
    batch_cpu_ms: dict[int, float]  # of all threads
    refusal: str = ""  # why it is not to be used, whatever its speed
    batch_range_ms: dict[int, tuple[float, float]] = {}  # wall clock: the least and the most
    batch_latency_ms: dict[int, tuple[float, float]] = {}  # median, and what 95 of 100 keep
    batch_power: dict[int, Power] = {}  # only where a GPU was metered

    def cost(self, max_batch: int) -> float:
        """Per image, at the largest size measured up to `max_batch`: what it makes others wait.

        The geometric mean of wall and CPU: on an idle machine the first is right, on one that is
        shared the second, and either alone is moved further by what else runs while measured.
        """
        size = max((one for one in self.batch_ms if one <= max_batch), default=min(self.batch_ms))
        return math.sqrt(self.batch_ms[size] * self.batch_cpu_ms[size]) / size


class _Kept(msgspec.Struct, frozen=True):
    form: int
    machine: dict[str, str]
    measured: tuple[Measured, ...]


def best(measured: Sequence[Measured], max_batch: int) -> Measured | None:
    """The cheapest that is not refused; None where all are."""
    usable = [one for one in measured if not one.refusal and one.batch_ms]
    return min(usable, key=lambda one: one.cost(max_batch), default=None)


def this_processor() -> dict[str, str]:
    """What a measurement depends on besides the model. Linux."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    fields = dict(line.partition(":")[::2] for line in reversed(lines))
    known = {key.strip(): value.strip() for key, value in fields.items()}
    return {
        "model": known.get("model name", known.get("CPU part", "")),
        "flags": known.get("flags", known.get("Features", "")),
        "cores": str(cores()),
        "gpu": gpu_name(),
        **{name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


class MeasuredStore:
    """A file for each machine and model, in a folder of the user's cache."""

    def __init__(self, cache: Path, machine: Mapping[str, str], model: Sequence[bytes]) -> None:
        """`model`: all that tells it from others: its manifest, which has its files' hashes …"""
        self._machine = dict(machine)
        key = hashlib.sha256(
            msgspec.json.encode([sorted(machine.items()), list(model)])
        ).hexdigest()
        self._path = cache / "measured" / f"{key[:32]}.json"

    def rows(
        self, wanted: Sequence[Plan], measure: Callable[[Sequence[Plan]], list[Measured]]
    ) -> list[Measured]:
        """Those of `wanted`: as kept, or else measured now, all of them, so that they compare.

        Several processes that start at once wait for the first one's. Raises OSError where the
        folder can't be written: then nothing is measured.
        """
        if kept := self.kept(wanted):
            return kept
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self._path.with_suffix(".lock")):
            if kept := self.kept(wanted):
                return kept
            found = measure(wanted)
            self._add(found)
            return found

    def keep(self, found: Sequence[Measured]) -> None:
        """Instead of what is kept of those plans. Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self._path.with_suffix(".lock")):
            self._add(found)

    def _add(self, found: Sequence[Measured]) -> None:
        plans = {one.plan for one in found}
        self._write([*(one for one in self._read() if one.plan not in plans), *found])

    def kept(self, wanted: Sequence[Plan]) -> list[Measured]:
        """Nothing, where one of them was not measured."""
        kept = {one.plan: one for one in self._read()}
        return [kept[plan] for plan in wanted] if all(plan in kept for plan in wanted) else []

    def _read(self) -> tuple[Measured, ...]:
        """Nothing where there is none, or none that can be used: it is measured anew."""
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except (OSError, msgspec.DecodeError):
            return ()
        return kept.measured if kept.form == _FORM else ()

    def _write(self, measured: Sequence[Measured]) -> None:
        content = _Kept(_FORM, self._machine, tuple(measured))
        write_whole(self._path, msgspec.json.format(msgspec.json.encode(content), indent=1))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("another process is trying the ways to run the model: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
