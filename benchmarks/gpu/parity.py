"""AP50 of TensorRT beside that of the CPU's float32, on the same labelled pictures."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from benchmarks.gpu.claims import FLOAT16_LOSS, INT8_LOSS
from benchmarks.gpu.findings import Finding
from benchmarks.gpu.opening import FLOAT16, on_cpu, on_gpu
from benchmarks.gpu.site import Site
from inference_worker.choosing.plans import FLOAT32
from inference_worker.detector import Detector
from onehertz.evaluate.model import Counting, figures, matched_classes, seen
from onehertz.evaluate.truth import Truth, read_truth
from runtime.errors import UserError

# Audited in AP50, which has four decimals: what is just at the limit is not above it.
_LAST_BIT: Final = 1e-9


def float16(site: Site) -> Finding:
    """Each float model against itself."""
    pairs = {name: name for name in site.names(int8=False)}
    return _finding("parity-float16", site, pairs, FLOAT16, FLOAT16_LOSS)


def int8(site: Site) -> Finding:
    """Each INT8 model against the float one that it was made of."""
    pairs = {name: site.float_of(name) for name in site.names(int8=True)}
    return _finding("parity-int8", site, pairs, FLOAT32, INT8_LOSS)


def losses(site: Site, pairs: dict[str, str], precision: str) -> dict[str, tuple[float, float]]:
    """By model: AP50 on TensorRT, and of its reference on the CPU."""
    truth = read_truth(site.pictures / "images", site.pictures / "labels", None)
    found = {}
    for name, reference in pairs.items():
        with on_cpu(site, reference) as detector:
            expected = ap50(detector, truth)
        with on_gpu(site, name, precision) as detector:
            found[name] = ap50(detector, truth), expected
        site.say(f"{name}, {precision}: AP50 {found[name][0]:.4f}, on the CPU {expected:.4f}")
    return found


def _finding(claim: str, site: Site, pairs: dict[str, str], precision: str, most: float) -> Finding:
    found = losses(site, pairs, precision)
    if not found:
        raise UserError(f"{site.models}: has no model for {claim}")
    worst = max(expected - got for got, expected in found.values())
    return Finding(
        claim=claim,
        passed=worst <= most + _LAST_BIT,
        figure="; ".join(
            f"{name}: AP50 {got:.3f}, CPU {expected:.3f}" for name, (got, expected) in found.items()
        ),
        at=now(),
        values={f"{name}_loss": round(e - g, 4) for name, (g, e) in found.items()},
    )


def ap50(detector: Detector, truth: Truth) -> float:
    """As `onehertz evaluate model` has it by default."""
    counting = Counting()
    classes = matched_classes(detector.manifest.labels, truth, {})
    answers = seen(detector, counting, truth.pictures)
    return float(figures(detector.name, truth, classes, counting, answers)["ap50"] or 0.0)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
