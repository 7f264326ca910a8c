"""How an engine wants its INT8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RecipeName = Literal["cpu", "tensorrt"]

# What computes, and what may stay between: an activation that is fused with its convolution costs
# nothing only if it is quantised with it. SSD MobileNetV2 on OpenVINO: 10.5 ms of CPU with the
# convolutions alone, 6.5 ms with their additions and clips too.
_COMPUTING = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_BETWEEN = ("Add", "Clip", "LeakyRelu", "MaxPool", "Relu")


@dataclass(frozen=True)
class Style:
    """Which operators get Q/DQ nodes."""

    operators: tuple[str, ...]
    # Only before them: what an activation makes of a sum is all that is rounded. TensorRT wants no
    # Q/DQ between a convolution and its activation.
    inputs_only: bool


@dataclass(frozen=True)
class Recipe:
    """What a quantised graph looks like."""

    name: RecipeName
    # Ranges about 0, so that a zero point is 0: TensorRT takes no other. Else activations use all
    # 256 steps of their range, as the integer instructions of CPUs want them: unsigned.
    symmetric: bool
    # TensorRT adds biases in float.
    quantised_bias: bool
    styles: tuple[Style, ...]  # each is tried, unless an earlier one will do

    @property
    def operators(self) -> tuple[str, ...]:
        """Of all styles."""
        return tuple(sorted({name for style in self.styles for name in style.operators}))


RECIPES: dict[RecipeName, Recipe] = {
    "cpu": Recipe(
        "cpu",
        symmetric=False,
        quantised_bias=True,
        styles=(
            Style((*_COMPUTING, *_BETWEEN), inputs_only=False),
            Style(_COMPUTING, inputs_only=True),
        ),
    ),
    "tensorrt": Recipe(
        "tensorrt",
        symmetric=True,
        quantised_bias=False,
        styles=(
            Style((*_COMPUTING, "Add"), inputs_only=True),
            Style(_COMPUTING, inputs_only=True),
        ),
    ),
}
