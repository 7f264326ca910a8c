"""The order of a camera's first occurrences on a topic."""

from __future__ import annotations

from dataclasses import dataclass

from onehertz.verify.facts import Frame


@dataclass
class _Camera:
    first_us: int
    last_us: int = -(2**63)
    last_origin: int = -1


class Order:
    """Takes first occurrences in the order of their topic."""

    def __init__(self) -> None:
        self._cameras: dict[str, _Camera] = {}

    def take(self, frame: Frame, origin: int | None, *, in_turn: bool) -> str | None:
        """What is wrong with this one's place, None if nothing.

        `origin` is its offset on the topic before; capture times rise only among those `in_turn`.
        """
        name, at_us = frame
        camera = self._cameras.setdefault(name, _Camera(at_us))
        camera.first_us = min(camera.first_us, at_us)
        wrong = None
        if in_turn and at_us <= camera.last_us:
            wrong = f"captured {(camera.last_us - at_us) / 1e6:.3f} s before an earlier record"
        elif origin is not None and origin <= camera.last_origin:
            wrong = f"on the topic before it came at {origin}, ahead of {camera.last_origin}"
        if in_turn:
            camera.last_us = max(camera.last_us, at_us)
        camera.last_origin = max(camera.last_origin, -1 if origin is None else origin)
        return wrong

    def last_origin(self, camera: str) -> int:
        """The furthest offset on the topic before that this camera's records came from; or -1."""
        found = self._cameras.get(camera)
        return -1 if found is None else found.last_origin

    def before_first(self, frame: Frame) -> bool:
        """Whether the frame is older than all that was seen of its camera."""
        found = self._cameras.get(frame[0])
        return found is None or frame[1] < found.first_us
