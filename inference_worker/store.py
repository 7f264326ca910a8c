"""Finds a model by its name, and makes sure that its weights are the ones it was tested with."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from inference_worker.manifest import Manifest, read_manifest
from runtime.errors import UserError

MANIFEST = "manifest.yaml"

# From the name of an asset to its file; may fetch it. `onehertz.assets.path_of` is one.
AssetPath = Callable[[str], Path]


@dataclass(frozen=True)
class Model:
    """A manifest and its weights, whose sha256 is right."""

    manifest: Manifest
    weights: Path


def packaged_models() -> Path:
    """The folder of manifests that comes with onehertz."""
    return Path(str(resources.files("models")))


class Store:
    """Models by name, from several folders; an earlier folder hides a later one's."""

    def __init__(self, asset_path: AssetPath, folders: Sequence[Path] = ()) -> None:
        """`folders` are the user's own; the packaged manifests come last."""
        self._asset_path = asset_path
        self._folders = (*folders, packaged_models())

    def names(self) -> tuple[str, ...]:
        """All models that there are, sorted."""
        found = (path.parent.name for root in self._folders for path in root.glob(f"*/{MANIFEST}"))
        return tuple(sorted(set(found)))

    def manifest(self, name: str) -> Manifest:
        """Raises UserError if there is no such model, or its manifest is wrong."""
        return read_manifest(self._find(name) / MANIFEST)

    def model(self, name: str) -> Model:
        """The model with its weights, fetched if need be.

        Raises UserError if it isn't there, its manifest is wrong or its weights have another hash.
        """
        folder = self._find(name)
        manifest = read_manifest(folder / MANIFEST)
        if manifest.weights.asset is None:
            weights = folder / manifest.weights.file
        else:
            weights = self._asset_path(manifest.weights.asset)
        verify_weights(manifest, weights)
        return Model(manifest, weights)

    def _find(self, name: str) -> Path:
        names = self.names()
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
            raise UserError(f"no model is called {name!r}; {hint}")
        return next(root / name for root in self._folders if (root / name / MANIFEST).is_file())


def verify_weights(manifest: Manifest, weights: Path) -> None:
    """Raises UserError if the file isn't there or isn't the one that the manifest names."""
    try:
        with weights.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(
            f"{weights}: the weights of {manifest.name} can't be read: {error.strerror or error}"
        ) from error
    if found != manifest.weights.sha256:
        raise UserError(
            f"{weights}: is not the file that {manifest.name} was made for: sha256 {found},"
            f" its manifest says {manifest.weights.sha256};"
            " put the right file there, or give the new one a manifest of its own"
        )
