"""What OpenVINO and TensorRT have compiled, in the user's cache; what nobody uses any more goes.

Each version of them, each model, each way to run one leaves a file of the size of its weights.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

_UNUSED_S: Final = 30 * 86_400.0


def compiled_folder(cache: Path) -> Path:
    """Where OpenVINO's is, in the cache."""
    return cache / "openvino"


def engines_folder(cache: Path) -> Path:
    """Where TensorRT's is, in the cache."""
    return cache / "tensorrt"


def prune(cache: Path, now_s: float) -> None:
    """Delete what was neither written nor read for 30 days. `now_s`: since 1970.

    A file system that notes no reads keeps none for longer: it is compiled again. One that an
    engine has mapped stays with that engine.
    """
    for path in (*compiled_folder(cache).glob("*.blob"), *engines_folder(cache).glob("*.*")):
        with suppress(OSError):  # another worker was faster, or it is not ours
            status = path.stat()
            if now_s - max(status.st_atime, status.st_mtime) > _UNUSED_S:
                path.unlink()
                logger.info("%s was not used for a month and is deleted", path)
