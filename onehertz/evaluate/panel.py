"""Who judges, and from whom the gate learns: loaded once for all sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from inference_worker.detector import Detector
from onehertz.evaluate.detections import Detections
from onehertz.evaluate.judging import Boxes, Seen
from onehertz.evaluate.labels import NAME as LABELS
from onehertz.evaluate.labels import Labels
from onehertz.evaluate.ticks import Pass, read
from runtime.errors import UserError

# A box so little above its detector's threshold may be there on one frame and gone on the next.
DOUBT = 0.15

Judge = Callable[[Pass], Seen]
# By tick, what a detector says of it; nothing where it says nothing.
Lessons = Mapping[int, Boxes | None]
Teacher = Callable[[Pass], Lessons]
Teachers = Mapping[str | None, Teacher]
NOBODY: Final[Teachers] = {None: lambda _: {}}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Names and files, as given. `labels`: one for each source, in their order."""

    models: tuple[str, ...] = ()
    labels: tuple[Path, ...] = ()
    labels_size: tuple[int, int] | None = None
    labels_first: int | None = None
    feedback: tuple[str, ...] = ()
    detections: Path | None = None

    def checked(self, sources: int, default_model: str) -> Wanted:
        """With the default judge where nobody else judges. Raises UserError."""
        judges = self.models or (() if self.labels else (default_model,))
        if self.feedback and self.detections is not None:
            raise UserError("--feedback and --detections: the gate learns from one of them")
        if len(self.feedback) == 1 and self.feedback[0] in judges:
            raise UserError(
                f"--feedback {self.feedback[0]}: it judges too, and would judge what it taught;"
                " name another judge (--model) or another teacher, or two models for both"
            )
        if self.labels and len(self.labels) != sources:
            raise UserError(
                f"--labels: {len(self.labels)} given for {sources} sources; give one for each, in"
                " the order of the sources"
            )
        return replace(self, models=judges)


class Panel:
    """Judges and teacher."""

    def __init__(
        self, wanted: Wanted, load: Callable[[str], Detector], *, judging: bool = True
    ) -> None:
        """`load`: a detector by its name. Not `judging`: only the teacher is wanted.

        Raises UserError where a model or file can't be used.
        """
        self._models = wanted.models if judging else ()
        self._feedback = wanted.feedback
        names = dict.fromkeys((*self._models, *wanted.feedback))
        self._detectors = {name: load(name) for name in names}
        self._detections = None if wanted.detections is None else Detections(wanted.detections)
        self._labels = [
            Labels(path, wanted.labels_size, wanted.labels_first)
            for path in (wanted.labels if judging else ())
        ]

    @property
    def detectors(self) -> Mapping[str, Detector]:
        """The models among the judges, by name."""
        return {name: self._detectors[name] for name in self._models}

    def read(self, place: int, source: Path, interval_us: int, phases: int) -> list[Pass]:
        """Passes over the source, which is the one at that place. Raises UserError: no video."""
        passes = read(source, interval_us, phases, self._detectors)
        if self._labels:
            passes = [self._labels[place].labelled(one) for one in passes]
        return passes

    def judges(self, place: int) -> Mapping[str, Judge]:
        """Of the source at that place, by name."""
        found: dict[str, Judge] = {
            name: partial(_seen, name, detector) for name, detector in self.detectors.items()
        }
        if self._labels:
            found[LABELS] = self._labels[place].seen
        return found

    @property
    def teachers(self) -> Teachers:
        """By name; a gate learns from one of them. A judge of that name does not judge it."""
        if self._detections is not None:
            return {self._detections.name: self._detections.lessons}
        return {name: partial(_lessons, name) for name in self._feedback} or NOBODY


def _lessons(name: str, one: Pass) -> Lessons:
    return dict(enumerate(one.seen[name]))


def _seen(name: str, detector: Detector, one: Pass) -> Seen:
    return Seen(name, one.seen[name], detector.score_threshold + DOUBT)
