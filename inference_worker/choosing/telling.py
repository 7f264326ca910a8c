"""Why a way to run a model was taken, in a line for people."""

from __future__ import annotations

from collections.abc import Sequence

from inference_worker.choosing.measured import Measured


def choice_line(model: str, chosen: Measured, rows: Sequence[Measured], max_batch: int) -> str:
    """What is taken, and why."""
    return f"{model} runs on {chosen.plan}: {choice_reason(chosen, rows, max_batch)}"


def choice_reason(chosen: Measured, rows: Sequence[Measured], max_batch: int) -> str:
    """What it costs, and what the best of each other engine and precision would have cost."""
    cost = chosen.cost(max_batch)
    ranked = sorted((one for one in rows if one.batch_ms), key=lambda one: one.cost(max_batch))
    rivals = {(one.plan.engine, one.plan.precision): one for one in reversed(ranked)}
    rivals.pop((chosen.plan.engine, chosen.plan.precision))
    against = [
        f"; {engine} {precision} takes {one.cost(max_batch) / cost:.2f} times as long"
        + (f" and is refused ({one.refusal})" if one.refusal else "")
        for (engine, precision), one in rivals.items()
    ]
    size = max(chosen.batch_ms)
    per_image = chosen.batch_ms[size] / size, chosen.batch_cpu_ms[size] / size
    return f"{per_image[0]:.1f} ms an image, {per_image[1]:.1f} ms of CPU{''.join(against)}"
