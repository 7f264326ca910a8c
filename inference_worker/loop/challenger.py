"""A challenger: a model on trial, that looks at a share of the frames beside the one that serves.

It is a consumer group of its own over `frames-gated` and writes a topic of its own, which the SQL
sink alone reads: the serving line does not know of it. Of a tick that it does not look at it
leaves no record: what became of every tick is the serving line's to say.
"""

from __future__ import annotations

from dataclasses import dataclass

from inference_worker.settings import InferSettings
from runtime.errors import UserError
from runtime.topics import LineSettings
from schemas.catalogue import challenger_topic
from schemas.messages import FrameRecord, Kept
from vision.gate import drawn


@dataclass(frozen=True)
class Challenge:
    """Who challenges, and how much it sees."""

    name: str
    model: str
    share: float  # of the kept frames, 0..1

    @property
    def role(self) -> str:
        """Of its consumer group, beside `infer`."""
        return f"infer-{self.name}"

    @property
    def topic(self) -> str:
        """Where its results go, without the line's prefix."""
        return challenger_topic(self.name)

    def settings(self, serving: InferSettings) -> InferSettings:
        """Those of the workers that serve, with the model on trial in the place of theirs."""
        return serving.model_copy(update={"model": self.model})

    def takes(self, record: FrameRecord) -> bool:
        """Whether it looks at this: at a share of the kept frames, the same whoever asks.

        Drawn by the frame's identity and the challenger's name: neither as the gate's audit draws,
        nor as another challenger.
        """
        return isinstance(record, Kept) and drawn(record.frame, self.share, self.name)


def challenge(
    name: str, share: float, model: str | None, serving: InferSettings, line: LineSettings
) -> Challenge:
    """Raises UserError where it is not known to the line, or its model is the one that serves."""
    if name not in line.challengers:
        wanted = ", ".join([*line.challengers, name])
        raise UserError(
            f"--challenger {name}: the line has no challenger of this name; set line.challengers to"
            f" [{wanted}] for all roles, run 'onehertz topics create', and start the SQL sink again"
        )
    if model is None or model == serving.model:
        raise UserError(
            f"--challenger {name}: --model names the model on trial; {serving.model} serves"
        )
    return Challenge(name, model, share)
