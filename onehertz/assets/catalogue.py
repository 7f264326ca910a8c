"""The catalogue: every asset by name, with its hash, licence, origin and sources."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated, Literal

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from onehertz.assets.sources import Sha256, Source
from runtime.errors import UserError
from runtime.settings import Section


class Asset(Section):
    """One file of somebody else's that onehertz can use."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    kind: Literal["model", "labels", "clip"]
    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    about: str
    sha256: Sha256
    size_bytes: Annotated[int, Field(gt=0)]
    licence: str
    attribution: str
    default: bool = False  # fetched when no name is given: what the demo needs
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]


class _CatalogueFile(Section):
    assets: list[Asset]


@dataclass(frozen=True)
class Catalogue:
    """All assets, in the order of the catalogue files."""

    assets: tuple[Asset, ...]

    def asset(self, name: str) -> Asset:
        """Raises UserError for a name that is not in the catalogue, with the nearest ones."""
        for asset in self.assets:
            if asset.name == name:
                return asset
        names = [asset.name for asset in self.assets]
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
        raise UserError(f"no asset is called {name!r}; {hint} (onehertz assets list)")

    @property
    def default_names(self) -> tuple[str, ...]:
        """What `onehertz demo` needs: the default detector and the demo's clips."""
        return tuple(asset.name for asset in self.assets if asset.default)


def load_catalogue(files: Sequence[Traversable] | None = None) -> Catalogue:
    """Read and check the catalogue files (default: those of the `models` and `demo` folders).

    Raises UserError that names the file and the field.
    """
    if files is None:
        files = (
            resources.files("models") / "catalogue.yaml",
            resources.files("demo") / "clips.yaml",
        )
    assets = tuple(asset for file in files for asset in _read(file))
    _refuse_repeats(asset.name for asset in assets)
    return Catalogue(assets)


def _read(file: Traversable) -> list[Asset]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        return TypeAdapter(_CatalogueFile).validate_python(content).assets
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror or error}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{file}: is not YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{file}: {where}: {first['msg']}") from error


def _refuse_repeats(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UserError(f"the catalogue has two assets called {name!r}: rename one")
        seen.add(name)
