"""Writes a model's folder: whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import yaml

from inference_worker.manifest import Manifest, read_manifest
from inference_worker.store import MANIFEST
from runtime.errors import UserError


@contextmanager
def new_folder(root: Path, name: str, *, replace: bool) -> Iterator[Path]:
    """An empty folder of this name in another place, which becomes `root / name` at the end.

    If anything is raised in between it goes, and what was at `root / name` stays. Raises UserError
    if something is there and is not to be replaced, or the folder can't be written.
    """
    final = root / name
    if final.exists() and not replace:
        raise UserError(f"{final}: is there already; say --replace, or another --name")
    try:
        root.mkdir(parents=True, exist_ok=True)
        # Beside its last place, so that the move is one step; without a manifest in its own folder
        # it is no model for the store.
        with tempfile.TemporaryDirectory(prefix=".adding-", dir=root) as waiting:
            fresh = Path(waiting) / "new" / name
            fresh.mkdir(parents=True)
            yield fresh
            if final.exists():
                final.rename(Path(waiting) / "old")
            fresh.rename(final)
    except OSError as error:
        raise UserError(f"{final}: can't be written: {error.strerror or error}") from error


def write_model(folder: Path, manifest: Manifest, weights: Path) -> Manifest:
    """Copy the weights and what lies beside them, write the manifest, and read it as a worker will.

    Raises UserError if it would be refused.
    """
    form = manifest.weights[0]
    shutil.copyfile(weights, folder / form.file)
    for part in form.beside:
        shutil.copyfile(weights.parent / part.file, folder / part.file)
    return write_manifest(folder, manifest)


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """The manifest alone, read as a worker will. Raises UserError if it would be refused."""
    (folder / MANIFEST).write_text(manifest_text(manifest), encoding="utf-8")
    return read_manifest(folder / MANIFEST)


def manifest_text(manifest: Manifest) -> str:
    """As YAML, without what is as it is by default."""
    given = _without_defaults(manifest)
    given["weights"] = [_without_defaults(one) for one in manifest.weights]
    given["input"] = _without_defaults(manifest.input)
    if manifest.nms is not None:
        given["nms"] = _without_defaults(manifest.nms)
    return yaml.dump(given, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _without_defaults(struct: msgspec.Struct) -> dict[str, Any]:
    fields = msgspec.structs.fields(struct)
    values = msgspec.to_builtins(struct)
    return {
        field.encode_name: values[field.encode_name]
        for field in fields
        if getattr(struct, field.name) != field.default
    }


class _Dumper(yaml.SafeDumper):
    """Lists of numbers on one line, labels one per line."""

    def represent_sequence(
        self, tag: str, sequence: Any, flow_style: Any = None
    ) -> yaml.SequenceNode:
        short = all(isinstance(one, int | float) for one in sequence)
        return super().represent_sequence(tag, sequence, flow_style=flow_style or short)
