"""Images/s beside TensorRT alone; how busy the GPU is meanwhile, and what it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.gpu import trtexec
from benchmarks.gpu.bare import BareLoop, bare_loop
from benchmarks.gpu.claims import THROUGHPUT
from benchmarks.gpu.findings import Finding
from benchmarks.gpu.opening import FLOAT16, on_gpu
from benchmarks.gpu.parity import now
from benchmarks.gpu.site import Site
from benchmarks.method.pairing import Comparison, Pair, compare, interleaved
from inference_worker.backends.tensorrt.engine_cache import engines_in
from inference_worker.choosing.stretch import Clocks, stretch
from inference_worker.detector import Detector, Prepared
from inference_worker.metering.meter import Meter, Readings
from onehertz.cli.models.bench_run import frames
from runtime.errors import UserError

_FRAME_SIDE_PX: Final = 640  # as the gate leaves them
_TRTEXEC_S: Final = 3


def speeds(site: Site, rounds: int, turn_s: float) -> list[Finding]:
    """`throughput`: ready tensors on our backend. `frames`: as a worker gives them."""
    model = site.names(int8=False)[-1]
    cache = site.cache / "speed"  # so that its engine is the only one there
    with (
        on_gpu(site, model, FLOAT16, cache=cache) as detector,
        bare_loop(*_engine(site, detector)) as loop,
    ):
        timed = interleaved(rounds, _sides(site, detector, loop, turn_s))
    others = [name for name in timed[0] if name not in ("tensors", "frames")]
    found = {name: _compared(timed, "tensors", name) for name in others}
    best = min(found, key=lambda name: found[name].ratio)  # the one that is hardest to match
    framed = _compared(timed, "frames", best)
    return [
        _finding("throughput", model, found[best], best, passed=found[best].ratio >= THROUGHPUT),
        _finding("frames", model, framed, best, passed=True),
    ]


def energy(site: Site, gpu: Readings, seconds: float) -> Finding:
    """Of frames in the largest batches on all lanes."""
    model = site.names(int8=False)[-1]
    with on_gpu(site, model, FLOAT16) as detector:
        prepared = detector.prepare(frames(detector.backend.max_batch, _FRAME_SIDE_PX))
        detector.run(prepared)
        found = stretch(
            lambda: detector.run(prepared), detector.backend.lanes, Clocks(),
            least_s=seconds, new_meter=lambda: Meter(gpu),
        )  # fmt: skip
        images = found.batches * detector.backend.max_batch
    used = found.used
    if used is None or used.joules is None or used.watts is None:
        raise UserError("this GPU tells nothing of its energy: no finding")
    busy = "" if used.utilisation is None else f", {100 * used.utilisation:.0f} % busy"
    rate = images / found.wall_ms * 1000
    figure = (
        f"{model}, float16: {used.watts:.0f} W, {used.joules / images:.4f} J an image"
        f" at {rate:.0f} images/s{busy}"
    )
    return Finding(
        claim="energy", passed=True, figure=figure, at=now(),
        values={"watts": used.watts, "joules_per_image": used.joules / images,
                "utilisation": used.utilisation},
    )  # fmt: skip


def built(site: Site) -> Finding:
    """The engines that this run has built, all in the site's cache. Raises UserError for none."""
    found = {f"{one.name}, {one.key.precision}": one.build_s for _, one in engines_in(site.cache)}
    if not found:
        raise UserError(f"{site.cache}: no engine was built")
    figure = "; ".join(f"{name}: {seconds:.0f} s" for name, seconds in found.items())
    return Finding(claim="build", passed=True, figure=figure, at=now(), values=dict(found))


def _engine(site: Site, detector: Detector) -> tuple[Path, int]:
    ((path, _),) = engines_in(site.cache / "speed")
    return path, detector.backend.max_batch


def _sides(
    site: Site, detector: Detector, loop: BareLoop, turn_s: float
) -> dict[str, Callable[[], float]]:
    """Each gives its images/s."""
    batch = detector.backend.max_batch
    pictures = frames(batch, _FRAME_SIDE_PX)
    as_tensors = Detector(detector.manifest, detector.backend)
    ways = {"tensors": as_tensors, "frames": detector}
    sides = {name: _ours(one, one.prepare(pictures), batch, turn_s) for name, one in ways.items()}
    sides["a bare loop"] = _bare(loop, batch, turn_s)
    if trtexec.is_there():
        sides["trtexec"] = _trtexec(site, as_tensors.prepare(pictures), batch)
    return sides


def _ours(detector: Detector, prepared: Prepared, batch: int, turn_s: float) -> Callable[[], float]:
    def run() -> None:
        detector.run(prepared)

    run()

    def side() -> float:
        found = stretch(run, detector.backend.lanes, Clocks(), least_s=turn_s)
        return found.batches * batch * 1000 / found.wall_ms

    return side


def _bare(loop: BareLoop, batch: int, turn_s: float) -> Callable[[], float]:
    def seconds(count: int) -> float:
        began_s = time.perf_counter()
        loop.run(count)
        return time.perf_counter() - began_s

    seconds(4)
    count = max(8, round(8 * turn_s / seconds(8)))
    return lambda: count * batch / seconds(count)


def _trtexec(site: Site, prepared: Prepared, batch: int) -> Callable[[], float]:
    ((path, about),) = engines_in(site.cache / "speed")
    shapes = {name: tensor.shape[1:] for name, tensor in prepared.inputs.items()}
    profile = next(
        (at for at, one in enumerate(about.profiles) if one.least <= batch <= one.most), 0
    )
    words = trtexec.command(path, batch, shapes, profile, _TRTEXEC_S)
    return lambda: batch * trtexec.queries_per_s(trtexec.run(words))


def _compared(timed: list[dict[str, float]], ours: str, other: str) -> Comparison:
    return compare([Pair(one[ours], one[other]) for one in timed])


def _finding(claim: str, model: str, found: Comparison, other: str, *, passed: bool) -> Finding:
    figure = (
        f"{model}, float16: {found.ours:.0f} images/s, {found.ratio:.2f} times {other}"
        f" ({found.ratio_min:.2f} to {found.ratio_max:.2f})"
    )
    return Finding(
        claim=claim, passed=passed, figure=figure, at=now(),
        values={"images_per_s": found.ours, "other": found.other, "ratio": found.ratio,
                "ratio_min": found.ratio_min, "ratio_max": found.ratio_max},
    )  # fmt: skip
