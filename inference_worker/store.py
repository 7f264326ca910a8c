"""Finds a model by its name, and makes sure that its weights are the ones it was tested with."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from inference_worker.manifest import Manifest, Weights, read_manifest
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
        return read_manifest(self.folder(name) / MANIFEST)

    def model(self, name: str, reads: Collection[str]) -> Model:
        """The model with its weights in the first form that is read, fetched if need be.

        `reads`: suffixes of files, such as ".onnx". Raises UserError if the model isn't there, has
        no such form, its manifest is wrong or its weights have another hash.
        """
        folder = self.folder(name)
        manifest = read_manifest(folder / MANIFEST)
        form = next((one for one in manifest.weights if Path(one.file).suffix in reads), None)
        if form is None:
            raise UserError(
                f"{folder / MANIFEST}: weights: none of {_names(manifest)} can be read by the"
                f" engine, which reads {', '.join(sorted(reads))}"
            )
        weights = folder / form.file if form.asset is None else self._asset_path(form.asset)
        verify_weights(manifest.name, form, weights)
        return Model(manifest, weights)

    def folder(self, name: str) -> Path:
        """Where the model is. Raises UserError if there is none of this name."""
        names = self.names()
        if name not in names:
            for folder in (root / name for root in self._folders if Path(name).name == name):
                if folder.is_dir():
                    raise UserError(f"{folder}: has no {MANIFEST} that can be read: is no model")
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
            absent = [str(root) for root in self._folders if not root.is_dir()]
            hint += f"; not there: the folder {', '.join(absent)}" if absent else ""
            raise UserError(f"no model is called {name!r}; {hint}")
        return next(root / name for root in self._folders if (root / name / MANIFEST).is_file())


def verify_weights(model: str, form: Weights, path: Path) -> None:
    """Raises UserError if a file isn't there or isn't the one that the manifest names."""
    _verify(model, form.sha256, path)
    for part in form.beside:
        _verify(model, part.sha256, path.parent / part.file)


def _verify(model: str, sha256: str, path: Path) -> None:
    try:
        found = sha256_of(path)
    except OSError as error:
        raise UserError(
            f"{path}: the weights of {model} can't be read: {error.strerror or error}"
        ) from error
    if found != sha256:
        raise UserError(
            f"{path}: is not the file that {model} was made for: sha256 {found},"
            f" its manifest says {sha256};"
            " put the right file there, or give the new one a manifest of its own"
        )


def sha256_of(path: Path) -> str:
    """Hexadecimal. Raises OSError if the file can't be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names(manifest: Manifest) -> str:
    return ", ".join(form.file for form in manifest.weights)
