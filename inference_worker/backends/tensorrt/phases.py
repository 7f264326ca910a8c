"""How far a build is. Pure.

To TensorRT a build is phases within phases, each of a number of steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


@dataclass
class Phases:
    """The phases under way, by name."""

    _open: dict[str, _Phase] = field(default_factory=dict)

    def start(self, name: str, parent: str | None, steps: int) -> None:
        self._open[name] = _Phase(parent, max(steps, 1))

    def step(self, name: str, step: int) -> None:
        """The step that is done now, counted from 0. A phase that is not under way is left out."""
        if (phase := self._open.get(name)) is not None:
            phase.done = max(phase.done, min(step + 1, phase.steps))

    def finish(self, name: str) -> None:
        self._open.pop(name, None)

    def now(self) -> tuple[str, float]:
        """The outermost phase, and how much of it is done: its steps, and what is under way."""
        for name, phase in self._open.items():
            if phase.parent not in self._open:
                return name, self._fraction(name)
        return "", 0.0

    def _fraction(self, name: str) -> float:
        phase = self._open[name]
        within = [self._fraction(inner) for inner, one in self._open.items() if one.parent == name]
        return min(1.0, (phase.done + max(within, default=0.0)) / phase.steps)
