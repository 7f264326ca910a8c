"""Records and deliveries for the tests, short to write."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.messages import (
    Box,
    Inferred,
    Missing,
    Rejected,
    ResultRecord,
    Unchanged,
    frame_id,
    to_us,
)
from sinks.sql.ranking import Delivery

# A Friday.
T0 = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def at(second: float) -> datetime:
    return T0 + timedelta(seconds=second)


def box(label: str = "person", score: float = 0.5) -> Box:
    # Eighths, which a 32-bit float holds exactly.
    return Box(label=label, score=score, x1=0.125, y1=0.25, x2=0.375, y2=0.5)


def inferred(
    second: float = 0, *labels: str, camera: str = "north", model: str = "ssd", **rest: Any
) -> Inferred:
    own = {"model": model, "boxes": tuple(map(box, labels)), "because": "changed"}
    return Inferred(**(_tick(second, camera) | own | rest))


def unchanged(second: float, same_as: float, camera: str = "north", **rest: Any) -> Unchanged:
    own = {"same_as": frame_id(camera, to_us(at(same_as)))}
    return Unchanged(**(_tick(second, camera) | own | rest))


def rejected(second: float = 0, camera: str = "north", **rest: Any) -> Rejected:
    return Rejected(**(_tick(second, camera) | {"reason": "undecodable"} | rest))


def missing(second: float = 0, camera: str = "north", **rest: Any) -> Missing:
    return Missing(**(_tick(second, camera) | {"reason": "stalled"} | rest))


def _tick(second: float, camera: str) -> dict[str, Any]:
    return {"camera": camera, "captured_at": at(second), "run": "run", "seq": 0}


def delivered(records: Sequence[ResultRecord], first_offset: int = 0) -> list[Delivery]:
    """The records as they lie on one partition, one after the other."""
    return [Delivery(record, 0, first_offset + n) for n, record in enumerate(records)]


def taking(took_ms: int, gave_ms: int) -> dict[str, tuple[int, int]]:
    """Stage times, in ms after T0."""
    return {"gate": (to_us(T0) + took_ms * 1000, to_us(T0) + gave_ms * 1000)}
