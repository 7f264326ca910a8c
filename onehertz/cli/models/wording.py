"""What several commands of `onehertz models` say alike."""

from __future__ import annotations

from inference_worker.admission import Verdict
from inference_worker.admission.parity import Parity


def passed(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    sizes = verdict.batch_sizes
    batches = f"batches of 1 to {sizes[-1]}" if len(sizes) > 1 else "one picture at a time"
    bits = "" if verdict.repeats_bits else ", last bits depend on the batch"
    return (
        f"fit to serve, {batches}{bits}; {verdict.boxes} boxes compared;"
        f" {verdict.images_per_s:.0f} images/s"
    )


def compared(parity: Parity) -> str:
    if not parity.expected:
        return f"the reference is sure of nothing on {parity.frames} known frames: give better ones"
    return (
        f"{parity.matched} of {parity.expected} boxes matched, {parity.lost} lost,"
        f" {parity.extra} extra, {parity.moved} moved; worst IoU {parity.worst_iou:.3f},"
        f" worst score difference {parity.worst_score_difference:.3f}"
    )
