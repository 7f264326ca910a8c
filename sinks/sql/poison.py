"""Gets a batch written around the records that the database can't take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from schemas.errors import InvalidMessage
from sinks.sql.connection import poisonous
from sinks.sql.writer import WriteOutcome

D = TypeVar("D")


class Salvage(NamedTuple, Generic[D]):
    """What was written, and what was not: with its reason, fit for a dead letter."""

    outcome: WriteOutcome
    poison: list[tuple[D, InvalidMessage]]


def salvage(write: Callable[[Sequence[D]], WriteOutcome], batch: Sequence[D]) -> Salvage[D]:
    """`write(batch)`, and where a record of it is poison, the two halves, down to that record.

    Costs nothing while all is well, about 2·log2(n) more writes for one poisonous record of n.
    Raises what `write` raises for other reasons (a database that is away); the part that was
    written by then is repeated harmlessly.
    """
    try:
        return Salvage(write(batch), [])
    except Exception as error:
        if not (isinstance(error, InvalidMessage) or poisonous(error)):
            raise
        if len(batch) == 1:
            return Salvage(WriteOutcome(0, 0, 0), [(batch[0], _reason(error))])
    middle = len(batch) // 2
    first, second = salvage(write, batch[:middle]), salvage(write, batch[middle:])
    total = WriteOutcome(*map(sum, zip(first.outcome, second.outcome, strict=True)))
    return Salvage(total, first.poison + second.poison)


def _reason(error: Exception) -> InvalidMessage:
    if isinstance(error, InvalidMessage):
        return error
    # One line, and of PostgreSQL's the first: the rest may quote the whole row.
    return InvalidMessage("refused-by-database", str(error).splitlines()[0])
