"""What a benchmark says, and `benchmarks/results.json`. That file's form is an interface."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.method.pairing import Pair, compare
from runtime.errors import UserError

FOLDER = Path(__file__).parents[1]
RESULTS = FOLDER / "results.json"
RUN = FOLDER / "run.json"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison. `ratio` is ours/other: median, least and largest over the rounds.

    `wanted` is the ratio that we hold ourselves to, a least one for rates (units that end in "/s")
    and a largest one for everything else; None where the figure is only reported.
    """

    name: str
    ours: float
    other: float
    unit: str
    ratio: float
    ratio_min: float
    ratio_max: float
    wanted: float | None
    compared_with: str

    @property
    def is_met(self) -> bool | None:
        """Whether the ratio is as wanted; None where nothing is."""
        if self.wanted is None:
            return None
        more_is_better = self.unit.endswith("/s")
        return self.ratio >= self.wanted if more_is_better else self.ratio <= self.wanted


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The run that results come from: beside them, in `run.json`."""

    command: str
    at: str  # RFC 3339
    machine: str
    load: float  # the machine's one-minute load average as the run began
    quick: bool


def result(
    name: str,
    pairs: Sequence[Pair],
    unit: str,
    compared_with: str,
    wanted: float | None = None,
) -> Result:
    """The result of a benchmark's rounds. Raises ValueError as `compare` does."""
    figures = {key: rounded(value) for key, value in compare(pairs)._asdict().items()}
    return Result(name=name, unit=unit, compared_with=compared_with, wanted=wanted, **figures)


def rounded(value: float) -> float:
    """Four significant digits: there are no more in it."""
    return float(f"{value:.4g}")


def write(results: Sequence[Result], run: Run, *, to: Path = RESULTS, about: Path = RUN) -> None:
    """Puts a run's results, and what run it was, into their files in place of older ones."""
    for path, content in ((to, results), (about, run)):
        path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")


def read(*, results: Path = RESULTS, about: Path = RUN) -> tuple[list[Result], Run]:
    """The last run. Raises UserError where there is none that can be read."""
    try:
        return (
            msgspec.json.decode(results.read_bytes(), type=list[Result]),
            msgspec.json.decode(about.read_bytes(), type=Run),
        )
    except FileNotFoundError as error:
        raise UserError(f"{error.filename} is not there: run 'make bench' first") from None
    except msgspec.DecodeError as error:
        raise UserError(f"{results} or {about}: {error}; run 'make bench' again") from None
