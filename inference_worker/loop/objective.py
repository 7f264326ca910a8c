"""Whether the objective `infer.p95_ms` is held, told when that changes."""

from __future__ import annotations

from typing import Final

_WINDOW_S: Final = 30.0  # of the first result in it; so no more than two lines a minute
_FEWEST: Final = 20  # results, of which one late is one in twenty
_MAY_BE_LATE: Final = 0.05


class Objective:
    """Counts results by windows, which end with the first result after their time.

    Time is the caller's: seconds of any clock that never steps back.
    """

    def __init__(self, p95_ms: float) -> None:
        self.p95_ms = p95_ms
        self._missed = False
        self._begin(0.0)
        self._count = 0

    def came(self, took_ms: float, now_s: float) -> str:
        """A frame's result is there, so long after the frame was read.

        A line for the log if from now on the objective is missed, or held again; else nothing.
        """
        line = ""
        if self._count == 0:
            self._begin(now_s)
        elif now_s >= self._began_s + _WINDOW_S and self._count >= _FEWEST:
            line = self._end(now_s)
            self._begin(now_s)
        self._count += 1
        self._late += took_ms > self.p95_ms
        return line

    def _begin(self, now_s: float) -> None:
        self._began_s, self._count, self._late = now_s, 0, 0

    def _end(self, now_s: float) -> str:
        missed = self._late > _MAY_BE_LATE * self._count
        if missed == self._missed:
            return ""
        self._missed = missed
        told = f"{self._late} of {self._count} frames in {now_s - self._began_s:.0f} s were later"
        if not missed:
            return f"infer.p95_ms: {self.p95_ms:g} is held again: {told}"
        return (
            f"infer.p95_ms: {self.p95_ms:g} is not held: {told}; more workers, a faster model or"
            " fewer frames would hold it"
        )
