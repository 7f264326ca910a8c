"""A real detector that a benchmark finds in ../shared/data, added as a user would add it."""

from __future__ import annotations

from pathlib import Path

from inference_worker.adding.add import add_model
from inference_worker.adding.propose import propose
from inference_worker.adding.wishes import Wishes
from inference_worker.settings import InferSettings
from onehertz.cli.models.known_frames import known_frames

FEMTO = "deimv2-femto"
_FILE = Path(__file__).parents[3] / "shared/data/models/deimv2_femto.onnx"


def with_femto(root: Path) -> InferSettings | None:
    """Settings with DEIMv2-femto in the folder `root`; None where there is no ../shared/data."""
    if not _FILE.exists():
        return None
    settings = InferSettings(model=FEMTO, model_folders=(root,))
    if not (root / FEMTO).exists():
        wishes = Wishes(name=FEMTO, labels="coco", score_threshold=0.5, licence="Apache-2.0")
        root.mkdir(exist_ok=True)
        pictures = known_frames(None)
        add_model(propose(_FILE, wishes, pictures), root, settings, pictures=pictures)
    return settings
