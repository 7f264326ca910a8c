"""What `models bench` prints for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from onehertz.cli.models.bench_run import Benched
from onehertz.cost.pricing import Priced
from onehertz.cost.speeds import Speed


def speed_table(found: Benched, measured: Sequence[Speed]) -> Table:
    """All ways of one model, also those that were refused. `measured`: its own."""
    table = Table(title=found.model, title_justify="left", box=None, pad_edge=False)
    for name in ("engine", "arithmetic"):
        table.add_column(name)
    for name in (
        "threads",
        "side by side",
        "batch",
        "images/s",
        "spread",
        "p95 ms",
        "CPU ms/image",
    ):
        table.add_column(name, justify="right")
    on_gpu = any(one.gpu for one in measured)
    for name in ("GPU", "W", "J/image") if on_gpu else ():
        table.add_column(name, justify="right")
    table.add_column("")
    before = ""
    for one in measured:
        note = f"refused: {one.refusal}" if one.refusal != before and one.refusal else ""
        before = one.refusal
        table.add_row(
            one.engine, one.arithmetic, str(one.threads), str(one.streams or "no"),
            str(one.batch), f"{one.images_per_s:.1f}",
            f"{one.images_per_s_min:.1f} to {one.images_per_s_max:.1f}",
            number(one.latency_p95_ms, ".1f"), f"{one.cpu_ms_per_image:.1f}",
            *(_power(one) if on_gpu else ()), note,
        )  # fmt: skip
    for row in found.rows:
        if not row.batch_ms:
            empty = [""] * (len(table.columns) - 3)
            table.add_row(row.plan.engine, row.plan.precision, *empty, f"refused: {row.refusal}")
    return table


def cost_table(rows: Sequence[Priced]) -> Table:
    """The cheapest first, what is refused last; of ways that differ in threads and streams alone,
    the fastest one.
    """
    table = Table(
        title="$ per million frames, of the engine alone",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    has_power = any(row.speed.watts is not None for row in rows)
    for name in ("machine", "model", "engine", "arithmetic"):
        table.add_column(name, overflow="fold")
    for name in ("batch", "images/s", "p50 ms", "p95 ms", *(("W", "J/image") if has_power else ())):
        table.add_column(name, justify="right")
    for name in ("$/million", "cameras", "$/camera, month"):
        table.add_column(name, justify="right")
    table.add_column("accuracy")
    for row in rows:
        one = row.speed
        table.add_row(
            one.machine, one.model, one.engine, one.arithmetic, str(one.batch),
            f"{one.images_per_s:.1f}", number(one.latency_p50_ms, ".1f"),
            number(one.latency_p95_ms, ".1f"), *(_power(one)[1:] if has_power else ()),
            f"{row.dollars_per_million:.3f}", str(row.cameras),
            number(row.dollars_per_camera, ".2f"), "refused" if one.refusal else row.accuracy,
        )  # fmt: skip
    return table


def number(value: float | None, form: str) -> str:
    """Empty for what was not measured."""
    return "" if value is None else format(value, form)


def _power(one: Speed) -> tuple[str, str, str]:
    return (
        number(one.gpu_utilisation, ".0%"),
        number(one.watts, ".0f"),
        number(one.joules_per_image, ".3f"),
    )
