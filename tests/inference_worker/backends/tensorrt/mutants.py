"""Makes mistakes in TensorRT's backend: its own source, with one thing written otherwise."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

PACKAGE = "inference_worker.backends.tensorrt"


class Edit(NamedTuple):
    """In a module of the backend, one text for another."""

    module: str
    right: str
    wrong: str


def mutate(patch: pytest.MonkeyPatch, *edits: Edit) -> None:
    """Until `patch` is undone the backend is made of the source with these edits."""
    by_module: dict[str, list[Edit]] = {}
    for edit in edits:
        by_module.setdefault(f"{PACKAGE}.{edit.module}", []).append(edit)
    for name, some in by_module.items():
        original = importlib.import_module(name)
        _replace(patch, original, _mutated(original, some))


def _mutated(original: ModuleType, edits: list[Edit]) -> ModuleType:
    assert original.__file__ is not None
    source = Path(original.__file__).read_text(encoding="utf-8")
    for edit in edits:
        assert source.count(edit.right) == 1, f"{edit.right!r} is not once in {original.__file__}"
        source = source.replace(edit.right, edit.wrong)
    mutant = ModuleType(original.__name__)
    mutant.__file__, mutant.__package__ = original.__file__, original.__package__
    known = sys.modules[original.__name__]
    sys.modules[original.__name__] = mutant  # dataclasses and msgspec look there
    try:
        exec(compile(source, original.__file__, "exec"), vars(mutant))  # noqa: S102 - our own source
    finally:
        sys.modules[original.__name__] = known
    return mutant


def _replace(patch: pytest.MonkeyPatch, original: ModuleType, mutant: ModuleType) -> None:
    """Also where its names were imported from it."""
    patch.setitem(sys.modules, original.__name__, mutant)
    parent, _, own = original.__name__.rpartition(".")
    patch.setattr(sys.modules[parent], own, mutant)
    others = [module for name, module in sys.modules.items() if name.startswith(f"{PACKAGE}.")]
    for other in others:
        for name, value in list(vars(other).items()):
            if getattr(value, "__module__", "") == original.__name__ and other is not mutant:
                patch.setattr(other, name, getattr(mutant, value.__name__))
