"""The device's memory while the engine is under load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Final

from benchmarks.gpu.findings import Finding
from benchmarks.gpu.opening import FLOAT16, on_gpu
from benchmarks.gpu.parity import now
from benchmarks.gpu.site import Site
from inference_worker.backends.base import Image
from inference_worker.choosing.stretch import Clocks, stretch
from inference_worker.detector import Detector
from onehertz.cli.models.bench_run import frames

# A driver hands out memory in pages of 2 MiB: less than that is nobody's leak.
PAGE_BYTES: Final = 2 << 20
_FRAME_SIDES_PX = (640, 320, 1280)
_TURN_S = 1.0
_WARM_UP_TURNS = 2


def grown(samples: Sequence[int]) -> int:
    """Bytes by which the most that was used rose, from the first third to the last.

    Raises ValueError for fewer than three samples.
    """
    third = len(samples) // 3
    if third == 0:
        raise ValueError(f"{len(samples)} samples show no growth")
    return max(samples[-third:]) - max(samples[:third])


def memory(site: Site, used_bytes: Callable[[], int], clocks: Clocks | None = None) -> Finding:
    """Batches and frames of all sizes on all lanes, for `site.load_s`.

    `used_bytes`: of the device's memory, now.
    """
    clocks = clocks or Clocks()
    model = site.names(int8=False)[0]
    with on_gpu(site, model, FLOAT16) as detector:
        samples, images = _loaded(detector, site.load_s, used_bytes, clocks)
    more = grown(samples)
    figure = (
        f"{images} images in {site.load_s:.0f} s: {samples[0] >> 20} MiB used at"
        f" first, {samples[-1] >> 20} at last, grown by {more / (1 << 20):.1f}"
    )
    values: dict[str, float | int | str | None] = {"seconds": site.load_s, "grown_bytes": more}
    passed = more <= PAGE_BYTES
    return Finding(claim="memory", passed=passed, figure=figure, at=now(), values=values)


def _loaded(
    detector: Detector, seconds: float, used_bytes: Callable[[], int], clocks: Clocks
) -> tuple[list[int], int]:
    """Samples after each turn, warm-up left out; how many images."""
    most = detector.backend.max_batch
    sizes = cycle(sorted({1, max(1, most // 4), max(1, most // 2), most}))
    pictures = cycle([frames(most, side) for side in _FRAME_SIDES_PX])
    samples: list[int] = []
    images, turns, turn_s = 0, 0, min(_TURN_S, seconds / 12)
    began_s = clocks.wall()
    while len(samples) < 3 or clocks.wall() - began_s < seconds:
        size = next(sizes)
        images += size * _turn(detector, next(pictures)[:size], turn_s, clocks)
        turns += 1
        if turns > _WARM_UP_TURNS * len(_FRAME_SIDES_PX):
            samples.append(used_bytes())
    return samples, images


def _turn(detector: Detector, pictures: Sequence[Image], least_s: float, clocks: Clocks) -> int:
    def run() -> None:
        detector.run(detector.prepare(pictures))

    return stretch(run, detector.backend.lanes, clocks, least_s=least_s).batches
