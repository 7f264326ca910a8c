"""Fake of TensorRT's network, of its ONNX parser, and of profiles."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from google.protobuf.message import DecodeError

from tests.inference_worker.backends.fake_gpu.fake_trt_graph import (
    ErrorCode,
    ITensor,
    ParserError,
    ports,
    refusals,
)
from tests.inference_worker.backends.fake_gpu.fake_trt_plan import Profile
from tests.inference_worker.backends.fake_gpu.fake_trt_types import Dims, ILogger, Severity, checked
from tests.inference_worker.backends.fake_gpu.machine import gpu


class INetworkDefinition:
    def __init__(self) -> None:
        self.inputs: list[ITensor] = []
        self.outputs: list[ITensor] = []
        self.model = b""

    @property
    def num_inputs(self) -> int:
        return len(self.inputs)

    @property
    def num_outputs(self) -> int:
        return len(self.outputs)

    def get_input(self, index: int) -> ITensor:
        return self.inputs[index]

    def get_output(self, index: int) -> ITensor:
        return self.outputs[index]


class OnnxParser:
    def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
        checked(logger, ILogger)
        self._network, self._logger = network, logger
        self._errors: list[ParserError] = []

    def parse(self, model: bytes, path: str | None = None) -> bool:
        try:
            proto = onnx.load_from_string(bytes(model))
            self._errors = list(refusals(proto, gpu().unsupported))
        except DecodeError:
            proto = onnx.ModelProto()
        if not proto.graph.node and not self._errors:
            desc = "Failed to parse the ONNX model"
            self._errors = [ParserError(ErrorCode.MODEL_DESERIALIZE_FAILED, desc)]
        for error in self._errors:
            self._logger.log(Severity.ERROR, error.desc())
        if self._errors:
            return False
        self._network.inputs, self._network.outputs = ports(proto)
        self._network.model = bytes(model)
        return True

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]


class IOptimizationProfile:
    def __init__(self) -> None:
        self.shapes: Profile = {}

    def set_shape(
        self,
        input: str,  # noqa: A002 - the names are TensorRT's
        min: Sequence[int],  # noqa: A002
        opt: Sequence[int],
        max: Sequence[int],  # noqa: A002
    ) -> None:
        if not len(min) == len(opt) == len(max):
            raise RuntimeError("Shape provided for opt is inconsistent with other shapes.")
        if any(not 0 < a <= b <= c for a, b, c in zip(min, opt, max, strict=True)):
            raise RuntimeError("Shape provided for max is inconsistent with other shapes.")
        self.shapes[input] = (list(min), list(opt), list(max))

    def get_shape(self, input: str) -> list[Dims]:  # noqa: A002 - TensorRT's name
        return [Dims(shape) for shape in self.shapes.get(input, ())]
