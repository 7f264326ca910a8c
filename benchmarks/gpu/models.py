"""The models that are tried on a GPU, float and INT8: made on any machine, taken to that one.

python -m benchmarks.gpu.models [FOLDER]     needs ../shared/data, and the default detector
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import click
import msgspec
import yaml

from benchmarks.method.shared_models import FEMTO, with_femto
from inference_worker.admission.frames import real_pictures
from inference_worker.quantising.quantise import quantise
from inference_worker.quantising.recipes import RECIPES
from inference_worker.quantising.task import Task
from inference_worker.settings import InferSettings
from inference_worker.store import Store, sha256_of
from onehertz.assets import fetch_one
from runtime.errors import FatalError, UserError

DEFAULT = "ssd-mobilenet-v2"
KINDS = "kinds.json"
_ROOT = Path(__file__).parents[2]
_PICTURES = _ROOT.parent / "shared/data/annotated/coco64/images"
_CALIBRATED_ON = 64


class Kinds(msgspec.Struct, frozen=True):
    """`kinds.json` in the folder: which of its models is what."""

    floats: tuple[str, ...]
    int8: dict[str, str]  # and the float model that it was made of

    def names(self, *, int8: bool) -> list[str]:
        return list(self.int8 if int8 else self.floats)


def read_kinds(folder: Path) -> Kinds:
    """Raises UserError where they were not made."""
    try:
        return msgspec.json.decode((folder / KINDS).read_bytes(), type=Kinds)
    except (OSError, msgspec.DecodeError) as error:
        raise UserError(
            f"{folder / KINDS}: can't be read ({error}); `python -m benchmarks.gpu.models` makes it"
        ) from error


def make(folder: Path, say: Callable[[str], None]) -> Kinds:
    """The default detector and DEIMv2-femto, and the default detector's INT8 for TensorRT.

    Raises UserError if what they are made of is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with_assets_inside(folder, DEFAULT)
    floats = [DEFAULT]
    if with_femto(folder) is not None:
        floats.append(FEMTO)
    else:
        say(f"no ../shared/data here, so no {FEMTO}")
    name = f"{DEFAULT}-int8"
    task = Task(
        settings=InferSettings(model=DEFAULT, model_folders=(folder,)),
        asset_path=fetch_one, recipe=RECIPES["tensorrt"],
        pictures=real_pictures(_PICTURES, _CALIBRATED_ON),
        name=name, root=folder, replace=True, anyway=True,
    )  # fmt: skip
    report = quantise(task, say)
    if report.written is None:
        raise UserError(f"{name} was not written: {report.refusal}")
    kinds = Kinds(tuple(floats), {name: DEFAULT})
    (folder / KINDS).write_bytes(msgspec.json.encode(kinds))
    return kinds


def with_assets_inside(folder: Path, name: str) -> None:
    """A model of the catalogue with its weights beside it, so that nothing need be fetched."""
    model = Store(fetch_one).model(name, (".onnx",))
    target = folder / name
    target.mkdir(exist_ok=True)
    weights = target / f"{name}.onnx"
    shutil.copyfile(model.weights, weights)
    manifest = msgspec.to_builtins(model.manifest)
    manifest["weights"] = [{"file": weights.name, "sha256": sha256_of(weights)}]
    (target / "manifest.yaml").write_text(yaml.safe_dump(manifest), encoding="utf-8")


@click.command()
@click.argument("folder", default=_ROOT / ".gpu" / "models", type=click.Path(path_type=Path))
def main(folder: Path) -> None:
    """Make the models."""
    click.echo(make(folder, lambda text: click.echo(text, err=True)))


if __name__ == "__main__":
    try:
        main()
    except (UserError, FatalError) as error:
        sys.exit(f"benchmarks.gpu.models: {error}")
