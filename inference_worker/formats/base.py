"""What the structs of output formats share."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

Positive = Annotated[int, Meta(ge=1)]
Score = Annotated[float, Meta(gt=0.0, lt=1.0)]
TensorName = Annotated[str, Meta(min_length=1)]
Strides = Annotated[tuple[Positive, ...], Meta(min_length=1)]
# What coordinates count in: pixels of the input, or fractions of it.
Units = Literal["pixels", "fractions"]
# The number that a graph gives to the first label: 1 where 0 is the background.
FirstClass = Literal[0, 1]
