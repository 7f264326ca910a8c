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
class Recipe:
    """What a quantised graph looks like."""

    name: RecipeName
    # Ranges about 0, so that a zero point is 0: TensorRT takes no other. Else activations use all
    # 256 steps of their range, as the integer instructions of CPUs want them: unsigned.
    symmetric: bool
    # TensorRT adds biases in float.
    quantised_bias: bool
    # Sets of operators, each of which is tried.
    operators: tuple[tuple[str, ...], ...]


RECIPES: dict[RecipeName, Recipe] = {
    "cpu": Recipe("cpu", False, True, ((*_COMPUTING, *_BETWEEN), _COMPUTING)),
    "tensorrt": Recipe("tensorrt", True, False, ((*_COMPUTING, "Add"), _COMPUTING)),
}
