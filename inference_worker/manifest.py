"""A model's manifest: all that is needed to feed it and to read its answers, as data.

A model is a folder, `<name>/manifest.yaml`. Its weights lie beside the manifest or are an asset of
the catalogue. The output formats are in `formats/`.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
import yaml
from msgspec import Meta

from inference_worker.formats import Output, Positive, Score, TensorName, WithoutNms
from runtime.errors import UserError

Side = Annotated[int, Meta(ge=1, le=8192)]
NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"
Name = Annotated[str, Meta(pattern=NAME_PATTERN)]
FileName = Annotated[str, Meta(pattern=r"^[^/\\]+$")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Label = Annotated[str, Meta(min_length=1, max_length=64)]
PerChannel = tuple[float, float, float]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file with more of a graph's weights, beside it."""

    file: FileName
    sha256: Sha256


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file with the graph and its weights."""

    file: FileName
    sha256: Sha256
    asset: str | None = None  # its name in the asset catalogue; None: beside the manifest
    # Where the weights are not in `file`: ONNX's external data, the .bin of OpenVINO.
    beside: tuple[Part, ...] = ()


class Letterbox(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The frame keeps its aspect ratio; the rest of the input is padding."""

    anchor: Literal["centre", "top-left"]
    value: Annotated[int, Meta(ge=0, le=255)]  # of the padding, before mean and std


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A further input of a graph that always gets the same: float32 (batch, values)."""

    name: TensorName
    values: Annotated[tuple[float, ...], Meta(min_length=1)]


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a frame becomes the model's input: value = (pixel 0..255 - mean) / std, per channel."""

    width: Side
    height: Side
    layout: Literal["nchw", "nhwc"]
    colour: Literal["rgb", "bgr"]
    mean: PerChannel = (0.0, 0.0, 0.0)  # in the order of `colour`
    std: PerChannel = (1.0, 1.0, 1.0)
    name: TensorName | None = None  # of the tensor; None: there is no other one for pictures
    # Of a second tensor, int64 (batch, 2), where the graph wants one: width and height in pixels
    # of the picture that its boxes are to be for. It gets those of the input.
    sizes: TensorName | None = None
    also: tuple[Given, ...] = ()  # further inputs, such as PaddleDetection's scale_factor
    letterbox: Letterbox | None = None  # None: a plain resize, whatever the aspect ratio
    dtype: Literal["float32", "float16", "uint8"] = "float32"  # of the tensor

    def __post_init__(self) -> None:
        if any(value <= 0 for value in self.std):
            raise ValueError("`std` must be above 0")


class Nms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Non-maximum suppression, class by class."""

    iou_threshold: Annotated[float, Meta(ge=0.0, le=1.0)]
    max_boxes: Positive = 100  # per frame, the best ones
    max_candidates: Annotated[int, Meta(ge=1, le=4096)] = 1000  # that go into it


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that the worker knows of a model besides its weights."""

    name: Name
    about: str
    licence: Annotated[str, Meta(min_length=1)]  # SPDX
    origin: str
    # The same graph in several forms: an engine takes the first that it reads.
    weights: Annotated[tuple[Weights, ...], Meta(min_length=1)]
    input: Input
    output: Output
    labels: Annotated[tuple[Label, ...], Meta(min_length=1)]  # in the order of the classes
    score_threshold: Score
    nms: Nms | None = None  # None: the model's boxes need none
    max_batch: Positive | None = None  # that the graph can do; None: whatever it declares
    # Engines that see something else with it, or can't read it: `backend: auto` leaves them out.
    not_on: tuple[Literal["openvino", "onnxruntime", "tensorrt"], ...] = ()

    def __post_init__(self) -> None:
        if self.nms is None and not isinstance(self.output, WithoutNms):
            raise ValueError("`nms` is missing: this output format gives an object several boxes")


def read_manifest(path: Path) -> Manifest:
    """Read `<name>/manifest.yaml`, strictly: an unknown key is an error.

    Raises UserError that names the file and the key.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: is not YAML: {error}") from error
    try:
        manifest = msgspec.convert(content, Manifest)
    except msgspec.ValidationError as error:
        raise UserError(f"{path}: {_explain(error)}") from error
    if manifest.name != path.parent.name:
        raise UserError(
            f"{path}: name: is {manifest.name!r}, must be that of its folder, {path.parent.name!r}"
        )
    return manifest


def _explain(error: msgspec.ValidationError) -> str:
    """`key: what is wrong`, from msgspec's `what is wrong - at `$.key``."""
    what, _, where = str(error).rpartition(" - at ")
    if not what:
        return f"{error}{_meant(str(error))}"
    return f"{where.strip('`').removeprefix('$').removeprefix('.')}: {what}{_meant(what)}"


def _meant(what: str) -> str:
    """The key that somebody may have meant by one that there is not."""
    found = re.search(r"unknown field `(.+)`", what)
    structs = (Manifest, Weights, Part, Input, Letterbox, Given, Nms, *get_args(Output))
    keys = {key for struct in structs for key in struct.__struct_fields__}
    near = difflib.get_close_matches(found[1], keys, n=1) if found else []
    return f"; did you mean `{near[0]}`?" if near else ""
