"""Speeds, prices and accuracies put together: a row for each way and batch size. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from onehertz.cost.accuracy import Accuracies, accuracy_of
from onehertz.cost.arithmetic import Use, cameras, dollars_per_camera, dollars_per_million
from onehertz.cost.prices import Machine, Prices
from onehertz.cost.speeds import Speed, best_ways


class Priced(NamedTuple):
    """What frames cost in one way and batch size on one machine."""

    speed: Speed
    machine: Machine
    dollars_per_million: float
    cameras: int
    dollars_per_camera: float | None  # a month
    accuracy: str

    @property
    def figures(self) -> dict[str, float | int | str | None]:
        """For `--json`, beside the speed's own."""
        return {
            "dollars_per_hour": self.machine.dollars_per_hour,
            "dollars_per_million": round(self.dollars_per_million, 6),
            "cameras": self.cameras,
            "dollars_per_camera_month": (
                None if self.dollars_per_camera is None else round(self.dollars_per_camera, 4)
            ),
            "accuracy": self.accuracy,
        }


def priced(speeds: Iterable[Speed], prices: Prices, use: Use, known: Accuracies) -> list[Priced]:
    """The cheapest first; of ways that differ in threads and streams alone, the fastest one.

    Raises UserError for a machine without a price.
    """
    found = []
    for one in best_ways(speeds):
        machine = prices.of(one.machine)
        carried = cameras(one.images_per_s, use)
        found.append(
            Priced(
                one,
                machine,
                dollars_per_million(machine.dollars_per_hour, one.images_per_s, use),
                carried,
                dollars_per_camera(machine.dollars_per_hour, carried),
                accuracy_of(one.way, known),
            )
        )
    return sorted(found, key=lambda one: (bool(one.speed.refusal), one.dollars_per_million))


def doubts(rows: Sequence[Priced]) -> list[str]:
    """Where a machine was measured on another device than it is priced with."""
    found = {
        (one.speed.machine, one.speed.gpu or one.speed.device, one.machine.device)
        for one in rows
        if not _alike(one.speed.gpu or one.speed.device, one.machine.device)
    }
    return [
        f"{machine} was measured on {measured}, the price file says {price}: is it the right price?"
        for machine, measured, price in sorted(found)
    ]


def refusals(rows: Iterable[Priced]) -> list[str]:
    """What may not be used, and why; each once."""
    refused = [one.speed for one in rows if one.speed.refusal]
    return list(
        dict.fromkeys(
            f"{one.model} on {one.machine} by {one.engine} ({one.arithmetic}) is refused:"
            f" {one.refusal}"
            for one in refused
        )
    )


def _alike(measured: str, price: str) -> bool:
    one, other = measured.casefold(), price.casefold()
    return one in other or other in one
