"""The price file: what an hour of each machine costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from runtime.errors import UserError
from runtime.settings import Section, load


class Machine(Section):
    """A machine as a cloud rents it out, or as it stands in your rack."""

    dollars_per_hour: Annotated[float, Field(gt=0, le=100_000)]
    device: Annotated[str, Field(min_length=1)]  # what infers: `cpu`, or the GPU's name


class Prices(Section):
    """`machines:` by name."""

    machines: Annotated[dict[str, Machine], Field(min_length=1)]

    def of(self, name: str) -> Machine:
        """Raises UserError where no such machine has a price."""
        if name not in self.machines:
            raise UserError(
                f"machine {name!r} has no price; the price file has: {', '.join(self.machines)}"
            )
        return self.machines[name]


def read_prices(path: Path) -> Prices:
    """Raises UserError with the line of what is wrong."""
    return load(Prices, path, environment={}, overrides={})


def machine_named(name: str | None, prices: Prices | None, host: str) -> str:
    """What this machine is called in results: as asked, the only one with a price, or the host's.

    Raises UserError where prices of several machines leave it open, or have no such machine.
    """
    if prices is None:
        return name or host
    if name is None and len(prices.machines) > 1:
        raise UserError(
            "--prices has several machines, so say which one this is: --machine"
            f" {'|'.join(prices.machines)}"
        )
    chosen = name or next(iter(prices.machines))
    prices.of(chosen)
    return chosen
