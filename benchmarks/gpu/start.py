"""A process from its start to the first boxes, without a kept engine and with one.

python -m benchmarks.gpu.start MODELS CACHE MODEL PRECISION      is that process
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.gpu.findings import Finding
from benchmarks.gpu.opening import FLOAT16, on_gpu
from benchmarks.gpu.parity import now
from benchmarks.gpu.site import Site
from onehertz.cli.models.bench_run import frames
from runtime.errors import FatalError, UserError

_FRAME_SIDE_PX = 640
_LONGEST_S = 1800.0  # to build an engine


def start(site: Site) -> Finding:
    """Raises FatalError if the process fails."""
    model = site.names(int8=False)[-1]
    fresh = replace(site, cache=site.cache / "start")
    without_s, kept_s = _seconds(fresh, model), _seconds(fresh, model)
    figure = f"{model}, float16: {without_s:.0f} s with a build, {kept_s:.1f} s with a kept engine"
    values = {"without_s": without_s, "kept_s": kept_s}
    return Finding(claim="start", passed=True, figure=figure, at=now(), values=dict(values))


def first_boxes(models: str, cache: str, model: str, precision: str) -> None:
    """What that process does."""
    here = Site(Path(models), Path(), Path(cache))
    with on_gpu(here, model, precision) as detector:
        detector.detect(frames(1, _FRAME_SIDE_PX))


def _seconds(site: Site, model: str) -> float:
    arguments = [str(site.models), str(site.cache), model, FLOAT16]
    began_s = time.monotonic()
    done = subprocess.run(
        [*site.python, "-m", "benchmarks.gpu.start", *arguments],
        capture_output=True, text=True, check=False, timeout=_LONGEST_S,
    )  # fmt: skip
    if done.returncode:
        raise FatalError(f"a process that starts on the GPU failed: {done.stderr.strip()[-500:]}")
    return time.monotonic() - began_s


if __name__ == "__main__":
    try:
        first_boxes(*sys.argv[1:])
    except (UserError, FatalError) as error:
        sys.exit(str(error))
