"""An ONNX graph's files: the graph itself, and those beside it that hold more of its weights."""

from __future__ import annotations

import hashlib
from pathlib import Path


def has_more_files(weights: Path) -> bool:
    """Whether it may have files beside it. Raises OSError."""
    return b"location" in weights.read_bytes()  # what every reference to such a file contains


def files_of(weights: Path) -> list[Path]:
    """The graph's file first, then each that it names, in their order of names.

    Raises OSError; what protobuf raises for a file that is no graph.
    """
    if not has_more_files(weights):
        return [weights]
    import onnx  # takes 0.2 s, and few graphs need it

    model = onnx.load(weights, load_external_data=False)
    named = {
        entry.value
        for constant in model.graph.initializer
        for entry in constant.external_data
        if entry.key == "location"
    }
    return [weights, *(weights.parent / name for name in sorted(named))]


def hash_of(weights: Path) -> str:
    """One sha256 for all files of a graph, hexadecimal. Raises as `files_of`."""
    digest = hashlib.sha256()
    for path in files_of(weights):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
