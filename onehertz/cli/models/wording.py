"""What several commands of `onehertz models` say alike."""

from __future__ import annotations

from inference_worker.admission import Verdict


def passed(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    sizes = verdict.batch_sizes
    batches = f"batches of 1 to {sizes[-1]}" if len(sizes) > 1 else "one picture at a time"
    bits = "" if verdict.repeats_bits else ", last bits depend on the batch"
    return f"fit to serve, {batches}{bits}; {verdict.boxes} boxes compared"
