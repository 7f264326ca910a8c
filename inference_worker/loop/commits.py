"""Offsets that are committed, and how far behind the end of its input a worker is."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from inference_worker.loop.results import STAGE, Results
from runtime.context import Context
from runtime.subscription import Place, Subscription

_INTERVAL_S: Final = 0.5


class Commits:
    """Commits what the broker has all results of, twice a second."""

    def __init__(self, context: Context, subscription: Subscription, results: Results) -> None:
        self._context = context
        self._subscription = subscription
        self._results = results
        self._at_s = 0.0
        self._committed: dict[Place, int] = {}  # of the partitions that are ours

    def commit(self, *, force: bool) -> None:
        """What is new, if it is time or `force` is set."""
        now_s = time.monotonic()
        if not force and now_s - self._at_s < _INTERVAL_S:
            return
        self._at_s = now_s
        done = self._results.done(self._subscription.owned)
        fresh = {place: at for place, at in done.items() if self._committed.get(place) != at}
        if fresh:
            self._context.failpoints.passing("infer.before-commit")
            self._subscription.commit(fresh)
            self._committed |= fresh
        self._tell(done)

    def forget(self, places: Iterable[Place]) -> None:
        """They belong to another worker now."""
        for place in places:
            self._committed.pop(place, None)

    def _tell(self, done: dict[Place, int]) -> None:
        for (_, partition), lag in self._subscription.lag(done).items():
            self._context.metrics.set(
                "onehertz_lag_records", lag, stage=STAGE, partition=str(partition)
            )
