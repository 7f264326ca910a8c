"""ONNX Runtime's quantiser, without what its import does to the path of imports.

It puts a folder of its own there that has a `models` too, which would hide onehertz's.
"""

import sys

_before = list(sys.path)

from onnxruntime.quantization import QuantType  # noqa: E402
from onnxruntime.quantization.calibrate import (  # noqa: E402
    CalibrationMethod,
    TensorData,
    TensorsData,
)
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer  # noqa: E402

sys.path[:] = _before

__all__ = ["CalibrationMethod", "QDQQuantizer", "QuantType", "TensorData", "TensorsData"]
