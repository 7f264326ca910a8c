"""Writes what the packaged models see on known frames: `python -m onehertz.packaged_reference`.

To be run when a packaged manifest, or the clip, becomes another one.
"""

from __future__ import annotations

from inference_worker.admission.checking import reference_detector
from inference_worker.admission.frames import video_frames
from inference_worker.admission.reference import (
    boxes_on,
    make_reference,
    telling,
    write_reference_to_asset,
)
from inference_worker.settings import InferSettings
from inference_worker.store import Store, packaged_models
from onehertz.assets import fetch_one
from onehertz.cli.models.known_frames import KNOWN_FRAMES, LOOKED_AT


def main() -> None:
    """Of each packaged model."""
    frames = video_frames(fetch_one(KNOWN_FRAMES), LOOKED_AT)
    for name in Store(fetch_one).names():
        detector = reference_detector(InferSettings(model=name, threads=1), fetch_one)
        found = boxes_on(detector, [picture for _, picture in frames])
        chosen = [frames[at] for at in telling(found, detector.score_threshold)]
        reference = make_reference(detector, [picture for _, picture in chosen], "float32")
        numbers = [number for number, _ in chosen]
        write_reference_to_asset(packaged_models() / name, reference, KNOWN_FRAMES, numbers)


if __name__ == "__main__":
    main()
