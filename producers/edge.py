"""The gate at the edge: what it drops leaves as a record without bytes. No Kafka, no clock.

The same gate as the server's, on the luma that is at hand before anything is encoded. What it
refers to is on its way to a broker that may be away: where that picture is given up, nothing that
comes later may refer to it.
"""

from __future__ import annotations

import copy
import threading
from dataclasses import dataclass, replace

from producers.settings import GatePlace
from vision.gate import Because, Gate, GateRule
from vision.jpeg import Luma


class References:
    """By camera, the frame that unchanged ones refer to, and whether its picture is still there.

    Cameras' threads say what they refer to; the one that sends says what it had to give up.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._captured_us: dict[str, int] = {}

    def refer(self, camera: str, captured_us: int) -> None:
        """From now on to this frame, which is about to be handed on."""
        with self._lock:
            self._captured_us[camera] = captured_us

    def lose(self, camera: str, captured_us: int) -> None:
        """The picture of that frame was given up."""
        with self._lock:
            if self._captured_us.get(camera) == captured_us:
                del self._captured_us[camera]

    def holds(self, camera: str, captured_us: int) -> bool:
        """Whether the frame is the one referred to, and its picture was not given up."""
        with self._lock:
            return self._captured_us.get(camera) == captured_us


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the gate says of a frame: why it is kept, or what it equals.

    A `frozen` one is neither: the camera shows the same picture bit for bit, and nobody knows what
    is there.
    """

    because: Because | None
    score: float
    same_as_us: int  # capture time; of the frame itself where it is kept
    frozen: bool
    size: tuple[int, int]
    gate: Gate


class EdgeGate:
    """The gate of one run of a camera: its first frame is kept."""

    def __init__(self, camera: str, rule: GateRule, references: References) -> None:
        self._camera = camera
        self._rule = replace(rule, feedback=False)  # detections are not heard of here
        self._references = references
        self._gate = Gate(self._rule)
        self._kept_us: int | None = None
        self._size = (0, 0)

    def weigh(self, luma: Luma, frame: str, captured_us: int, size: tuple[int, int]) -> Weighed:
        """Decides on the run's next frame; `settle` makes it so. `size`: (width, height), pixels.

        `luma` is that of the picture as it would be sent, masks and all.
        """
        kept_us = self._kept_us
        if kept_us is None or not self._references.holds(self._camera, kept_us):
            gate, comparable, kept_us = Gate(self._rule), True, captured_us
        else:
            gate, comparable = copy.copy(self._gate), size == self._size
        decision = gate.decide(luma, frame, captured_us, comparable=comparable)
        same_as_us = captured_us if decision.kept else kept_us
        frozen = decision.scene == "frozen"
        return Weighed(decision.because, decision.score, same_as_us, frozen, size, gate)

    def settle(self, weighed: Weighed) -> None:
        """The frame is on its way. One that no JPEG could be made of changes nothing."""
        self._gate = weighed.gate
        if weighed.because is not None:
            self._kept_us, self._size = weighed.same_as_us, weighed.size
            self._references.refer(self._camera, weighed.same_as_us)


@dataclass(frozen=True, slots=True)
class EdgeGates:
    """What one producer's cameras gate with. `rule`: None where the line has no gate at all."""

    rule: GateRule | None
    references: References

    def begin(self, camera: str, where: GatePlace) -> EdgeGate | None:
        """The gate of a camera's new run, if it has one here."""
        if where != "edge" or self.rule is None:
            return None
        return EdgeGate(camera, self.rule, self.references)


NO_EDGE_GATES = EdgeGates(None, References())
