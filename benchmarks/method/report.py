"""The results as a table: on the screen, and in docs/benchmarks.md between its two marks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from benchmarks.method.results import Result, Run
from runtime.errors import UserError

DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- results: python -m benchmarks --report -->", "<!-- end of results -->"

_HEADINGS = ("name", "ours", "other", "unit", "ratio", "spread", "wanted", "compared with")
_MET = {True: "met", False: "NOT MET", None: ""}


def cells(result: Result) -> tuple[str, ...]:
    """One row, as text."""
    wanted = ""
    if result.wanted is not None:
        bound = "≥" if result.unit.endswith("/s") else "≤"
        wanted = f"{bound} {result.wanted:g}, {_MET[result.is_met]}"
    return (
        result.name,
        f"{result.ours:g}",
        f"{result.other:g}",
        result.unit,
        f"{result.ratio:.2f}",
        f"{result.ratio_min:.2f} to {result.ratio_max:.2f}",
        wanted,
        result.compared_with,
    )


def table(results: Sequence[Result]) -> Table:
    """For the screen, which has no room for what was compared with."""
    shown = Table(pad_edge=False, box=None)
    for heading in _HEADINGS[:-1]:
        right = heading in ("ours", "other", "ratio")
        shown.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for result in results:
        shown.add_row(*cells(result)[:-1])
    return shown


def markdown(results: Sequence[Result], run: Run) -> str:
    """For the document: which run it was, and the table. Raises UserError for a --quick run."""
    if run.quick:
        raise UserError(
            f"the last results are of a quick run ({run.command}): those are for trying out, "
            "run 'make bench' whole before you publish"
        )
    lines = [
        f"`{run.command}`, {run.at}, {run.machine}, load {run.load:g} when it began.",
        "",
        f"| {' | '.join(_HEADINGS)} |",
        "|---|--:|--:|---|--:|---|---|---|",
        *(f"| {' | '.join(cells(result))} |" for result in results),
    ]
    return "\n".join(lines)


def put_into(text: str, content: str) -> str:
    """`text` with what stands between its marks replaced. Raises UserError where they are gone."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"{DOCUMENT.name}: the marks {BEGIN!r} and {END!r} must stand in it")
    return f"{before}{BEGIN}\n\n{content}\n\n{END}{after}"
