"""Files that a user might bring."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from inference_worker.adding.wishes import Wishes
from tests.inference_worker.adding.graphs import LABELS, Made


@pytest.fixture
def labels(tmp_path: Path) -> str:
    """A file with a label for each class of the graphs."""
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(LABELS) + "\n")
    return str(path)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Made], Path]:
    """Writes a graph to a file."""

    def save(made: Made) -> Path:
        path = tmp_path / "theirs.onnx"
        path.write_bytes(made.file())
        return path

    return save


@pytest.fixture
def wishes(labels: str) -> Callable[..., Wishes]:
    """What a user says who has a file of labels."""
    return lambda **said: Wishes(**{"name": "mine", "labels": labels} | said)
