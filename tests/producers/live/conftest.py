"""Live cameras that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from producers.live.ticks import LiveTicks
from tests.producers.live.watching import Watched

Watch = Callable[[LiveTicks], Watched]


@pytest.fixture
def watch() -> Iterator[Watch]:
    all_watched: list[Watched] = []

    def begin(ticks: LiveTicks) -> Watched:
        all_watched.append(Watched(ticks))
        return all_watched[-1]

    yield begin
    for watched in all_watched:
        watched.close()
