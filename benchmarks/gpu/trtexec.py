"""NVIDIA's own tool on the same engine, where it is on PATH."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from runtime.errors import UserError

_RATE = re.compile(r"Throughput: ([0-9.]+) qps")
Run = Callable[[Sequence[str]], str]


def command(
    engine: Path, batch: int, shapes: Mapping[str, Sequence[int]], profile: int, seconds: int
) -> list[str]:
    """Two streams, transfers included. `shapes`: of the inputs, without the batch."""
    sized = ",".join(
        f"{name}:{'x'.join(map(str, (batch, *shape)))}" for name, shape in shapes.items()
    )
    return [
        "trtexec", f"--loadEngine={engine}", f"--shapes={sized}", "--infStreams=2",
        f"--useProfile={profile}", f"--duration={seconds}", "--warmUp=500",
    ]  # fmt: skip


def queries_per_s(output: str) -> float:
    """Batches a second. Raises UserError for the output of a run that failed."""
    found = _RATE.search(output)
    if found is None:
        raise UserError(f"trtexec gave no throughput: {output.strip()[-300:]}")
    return float(found[1])


def is_there() -> bool:
    return shutil.which("trtexec") is not None


def run(words: Sequence[str]) -> str:
    """What it prints."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr
