"""What `models bench --json` says of a way to run a model: to be saved, and merged by others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from runtime.errors import UserError


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One model on one machine, engine and arithmetic; batch sizes are told apart elsewhere."""

    machine: str
    model: str
    int8: bool = False  # the graph's convolutions
    engine: str
    device: str  # cpu, cuda
    precision: str

    @property
    def arithmetic(self) -> str:
        """In words for people: what is INT8 has the rest of its graph in `precision`."""
        return f"INT8, {self.precision}" if self.int8 else self.precision

    @property
    def has_fewer_bits(self) -> bool:
        return self.int8 or self.precision != "float32"


class Speed(Way, frozen=True, kw_only=True):
    """A line of `--json`: a way in batches of one size. None: was not measured."""

    threads: int
    streams: int
    refusal: str = ""  # why it is not to be used
    gpu: str | None = None  # its name
    batch: int
    images_per_s: float
    images_per_s_min: float  # of single batches
    images_per_s_max: float
    latency_p50_ms: float | None = None  # from a batch's start to its end
    latency_p95_ms: float | None = None
    cpu_ms_per_image: float
    watts: float | None = None  # of the GPU
    joules_per_image: float | None = None
    gpu_utilisation: float | None = None

    @property
    def way(self) -> Way:
        return Way(**{name: getattr(self, name) for name in Way.__struct_fields__})


class _Line(msgspec.Struct):
    """Any line: those without a batch are a refusal, or what was chosen."""

    batch: int | None = None


def read_speeds(path: Path) -> list[Speed]:
    """From a saved `models bench --json`. Raises UserError with the line of what is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: can't be read: {error}") from error
    found = list(_speeds(path, text.splitlines()))
    if not found:
        raise UserError(f"{path}: holds no measured batch; save one: models bench NAME --json")
    return found


def _speeds(path: Path, lines: Iterable[str]) -> Iterator[Speed]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            if msgspec.json.decode(line, type=_Line).batch is not None:
                yield msgspec.json.decode(line, type=Speed)
        except msgspec.DecodeError as error:
            raise UserError(
                f"{path}:{number}: is no line of models bench --json: {error}"
            ) from error


def best_ways(speeds: Iterable[Speed]) -> list[Speed]:
    """Of each way and batch size, the threads and streams with most images/s; in their order."""
    found: dict[tuple[Way, int], Speed] = {}
    for one in speeds:
        before = found.setdefault((one.way, one.batch), one)
        if (bool(before.refusal), -before.images_per_s) > (bool(one.refusal), -one.images_per_s):
            found[one.way, one.batch] = one
    return list(found.values())
