"""Folders with a model of the user's own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import msgspec
import numpy as np
import yaml

from tests.inference_worker.onnx_models import SMALL_SSD


def add_model(folder: Path, name: str, weights: bytes, **more: object) -> Path:
    """A model as SMALL_SSD, with its weights beside its manifest. `more`: of the manifest."""
    own = [{"file": "small.onnx", "sha256": hashlib.sha256(weights).hexdigest()}]
    manifest = msgspec.to_builtins(SMALL_SSD) | {"name": name, "weights": own} | more
    model = folder / name
    model.mkdir(parents=True)
    (model / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    (model / "small.onnx").write_bytes(weights)
    return model


def put_weights(model: Path, weights: bytes) -> None:
    """Other weights in place of those there, and a manifest that says so."""
    before = (model / "small.onnx").read_bytes()
    (model / "small.onnx").write_bytes(weights)
    hashes = [hashlib.sha256(content).hexdigest() for content in (before, weights)]
    text = (model / "manifest.yaml").read_text()
    (model / "manifest.yaml").write_text(text.replace(*hashes))


def no_assets(name: str) -> Path:
    """Of a model that needs none."""
    raise AssertionError(f"asset {name} was asked for")


def noise(count: int) -> Sequence[np.ndarray]:
    """Pictures of 64 x 48 pixels, each another one."""
    chance = np.random.default_rng(3)
    return [
        cv2.resize(chance.integers(0, 256, (4, 4, 3), dtype=np.uint8), (64, 48))
        for _ in range(count)
    ]
