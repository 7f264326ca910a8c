"""Bigger batches, fewer bits, another machine? One sentence that names its figures. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence

from onehertz.cost.accuracy import NOT_MEASURED
from onehertz.cost.arithmetic import Use
from onehertz.cost.pricing import Priced

_NO_ACCURACY = (
    "what that costs in accuracy was not measured: `evaluate model --json`, then --accuracy"
)


def advice(rows: Sequence[Priced], use: Use, p95_ms: float) -> str:
    """`rows`: as `priced` gives them. `p95_ms`: the longest that a batch may take (95 of 100)."""
    fit = [one for one in rows if not one.speed.refusal and _in_time(one, p95_ms)]
    if not fit:
        return f"No way that may be used has its batches within {p95_ms:g} ms (infer.p95_ms)."
    best = fit[0]
    parts = [
        f"Cheapest within {p95_ms:g} ms a batch: {_way(best)}, ${best.dollars_per_million:.3g} per"
        f" million frames at {100 * use.utilisation:.0f} % use, {_carried(best, use)}"
    ]
    parts += [*_batches(best, fit), *_bits(best, fit), *_machines(best, fit)]
    return "; ".join(parts) + "."


def _in_time(one: Priced, p95_ms: float) -> bool:
    return one.speed.latency_p95_ms is None or one.speed.latency_p95_ms <= p95_ms


def _way(one: Priced) -> str:
    speed = one.speed
    return (
        f"{speed.model} on {speed.machine} by {speed.engine} ({speed.arithmetic}) in batches of"
        f" {speed.batch}"
    )


def _carried(one: Priced, use: Use) -> str:
    dropped = f", of which the gate drops {100 * use.dropped:.0f} %" if use.dropped else ""
    return f"{one.cameras} cameras at a frame a second{dropped}"


def _batches(best: Priced, fit: Sequence[Priced]) -> Iterator[str]:
    same = [one for one in fit if one.speed.way == best.speed.way]
    by_size = {one.speed.batch: one for one in same}
    for size in (min(by_size), max(by_size)):
        if size != best.speed.batch:
            yield f"batches of {size} instead cost {_more(by_size[size], best)}"


def _bits(best: Priced, fit: Sequence[Priced]) -> Iterator[str]:
    """What fewer bits save; or would cost, where float32 is the cheapest."""
    cheapest = _cheapest(fit, lambda one: one.speed.has_fewer_bits)
    if len(cheapest) < 2:
        return
    full, fewer = cheapest[False], cheapest[True]
    if best.speed.has_fewer_bits:
        seen = [best.accuracy, full.accuracy]
        said = _NO_ACCURACY if NOT_MEASURED in seen else f"{seen[0]} against {seen[1]}"
        yield f"float32 at its best ({_way(full)}) costs {_more(full, best)}; {said}"
    else:
        yield f"fewer bits at their best ({_way(fewer)}) cost {_more(fewer, best)}"


def _machines(best: Priced, fit: Sequence[Priced]) -> Iterator[str]:
    cheapest = _cheapest(fit, lambda one: one.speed.machine)
    for name, one in cheapest.items():
        if name != best.speed.machine:
            size = one.machine.dollars_per_hour - best.machine.dollars_per_hour
            kind = "smaller" if size < 0 else "larger"
            yield (
                f"the {kind} machine {name} (${one.machine.dollars_per_hour:g} an hour) costs"
                f" {_more(one, best)} per frame and carries {one.cameras} cameras"
            )


def _cheapest(fit: Sequence[Priced], key: Callable[[Priced], Hashable]) -> dict[Hashable, Priced]:
    found: dict[Hashable, Priced] = {}
    for one in fit:  # the cheapest first
        found.setdefault(key(one), one)
    return found


def _more(one: Priced, best: Priced) -> str:
    share = one.dollars_per_million / best.dollars_per_million - 1
    return f"${one.dollars_per_million:.3g}, {100 * share:.0f} % more"
