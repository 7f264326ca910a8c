"""Bigger batches, fewer bits, another machine? A line for each that names its figures. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from onehertz.cost.accuracy import NOT_MEASURED
from onehertz.cost.arithmetic import Use
from onehertz.cost.pricing import Priced

_NO_INT8 = "INT8 was not measured: `models quantize NAME` makes it, then bench both"


def advice(rows: Sequence[Priced], use: Use, p95_ms: float) -> str:
    """Lines. `rows`: as `priced` gives them. `p95_ms`: the longest that a batch may take."""
    fit = usable(rows, p95_ms)
    if not fit:
        return f"No way that may be used has its batches within {p95_ms:g} ms (infer.p95_ms)."
    best = fit[0]
    parts = [
        f"Cheapest within {p95_ms:g} ms a batch: {_way(best)}, ${best.dollars_per_million:.3g} per"
        f" million frames at {100 * use.utilisation:.0f} % use, {_carried(best, use)}"
    ]
    parts += [*_batches(best, fit), *_bits(best, fit, rows), *_machines(best, fit)]
    return "\n".join(parts)


def usable(rows: Sequence[Priced], p95_ms: float) -> list[Priced]:
    """Those that the admission test lets pass, and of whose batches 95 of 100 are in time."""
    return [one for one in rows if not one.speed.refusal and _in_time(one, p95_ms)]


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


def _bits(best: Priced, fit: Sequence[Priced], rows: Sequence[Priced]) -> Iterator[str]:
    """What other arithmetic would cost, each at its best, and what is known of accuracy."""
    cheapest = _cheapest(fit, _bits_of)
    for bits in dict.fromkeys(map(_bits_of, rows)):
        if bits not in cheapest:
            yield f"{bits}: refused, or too slow"
        elif bits != _bits_of(best):
            yield f"{bits} at its best ({_way(cheapest[bits])}) costs {_more(cheapest[bits], best)}"
    if not any(one.speed.int8 for one in rows):
        yield _NO_INT8
    full = cheapest.get("float32")
    if best.speed.has_fewer_bits and full:
        yield _accuracies(best, full)


def _accuracies(best: Priced, full: Priced) -> str:
    """Of both; or how that is measured which is not known."""
    unknown = [one.speed for one in (best, full) if one.accuracy == NOT_MEASURED]
    if not unknown:
        return f"accuracy: {best.accuracy}, in float32 {full.accuracy}"
    commands = (
        f"`evaluate model {one.model} --set infer.backend={one.engine}"
        f" --set infer.precision={one.precision} --json`"
        for one in unknown
    )
    return (
        "what fewer bits cost in accuracy was not measured; on labelled pictures of yours,"
        f" {' and '.join(commands)}, saved, then --accuracy"
    )


def _bits_of(one: Priced) -> str:
    return "INT8" if one.speed.int8 else one.speed.precision


def _machines(best: Priced, fit: Sequence[Priced]) -> Iterator[str]:
    cheapest = _cheapest(fit, lambda one: one.speed.machine)
    for name, one in cheapest.items():
        if name != best.speed.machine:
            size = one.machine.dollars_per_hour - best.machine.dollars_per_hour
            kind = "smaller" if size < 0 else "larger"
            yield (
                f"the {kind} machine {name} (${one.machine.dollars_per_hour:g} an hour) costs"
                f" {_more(one, best)} and carries {one.cameras} cameras"
            )


def _cheapest(fit: Sequence[Priced], key: Callable[[Priced], str]) -> dict[str, Priced]:
    found: dict[str, Priced] = {}
    for one in fit:  # the cheapest first
        found.setdefault(key(one), one)
    return found


def _more(one: Priced, best: Priced) -> str:
    share = one.dollars_per_million / best.dollars_per_million - 1
    return f"${one.dollars_per_million:.3g}, " + (
        f"{100 * share:.0f} % more" if share >= 0.005 else "as much"
    )
