"""What was measured, as lines of `models bench --json`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import msgspec

from inference_worker.choosing.measured import Measured, Power
from inference_worker.choosing.plans import Plan
from onehertz.cli.models.bench_run import Benched
from onehertz.cost.pricing import Priced
from onehertz.cost.speeds import Speed

_NO_POWER = Power(None, None, None)


def speeds(found: Benched, machine: str, gpu: str | None = None) -> list[Speed]:
    """One for each way and batch size that was measured."""
    return [_speed(found, one, size, machine, gpu) for one in found.rows for size in one.batch_ms]


def json_lines(
    found: Sequence[Benched], measured: Sequence[Speed], prices: Sequence[Priced]
) -> Iterator[str]:
    """All ways that were measured, with prices if there are any; refusals; the choices."""
    priced = {id(one.speed): one.figures for one in prices}
    for speed in measured:
        yield json.dumps(msgspec.to_builtins(speed) | priced.get(id(speed), {}))
    for model in found:
        for row in model.rows:
            if not row.batch_ms:
                plan = {field: getattr(row.plan, field) for field in Plan.__struct_fields__}
                yield json.dumps({"model": model.model, **plan, "refusal": row.refusal})
    for model in found:
        yield json.dumps({"model": model.model, "choice": model.choice})


def _speed(found: Benched, one: Measured, size: int, machine: str, gpu: str | None) -> Speed:
    plan, took_ms = one.plan, one.batch_ms[size]
    slowest, fastest = sorted(1000 * size / ms for ms in one.batch_range_ms[size])
    p50_ms, p95_ms = one.batch_latency_ms.get(size, (None, None))
    power = one.batch_power.get(size, _NO_POWER)
    joules = power.joules_per_batch
    return Speed(
        machine=machine, model=found.model, int8=found.is_int8, engine=plan.engine,
        device=plan.device, precision=plan.precision, threads=plan.threads, streams=plan.streams,
        refusal=one.refusal, gpu=gpu if plan.device == "cuda" else None, batch=size,
        images_per_s=round(1000 * size / took_ms, 2),
        images_per_s_min=round(slowest, 2), images_per_s_max=round(fastest, 2),
        latency_p50_ms=p50_ms, latency_p95_ms=p95_ms,
        cpu_ms_per_image=round(one.batch_cpu_ms[size] / size, 3),
        watts=_rounded(power.watts), gpu_utilisation=_rounded(power.utilisation),
        joules_per_image=None if joules is None else _rounded(joules / size),
    )  # fmt: skip


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
