"""What the gate saw happen to whole pictures: counted, and told where somebody should look."""

from __future__ import annotations

import logging
from typing import Final

from runtime.metrics import Metrics
from stream_processors.processor import STAGE
from vision.scene import Scene

log = logging.getLogger("onehertz.gate")

_TROUBLES: Final[dict[Scene, str]] = {
    "blind": "nothing to be seen but one colour: the lens is covered, or all is dark or glaring",
    "frozen": "the same picture bit for bit, again and again: its ticks are rejected",
}


class Scenes:
    """Of all cameras of a process. A trouble is told when it begins and when it is over."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._troubled: dict[str, Scene] = {}

    def tell(self, camera: str, scene: Scene | None) -> None:
        """What the next picture of a camera is."""
        if scene is not None:
            self._metrics.count("onehertz_scenes_total", stage=STAGE, scene=scene)
        before = self._troubled.get(camera)
        trouble = _TROUBLES.get(scene) if scene is not None else None
        if scene is not None and trouble is not None:
            self._troubled[camera] = scene
            if before != scene:
                log.warning("%s: %s", camera, trouble)
        elif before is not None:
            del self._troubled[camera]
            log.info("%s: no longer %s", camera, before)

    def forget_all(self) -> None:
        """The cameras are somebody else's now."""
        self._troubled.clear()
